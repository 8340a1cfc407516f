"""CASME II (Yan et al., PLoS ONE 2014): 200 fps, 26 subjects; sheet of 2014-05-08 or 2019-07-01, raw or cropped."""

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
    """Return the annotated clips of a CASME II folder; frames lie in `.../sub01/EP02_01f/`."""
    sheet = read_sheet(
        find_one(root, ["CASME2-coding-*.xlsx", "**/CASME2-coding-*.xlsx"], "the coding sheet"), _COLUMNS
    )
    trees = ["CASME2_RAW_selected", "CASME2-RAW", "Cropped", "**/CASME2_RAW_selected", "**/CASME2-RAW", "**/Cropped"]
    tree = find_one(root, trees, "the folder of frames")
    clips = []
    for item in sheet.itertuples():
        folder = tree / f"sub{item.subject.zfill(2)}" / item.clip
        clips.append(
            Annotation(
                item.place,
                item.subject,
                item.clip,
                item.onset,
                item.apex,
                item.offset,
                item.emotion.lower(),
                item.aus,
                folder if folder.is_dir() else None,
            )
        )
    return clips
