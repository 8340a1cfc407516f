"""CASME II (Yan et al., PLoS ONE 2014): 200 fps, 26 subjects; sheet of 2014-05-08 or 2019-07-01, raw or cropped."""

from pathlib import Path

from apexbench.datasets.annotations import COLUMNS_OF_SHEETS, Annotation, find_one, read_sheet


def read(root: Path) -> list[Annotation]:
    """Return the annotated clips of a CASME II folder; frames lie in `.../sub01/EP02_01f/`."""
    patterns = ["CASME2-coding-*.xlsx", "**/CASME2-coding-*.xlsx"]
    sheet = read_sheet(find_one(root, patterns, "the coding sheet"), COLUMNS_OF_SHEETS)
    trees = ["CASME2_RAW_selected", "CASME2-RAW", "Cropped", "**/CASME2_RAW_selected", "**/CASME2-RAW", "**/Cropped"]
    tree = find_one(root, trees, "the folder of frames")
    return [Annotation.of_row(row, tree / f"sub{row.subject.zfill(2)}" / row.clip) for row in sheet.itertuples()]
