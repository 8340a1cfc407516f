"""datasets.yaml and repairs.yaml: releases, and corrections of their annotations."""

from typing import Literal

from pydantic import Field

from apexbench.config.model import Model, Text

Apex = Literal["sheet", "midpoint", "spotted", "drop"]


class DatasetCard(Model):
    """datasets.yaml: one release, or one reading of it."""

    title: str
    loader: str = ""
    folder: str = ""
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
    cropped: bool = False


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
