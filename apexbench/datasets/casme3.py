"""CAS(ME)^3 (Li et al., TPAMI 2023), colour at 30 fps: part A (versions 1 and 2 of its sheet) and part C, without apex.

Clips lie in long videos, and several share one: the onset belongs to a clip's identity. Sheets of part A hold numbers
as text, and now and then a video's letter in upper case; it is read in lower case. For part C the folder <subject>/a
is [reported] by users, not read in the release; a folder named like the clip's count is taken too.
"""

from pathlib import Path

from apexbench.datasets.annotations import Annotations, Copy, annotate, clip_folders
from apexbench.datasets.sheets import read_sheet

_COLUMNS_A = {
    "subject": ["Subject"],
    "clip": ["Filename"],
    "onset": ["Onset"],
    "apex": ["Apex"],
    "offset": ["Offset"],
    "aus": ["AU"],
    "objective": ["Objective class"],
    "emotion": ["emotion"],
}
_COLUMNS_C = {
    "subject": ["sub"],
    "clip": ["count"],
    "onset": ["onset"],
    "offset": ["offset"],
    "aus": ["au"],
    "emotion": ["emotion"],
}
_EMOTIONS_A = ("disgust", "surprise", "others", "fear", "anger", "sad", "happy")
_EMOTIONS_C = ("negative", "surprise", "others", "positive")


def read(copy: Copy) -> Annotations:
    """Return the annotated clips of part A, `part_A/spNO.1/a/color/12.jpg`, or part C, `part_C/01/a/color/12.jpg`."""
    return _read_a(copy) if copy.release == "casme3a" else _read_c(copy)


def _read_a(copy: Copy) -> Annotations:
    subjects = r"spNO\.?(\d+)"
    name = "cas(me)3_part_A_ME_label_JpgIndex"
    sheet, tree = copy.find([f"{name}_v2.xlsx", f"{name}*.xls*"], ["part_A", "."], subjects)
    rows = read_sheet(sheet, _COLUMNS_A, optional=["objective"])
    rows["clip"] = rows["clip"].str.lower()
    folders = {key: list(map(_color, paths)) for key, paths in clip_folders(tree, subjects).items()}
    return Annotations(list(annotate(rows, folders, prefix=r"spNO\.?")), _EMOTIONS_A)


def _read_c(copy: Copy) -> Annotations:
    subjects = r"(?:spNO\.|sp|sub)?(\d+)"
    sheet, tree = copy.find(["CAS(ME)3_part_C_ME*.xlsx"], ["part_C"], subjects)
    videos = {key: list(map(_color, paths)) for key, paths in clip_folders(tree, subjects).items()}
    clips = list(annotate(read_sheet(sheet, _COLUMNS_C), videos, prefix=r"spNO\.?|sp|sub"))
    for clip in clips:
        if not clip.folders:
            clip.folders = videos.get((clip.key[0], "a"), ())
    return Annotations(clips, _EMOTIONS_C)


def _color(video: Path) -> Path:
    """The folder of colour pictures of a video; some copies hold them without that folder."""
    return video / "color" if (video / "color").is_dir() else video
