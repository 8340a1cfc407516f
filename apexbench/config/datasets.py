"""datasets.yaml and repairs.yaml: releases, and corrections of their annotations."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from apexbench.config.model import Model, Text

Apex = Literal["sheet", "midpoint", "last", "spotted", "drop"]

# release -> module of apexbench.datasets, whose function `read` takes a `Copy` and returns `Annotations`
LOADERS = {
    "4dme": "fourdme",
    "casme": "casme",
    "casme-squared": "casme_squared",
    "casme2": "casme2",
    "casme3a": "casme3",
    "casme3c": "casme3",
    "class-folders": "class_folders",
    "dfme": "dfme",
    "flow-maps": "flow_maps",
    "mmew": "mmew",
    "samm": "samm",
    "smic-hs": "smic",
    "smic-hs-e": "smic",
    "smic-nir": "smic",
    "smic-vis": "smic",
}


class DatasetCard(Model):
    """datasets.yaml: one release, or one reading of it."""

    title: str
    """What tables and figures call it."""
    loader: str = ""
    """The release that is read; left out: the name of the entry."""
    folder: str = ""
    """Its folder below `data` of config.yaml; left out: the name of the entry."""
    people: str = ""
    """Whose subjects these are, if not those of its loader's release: smic-hs for smic-vis; or the entry's own name."""
    label_set: str
    """Name and version of the annotation; stands in the index and in the table of the data."""
    fps: float = Field(gt=0)
    """Frames per second."""
    apex: Apex = "sheet"
    """Where the apex is from: the sheet, the midpoint, the last frame (of a release whose clips end at their peak),
    spotted in the frames; `drop` leaves clips without one out."""
    sheet: str = ""
    """Glob pattern of the annotation file, where a copy holds several."""
    frames: str = ""
    """Glob pattern of the folder of frames, where a copy holds several."""
    part: str = ""
    """The part of the release that is read, where it has several."""
    unusable: Literal["fail", "skip"] = "fail"
    """What becomes of a clip whose frames are missing: `skip` leaves it out. Other faults stop a run in any case."""
    subjects: tuple[int, ...] | str
    """Numbers of the subjects, or a glob pattern of their folders (of class-folders: of its clips' folders)."""
    expected_clips: int | None = None
    """Clips of the official release; compared when it is read."""
    expected_subjects: int | None = None
    """Subjects of the official release."""
    expected_emotions: dict[str, int] = {}
    """{emotion: clips} of the official release."""
    note: str = ""
    """How sure the counts are, and what else is to be known."""
    cropped: bool = False
    """Whether the frames are faces already, as released, and are taken whole."""


def whole_of(release: str, cards: Mapping[str, DatasetCard]) -> DatasetCard:
    """Return a card of a release that no entry reads whole: it expects what the entries of its parts do, summed up."""
    parts = [card for card in cards.values() if card.loader == release and card.part]
    emotions = Counter()
    for card in parts:
        emotions.update(card.expected_emotions)
    return DatasetCard(
        title=release,
        label_set="",
        fps=1,
        subjects=(),
        expected_clips=sum(card.expected_clips or 0 for card in parts) or None,
        expected_subjects=sum(card.expected_subjects or 0 for card in parts) or None,
        expected_emotions=dict(emotions),
    )


class Repair(Model):
    """repairs.yaml: one correction of an annotation, applied only where the old value is found."""

    dataset: str
    """The release whose annotation is corrected."""
    subject: int | None = None
    """Number of the subject; left out: any."""
    clip: str
    """Name of the clip, `*` for any; quoted, for YAML reads 032_3_1 as a number."""
    field: Literal["onset", "apex", "offset", "aus", "emotion", "objective", "clip"]
    """What is corrected; `clip` with new: drop leaves the clip out."""
    old: Text
    """Text of the cell, or `missing`, `out of range`, `*` (any), or `~` and a regular expression."""
    new: Text
    """The text to put there, the name of another field, or `midpoint`."""
    reason: str
    """Why the old value is wrong."""
    source: str
    """Where the correction is from."""
    enabled: bool = True
    """false switches the record off."""
    onset_from: int | None = None
    """The clip's onset is this frame or later; tells clips of one long video apart."""
    onset_to: int | None = None
    """The clip's onset is this frame or earlier."""
