"""4DME (Li et al., TAFFC 2023), the gray clips at 60 fps: a clip may show several emotions, "Surprise+Positive".

A unit marked (k) is kept throughout the clip and does not count (see `apexbench.clips.read_units`).
"""

from apexbench.datasets.annotations import Annotations, Copy, annotate, clip_folders, unlisted
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
_SUBJECTS = r"\D*(\d+)"


def read(copy: Copy) -> Annotations:
    """Return the annotated clips of a 4DME folder; frames lie in `gray_micro/<sub_ID>/<fold_name>/`."""
    trees = ["gray_micro", "gray_micro_crop"]
    sheet, tree = copy.find(["4DME_Labelling_Micro*.xlsx"], trees, _SUBJECTS)
    rows = read_sheet(sheet, _COLUMNS)
    folders = clip_folders(tree, _SUBJECTS)
    clips = list(annotate(rows, folders))
    return Annotations(clips, EMOTIONS, unlisted(clips, folders), several=True)
