"""datasets.yaml and repairs.yaml: releases, and corrections of their annotations."""

from typing import Literal

from pydantic import Field

from apexbench.config.model import Model, Text

Apex = Literal["sheet", "midpoint", "spotted", "drop"]


class FaceCard(Model):
    """How the faces of a data set are found and cropped: one detection per clip, on the onset frame."""

    detector: Literal["mesh", "haar", "provided"] = "mesh"
    fallback: Literal["haar", "none"] = "haar"
    size: int = Field(default=192, ge=32, le=1024)


class DatasetCard(Model):
    """datasets.yaml: one release, or one reading of it."""

    title: str
    loader: str = ""
    folder: str = ""
    people: str = ""
    """Whose subjects these are, if not those of its loader's release: smic-hs for smic-vis."""
    label_set: str
    fps: float = Field(gt=0)
    apex: Apex = "sheet"
    sheet: str = ""
    frames: str = ""
    part: str = ""
    unusable: Literal["fail", "skip"] = "fail"
    subjects: tuple[int, ...] | str
    expected_clips: int | None = None
    expected_subjects: int | None = None
    expected_emotions: dict[str, int] = {}
    note: str = ""
    faces: FaceCard = FaceCard()


class Repair(Model):
    """repairs.yaml: one correction of an annotation, applied only where the old value is found."""

    dataset: str
    subject: int | None = None
    clip: str  # quoted in YAML, which reads 032_3_1 as a number
    field: Literal["onset", "apex", "offset", "aus", "emotion", "objective", "clip"]
    old: Text
    new: Text
    reason: str
    source: str
    enabled: bool = True
    onset_from: int | None = None
    onset_to: int | None = None
