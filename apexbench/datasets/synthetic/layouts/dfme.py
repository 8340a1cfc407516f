"""DFME, of which only the annotation is on record; the folders are a guess."""

import csv
from pathlib import Path
from typing import ClassVar

import numpy as np

from apexbench.datasets.synthetic.layouts.base import MINI, Clip, Layout, Size


class Dfme(Layout):
    """DFME: train/12/012_03/00046.jpg and DFME_train.csv with a frame rate for each clip.

    At 500, 300 and 200 fps the real clips are several times as long as those made here.
    """

    emotions = ("happiness", "disgust", "contempt", "surprise", "fear", "anger", "sadness")  # in the order of the ids
    sizes: ClassVar = {"mini": MINI, "full": Size((480, 640), (150, 180), (8, 14))}

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"{subject:03d}_{index + 1:02d}"

    def first_frame(self, rng: np.random.Generator, index: int) -> int:
        return int(rng.integers(1, 500))

    def frame(self, clip: Clip, number: int) -> str:
        return f"train/{clip.subject}/{clip.name}/{number:05d}.jpg"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Emotion", "EmotionId", "Fps", "AU"]
        with (root / "DFME_train.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for c in clips:
                label, fps = self.emotions.index(c.emotion), (500, 300, 200)[c.subject % 3]
                writer.writerow([c.subject, c.name, c.onset, c.apex, c.offset, c.emotion, label, fps, c.aus])
