"""MMEW (Ben et al., TPAMI 2021): 90 fps, trimmed clips, 36 subjects; emotion-first and subject-first trees both occur.

The seventh class is called others in some releases and repression in others; both names are known. Macro-expressions,
in a folder whose name begins with Macro, are not read.
"""

from pathlib import Path

from apexbench.datasets.annotations import Annotations, Copy, annotate, leaf_folders, unlisted
from apexbench.datasets.sheets import COLUMNS, read_sheet

EMOTIONS = ("happiness", "surprise", "disgust", "fear", "sadness", "others", "repression", "anger")


def read(copy: Copy) -> Annotations:
    """Return the annotated clips of an MMEW folder; a clip is found by its leaf `S01-01-001`, wherever it lies."""
    sheet, tree = copy.find(["MMEW_Micro_Exp*.xlsx"], ["."])
    rows = read_sheet(sheet, COLUMNS)
    micro = {}
    for key, paths in leaf_folders(tree, r"S(\d{2})-\d{2}-\d{3}").items():
        inside = [path for path in paths if not _macro(path.relative_to(tree))]
        if inside:
            micro[key] = inside
    clips = list(annotate(rows, micro))
    return Annotations(clips, EMOTIONS, unlisted(clips, micro))


def _macro(path: Path) -> bool:
    return any(part.lower().startswith("macro") for part in path.parts)
