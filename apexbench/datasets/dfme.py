"""DFME (Zhao et al., TAFFC 2024): 500, 300 or 200 fps, which the csv says for each clip.

Nobody has seen how its frames lie on disk: a clip is taken to be any folder whose name is the csv's `Filename`.
"""

from apexbench.datasets.annotations import Annotations, Copy, annotate, leaves
from apexbench.datasets.sheets import read_sheet

EMOTIONS = ("happiness", "disgust", "contempt", "surprise", "fear", "anger", "sadness")
_COLUMNS = {
    "subject": ["Subject"],
    "clip": ["Filename"],
    "onset": ["OnsetFrame"],
    "apex": ["ApexFrame"],
    "offset": ["OffsetFrame"],
    "emotion": ["Emotion"],
    "fps": ["Fps"],
    "aus": ["AU"],
}


def read(copy: Copy) -> Annotations:
    """Return the annotated clips of a DFME folder."""
    sheet, tree = copy.find(["*train*.csv", "*.csv"], ["."])
    clips = list(annotate(read_sheet(sheet, _COLUMNS), {}, prefix="(?:sub|s)"))
    folders = {clip.clip.lower(): [] for clip in clips}
    for folder in leaves(tree, lambda name: name.lower() in folders):
        folders[folder.name.lower()].append(folder)
    for clip in clips:
        clip.folders = folders[clip.clip.lower()]
    return Annotations(clips, EMOTIONS)
