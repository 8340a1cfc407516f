"""CASME II (Yan et al., PLoS ONE 2014): 200 fps, 26 subjects; the sheet of 2014-05-08 or of 2019-07-01, raw or cropped.

Objective classes come from the sidecar CASME2-ObjectiveClasses.xlsx, where it lies beside.
"""

from apexbench.datasets.annotations import (
    Annotation,
    Annotations,
    Copy,
    Finding,
    annotate,
    clip_folders,
    number_in,
    unlisted,
)
from apexbench.datasets.sheets import COLUMNS, read_sheet

EMOTIONS = ("others", "disgust", "happiness", "repression", "surprise", "sadness", "fear")
_SIDECAR = {"subject": ["Subject"], "clip": ["Filename"], "objective": ["Objective Class", "Objective Classes"]}


def read(copy: Copy) -> Annotations:
    """Return the annotated clips of a CASME II folder; frames lie in `.../sub01/EP02_01f/img46.jpg`."""
    trees = ["CASME2_RAW_selected", "CASME2-RAW", "Cropped"]
    sheet, tree = copy.find(["CASME2-coding-*.xlsx"], trees, r"sub(\d+)")
    rows = read_sheet(sheet, COLUMNS)
    folders = clip_folders(tree, r"sub(\d+)")
    clips = list(annotate(rows, folders, prefix="sub"))
    return Annotations(clips, EMOTIONS, [*unlisted(clips, folders), *_take_objective_classes(copy, clips)])


def _take_objective_classes(copy: Copy, clips: list[Annotation]) -> list[Finding]:
    """Give the clips the sidecar's classes, if there is one; return a finding for each clip that it lacks."""
    found = sorted(copy.root.glob("**/CASME2-ObjectiveClasses*.xlsx"))
    sidecar = next((path for path in found if path.is_file()), None)
    if sidecar is None:
        return []
    rows = read_sheet(sidecar, _SIDECAR).itertuples()
    classes = {(number_in(row.subject, "sub"), row.clip.lower()): row.objective for row in rows}
    for clip in clips:
        clip.objective = classes.get(clip.key, "")
    text = "the sidecar gives no objective class"
    return [Finding("label", str(sidecar), clip.name, text) for clip in clips if not clip.objective]
