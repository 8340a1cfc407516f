"""MMEW, in both orders of folders."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from apexbench.datasets.synthetic.layouts.base import MINI, Clip, Layout, Size, number, write_workbook


class Mmew(Layout):
    """MMEW: MMEW_Final/Micro_Expression/happiness/S03-01-002/1.jpg and MMEW_Micro_Exp.xlsx."""

    emotions = ("happiness", "surprise", "disgust", "fear", "sadness", "others", "anger")  # in the order of the names
    sizes: ClassVar = {"mini": MINI, "full": Size((231, 231), (150, 170), (12, 25))}  # the released crops

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"S{subject:02d}-{self.emotions.index(emotion) + 1:02d}-{serial + 1:03d}"

    def frame(self, clip: Clip, number: int) -> str:
        return f"MMEW_Final/Micro_Expression/{clip.emotion}/{clip.name}/{number}.jpg"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units",
                  "Estimated Emotion", "remarks"]  # fmt: skip
        rows = [[c.subject, c.name, c.onset, c.apex, c.offset, number(c.aus), c.emotion, None] for c in clips]
        write_workbook(root / "MMEW_Micro_Exp.xlsx", {"Sheet1": [header, *rows]})


class MmewSubjectFirst(Mmew):
    """The same clips as S03/happiness/S03-01-002/1.jpg; the folder of the seventh class is `repression` here."""

    release = "mmew"

    def frame(self, clip: Clip, number: int) -> str:
        folder = "repression" if clip.emotion == "others" else clip.emotion
        return f"S{clip.subject:02d}/{folder}/{clip.name}/{number}.jpg"
