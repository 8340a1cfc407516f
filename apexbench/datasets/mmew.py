"""MMEW (Ben et al., TPAMI 2021): 90 fps, trimmed clips; emotion-first and subject-first trees both occur."""

from pathlib import Path

from apexbench.datasets.annotations import COLUMNS_OF_SHEETS, Annotation, find_one, read_sheet


def read(root: Path) -> list[Annotation]:
    """Return the annotated clips of an MMEW folder; a clip is found by its leaf `S01-01-001`, wherever it lies."""
    patterns = ["MMEW_Micro_Exp*.xlsx", "**/MMEW_Micro_Exp*.xlsx"]
    sheet = read_sheet(find_one(root, patterns, "the sheet"), COLUMNS_OF_SHEETS)
    leaves = root.glob("**/S[0-9][0-9]-[0-9][0-9]-[0-9][0-9][0-9]")
    folders = {path.name: path for path in sorted(leaves) if path.is_dir()}
    return [Annotation.of_row(row, folders.get(row.clip)) for row in sheet.itertuples()]
