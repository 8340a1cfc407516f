"""Folders of classes: actions named as in UCF101, full expressions named as in CK+."""

from typing import ClassVar

import numpy as np

from apexbench.datasets.synthetic.actions import ACTIONS
from apexbench.datasets.synthetic.layouts.base import Clip, Layout, Size


class Actions(Layout):
    """Pieces that move, without a face: turn/v_turn_g01_c01/00001.jpg; a subject is a group of UCF101."""

    emotions = tuple(ACTIONS)
    faces = False
    sizes: ClassVar = {"mini": Size((96, 128), (0, 0), (4, 5)), "full": Size((240, 320), (0, 0), (15, 20))}

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"{emotion}:v_{emotion}_g{subject:02d}_c{serial + 1:02d}"

    def frame(self, clip: Clip, number: int) -> str:
        return f"{clip.name.replace(':', '/')}/{number:05d}.jpg"


class Macro(Layout):
    """Expressions of full strength: happiness/S001_001/S001_001_00000001.jpg. As those of CK+ they end at the peak."""

    emotions = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
    strength = 6.0
    ends_at_peak = True
    sizes: ClassVar = {"mini": Size((224, 224), (145, 170), (4, 6)), "full": Size((490, 640), (250, 300), (9, 16))}

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"{emotion}:S{subject:03d}_{index + 1:03d}"

    def frame(self, clip: Clip, number: int) -> str:
        return f"{clip.name.replace(':', '/')}/{clip.name.partition(':')[2]}_{number:08d}.jpg"
