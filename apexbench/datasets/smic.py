"""SMIC (Li et al., FG 2013): HS at 100 fps, VIS and NIR at 25; no apex anywhere, and no sheet: the class is a folder.

Onset and offset are the first and the last frame of a clip. SMIC-E (`smic-hs-e`) has the same clips within longer ones
and a sheet of onsets and offsets; of a row with several micro-expressions only the first is read, as in the official
count. How note rows look was not seen: a row is taken for a note if it has no subject number and no onset.
"""

import re
from pathlib import Path

from apexbench.datasets.annotations import (
    Annotation,
    Annotations,
    Copy,
    Finding,
    annotate,
    clip_folders,
    number_in,
    subfolders,
    unlisted,
)
from apexbench.datasets.repairs import whole
from apexbench.datasets.sheets import read_sheet

EMOTIONS = ("negative", "positive", "surprise")
_SUBJECTS = r"s(\d+)"
_CAMERA = {"smic-hs": "HS", "smic-vis": "VIS", "smic-nir": "NIR"}
_COLUMNS = {
    "subject": ["Subject"],
    "clip": ["Filename"],
    "onset": ["OnsetF"],
    "offset": ["OffsetF"],
    "second": ["Onset2F"],
    "third": ["Onset3F"],
    "emotion": ["Emotion"],
}


def read(copy: Copy) -> Annotations:
    """Return the clips of a SMIC folder, `.../HS/s1/micro/negative/s1_ne_01/`, or the rows of SMIC-E's sheet."""
    return _read_extended(copy) if copy.release == "smic-hs-e" else _read_folders(copy)


def _read_folders(copy: Copy) -> Annotations:
    camera = _CAMERA[copy.release]
    tree = copy.find_tree([f"SMIC_all_raw/{camera}", camera], _SUBJECTS)  # its crops may lie beside
    clips: dict[tuple, Annotation] = {}
    findings = []
    for emotion in (path for subject in subfolders(tree) for path in _classes(subject)):
        for folder in subfolders(emotion):
            subject, place = emotion.parent.parent.name, str(folder)
            found = Annotation(place, subject, folder.name, emotion.name, folders=[folder], prefix="s")
            findings += _contradictions(found)
            first = clips.setdefault(found.key, found)
            if first is not found:
                first.folders = [*first.folders, folder]
    return Annotations(list(clips.values()), EMOTIONS, findings)


def _contradictions(clip: Annotation) -> list[Finding]:
    """What a clip's name, as in s1_ne_01, says otherwise than the folders in which it lies."""
    match = re.match(r"s0*(\d+)_(ne|po|sur)", clip.clip, re.IGNORECASE)
    texts = []
    if match and int(match[1]) != clip.number:
        texts.append(f"its name says subject {match[1]}, its folder {clip.subject!r}: the folder counts")
    if match and not clip.emotion.lower().startswith(match[2].lower()):
        texts.append(f"its name says {match[2]!r}, its folder {clip.emotion!r}: the folder counts")
    return [Finding("label", clip.place, clip.name, text, warns=True) for text in texts]


def _classes(subject: Path) -> list[Path]:
    micro = subject / "micro"
    return subfolders(micro) if micro.is_dir() else []


def _read_extended(copy: Copy) -> Annotations:
    sheet, tree = copy.find(["SMIC-HS-E_annotation*.xlsx"], ["HS_long/SMIC-HS-E", "SMIC-HS-E"], _SUBJECTS)
    rows = read_sheet(sheet, _COLUMNS, ["HS"], optional=["second", "third"])
    folders = clip_folders(tree, _SUBJECTS)
    note = [number_in(row.subject, "s") is None and whole(row.onset) is None for row in rows.itertuples()]
    findings = [
        Finding("note", row.place, "", "not a clip: " + ", ".join(filter(None, row[1:-1])))
        for row, noted in zip(rows.itertuples(), note, strict=True)
        if noted
    ]
    rows = rows[[not noted for noted in note]]
    clips = list(annotate(rows, folders, prefix="s"))
    for clip, row in zip(clips, rows.itertuples(), strict=True):
        more = [f"from {onset}" for onset in (row.second, row.third) if onset]
        if more:
            text = f"the row has {len(more)} further micro-expression(s), {' and '.join(more)}, which are not read"
            findings.append(Finding("note", row.place, clip.name, text))
    return Annotations(clips, EMOTIONS, [*findings, *unlisted(clips, folders)])
