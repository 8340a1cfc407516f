"""MMEW (Ben et al., TPAMI 2021): 90 fps, trimmed clips, 36 subjects; emotion-first and subject-first trees both occur.

The seventh class is called others in some releases and repression in others; both names are known. Macro-expressions,
in a folder whose name begins with Macro, are not read.
"""

from pathlib import Path

from apexbench.datasets.annotations import Annotation, Annotations, Copy, Finding, annotate, leaf_folders, unlisted
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
    clips = list(annotate(rows, micro, prefix="S"))
    findings = [finding for clip in clips for path in clip.folders for finding in _contradiction(clip, path, tree)]
    return Annotations(clips, EMOTIONS, [*unlisted(clips, micro), *findings])


def _contradiction(clip: Annotation, path: Path, tree: Path) -> list[Finding]:
    """Report a clip that lies in another emotion's folder than the sheet says; the seventh class has three names."""
    seventh = {name: "others" for name in ("other", "repression")}
    said = seventh.get(clip.emotion.lower(), clip.emotion.lower())
    parts = [part for part in path.relative_to(tree).parts[:-1] if part.lower() in (*EMOTIONS, "other")]
    known = said in EMOTIONS  # else it is told that it is not
    if not known or not parts or said in {seventh.get(part.lower(), part.lower()) for part in parts}:
        return []
    text = f"field 'emotion': the sheet says {clip.emotion!r}, its folder {parts[-1]!r}: the sheet counts"
    return [Finding("label", clip.place, clip.name, text, warns=True)]


def _macro(path: Path) -> bool:
    return any(part.lower().startswith("macro") for part in path.parts)
