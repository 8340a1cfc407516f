"""CASME (Yan et al., FG 2013): 60 fps, raw or cropped; the sheet has two apex columns, of which the first is taken.

Its emotions are recalled, not read in the release: a label that is not among them is only remarked on.
"""

from apexbench.datasets.annotations import Annotations, Copy, Finding, annotate, clip_folders, unlisted
from apexbench.datasets.repairs import MISSING
from apexbench.datasets.sheets import read_sheet

EMOTIONS = ("tense", "disgust", "repression", "surprise", "happiness", "sadness", "fear", "contempt")
_COLUMNS = {
    "subject": ["Subject"],
    "clip": ["Filename"],
    "onset": ["OnsetF"],
    "apex": ["ApexF1"],
    "second": ["ApexF2"],
    "offset": ["OffsetF"],
    "aus": ["AU"],
    "emotion": ["Emotion"],
}


def read(copy: Copy) -> Annotations:
    """Return the annotated clips of a CASME folder; frames lie in `.../sub01/EP01_02/EP01_02-001.jpg`."""
    sheet, tree = copy.find(["casme.xlsx", "CASME.xlsx"], ["CASME_raw_selected", "Cropped"], r"sub(\d+)")
    rows = read_sheet(sheet, _COLUMNS, optional=["second"])
    folders = clip_folders(tree, r"sub(\d+)")
    clips = list(annotate(rows, folders, prefix="sub"))
    findings = unlisted(clips, folders)
    for clip, second in zip(clips, rows["second"], strict=True):
        if clip.apex in MISSING and second not in MISSING:
            findings.append(Finding("apex", clip.place, clip.name, f"no ApexF1 ({clip.apex!r}): ApexF2 is taken"))
            clip.apex = second
    return Annotations(clips, EMOTIONS, findings)
