"""SAMM (Davison et al., TAFFC 2018): 200 fps gray, 29 subjects; the padding of frame numbers varies."""

from apexbench.datasets.annotations import Annotations, Copy, annotate, leaf_folders, unlisted
from apexbench.datasets.sheets import COLUMNS, read_sheet

EMOTIONS = ("Anger", "Other", "Happiness", "Surprise", "Contempt", "Disgust", "Fear", "Sadness")


def read(copy: Copy) -> Annotations:
    """Return the annotated clips of a SAMM folder; frames lie in a leaf `006_1_2/006_05562.jpg`, wherever that is."""
    sheet, tree = copy.find(["SAMM_*Micro_FACS_Codes*.xlsx"], ["."])
    columns = {**COLUMNS, "objective": ["Objective Classes", "Objective Class"]}
    rows = read_sheet(sheet, columns, ["MICRO_ONLY"], optional=["objective"])
    folders = leaf_folders(tree, r"(\d{3})_\d+_\d+")
    clips = list(annotate(rows, folders))
    return Annotations(clips, EMOTIONS, unlisted(clips, folders))
