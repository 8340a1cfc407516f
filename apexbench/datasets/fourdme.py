"""4DME (Li et al., TAFFC 2023), the gray clips at 60 fps: a clip may show several emotions, "Surprise+Positive".

A unit marked (k) is kept throughout the clip and does not count (see `apexbench.clips.read_units`).
"""

import re

from apexbench.clips import action_units
from apexbench.datasets.annotations import Annotation, Annotations, Copy, Finding, annotate, clip_folders, unlisted
from apexbench.datasets.sheets import read_sheet

EMOTIONS = ("Positive", "Negative", "Surprise", "Repression", "Others")
_COLUMNS = {
    "subject": ["sub_ID"],
    "clip": ["fold_name"],
    "onset": ["Onset"],
    "apex": ["Apex"],
    "offset": ["Offset"],
    "aus": ["AUs"],
    "emotion": ["Emotion"],
}
_FLAGS = {label: [label] for label in EMOTIONS}
_UNITS = {number: [f"AU{number}"] for number in range(1, 65)}
_UNMARKED = ("", "0")
_SUBJECTS = r"\D*(\d+)"


def read(copy: Copy) -> Annotations:
    """Return the annotated clips of a 4DME folder; frames lie in `gray_micro/<sub_ID>/<fold_name>/`."""
    trees = ["gray_micro", "gray_micro_crop"]
    sheet, tree = copy.find(["4DME_Labelling_Micro*.xlsx"], trees, _SUBJECTS)
    marks = {**_FLAGS, **{str(number): names for number, names in _UNITS.items()}}
    rows = read_sheet(sheet, {**_COLUMNS, **marks}, optional=marks)
    folders = clip_folders(tree, _SUBJECTS)
    clips = list(annotate(rows, folders, prefix="(?:sub|s)"))
    findings = [found for clip, row in zip(clips, rows.to_dict("records"), strict=True) for found in _differ(clip, row)]
    return Annotations(clips, EMOTIONS, [*unlisted(clips, folders), *findings], several=True)


def _differ(clip: Annotation, row: dict[str, str]) -> list[Finding]:
    """Report where the columns that mark emotions and units say otherwise than Emotion and AUs, which count.

    Units are only a remark: the release itself exchanges those of two rows (docs/datasets.md).
    """
    findings = []
    marked = {label for label in _FLAGS if row[label] not in _UNMARKED}
    said = {label for label in EMOTIONS if label.lower() in re.split(r"\W+", clip.emotion.lower())}
    if marked and marked != said:
        text = f"field 'emotion': {clip.emotion!r}, but the columns mark {'+'.join(sorted(marked))}: Emotion counts"
        findings.append(Finding("label", clip.place, clip.name, text, warns=True))
    marked = {number for number in _UNITS if row[str(number)] not in _UNMARKED}
    moving, named = action_units(clip.aus), action_units(clip.aus.replace("(k)", ""))  # kept ones may be marked or not
    if marked and not moving & set(_UNITS) <= marked <= named:
        text = f"field 'aus': {clip.aus!r}, but the columns mark {'+'.join(map(str, sorted(marked)))}: AUs counts"
        findings.append(Finding("label", clip.place, clip.name, text))
    return findings
