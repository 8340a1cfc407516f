"""MMEW (Ben et al., TPAMI 2021): 90 fps, trimmed clips; emotion-first and subject-first trees both occur."""

from pathlib import Path

from apexbench.datasets.annotations import Annotation, find_one, read_sheet

_COLUMNS = {
    "subject": ["Subject"],
    "clip": ["Filename"],
    "onset": ["OnsetFrame"],
    "apex": ["ApexFrame"],
    "offset": ["OffsetFrame"],
    "aus": ["Action Units"],
    "emotion": ["Estimated Emotion"],
}


def read(root: Path) -> list[Annotation]:
    """Return the annotated clips of an MMEW folder; a clip is found by its leaf `S01-01-001`, wherever it lies."""
    sheet = read_sheet(find_one(root, ["MMEW_Micro_Exp*.xlsx", "**/MMEW_Micro_Exp*.xlsx"], "the sheet"), _COLUMNS)
    leaves = root.glob("**/S[0-9][0-9]-[0-9][0-9]-[0-9][0-9][0-9]")
    folders = {path.name: path for path in sorted(leaves) if path.is_dir()}
    return [
        Annotation(
            item.place,
            item.subject,
            item.clip,
            item.onset,
            item.apex,
            item.offset,
            item.emotion.lower(),
            item.aus,
            folders.get(item.clip),
        )
        for item in sheet.itertuples()
    ]
