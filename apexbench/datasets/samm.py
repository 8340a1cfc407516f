"""SAMM (Davison et al., TAFFC 2018): 200 fps gray, 29 subjects; the padding of frame numbers varies."""

from pathlib import Path

from apexbench.datasets.annotations import COLUMNS_OF_SHEETS, Annotation, find_one, read_sheet


def read(root: Path) -> list[Annotation]:
    """Return the annotated clips of a SAMM folder; frames lie in `.../006/006_1_2/`."""
    patterns = ["SAMM_*Micro_FACS_Codes*.xlsx", "**/SAMM_*Micro_FACS_Codes*.xlsx"]
    sheet = read_sheet(find_one(root, patterns, "the FACS code sheet"), COLUMNS_OF_SHEETS, sheet="MICRO_ONLY")
    folders = {path.name: path for path in sorted(root.glob("**/[0-9][0-9][0-9]_*")) if path.is_dir()}
    return [Annotation.of_row(row, folders.get(row.clip)) for row in sheet.itertuples()]
