"""4DME, the gray micro-expression clips."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from apexbench.datasets.synthetic.expressions import ACTION_UNITS
from apexbench.datasets.synthetic.layouts.base import MINI, Clip, Layout, Size, pick, write_workbook

_LABELS = ("Positive", "Negative", "Surprise", "Repression", "Others")


class FourDme(Layout):
    """4DME: gray_micro/S13/S13_1st_001_01_1/Frame_000000046.jpg and a sheet with several labels for a clip.

    In some rows a unit is marked (k): it is kept from before, nothing moves. Two header cells end in a quote.
    """

    emotions = (*_LABELS, "Surprise+Positive", "Surprise+Negative", "Surprise+Repression", "Negative+Repression")
    gray = True
    sizes: ClassVar = {"mini": MINI, "full": Size((640, 480), (260, 300), (8, 16))}

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"S{subject:02d}_1st_{1 + index // 3:03d}_{1 + index % 3:02d}_1"

    def first_frame(self, rng: np.random.Generator, index: int) -> int:
        return int(rng.integers(1, 3000))

    def amend(self, clips: list[Clip], scale: str) -> list[Clip]:
        clips = list(clips)
        for place in pick(clips, -(-len(clips) // 10), "kept unit"):
            clip = clips[place]
            kept = next(unit for unit in (12, 4, 17) if unit not in _units(clip.aus))
            clips[place] = replace(clip, written={"aus": f"{clip.aus}+{kept}(k)"})
        return clips

    def frame(self, clip: Clip, number: int) -> str:
        return f"gray_micro/S{clip.subject:02d}/{clip.name}/Frame_{number:09d}.jpg"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["fold", "sub_ID'", "fold_name'", "Emotion", "eye blink", *_LABELS, "Onset", "Apex", "Offset",
                  "Total", "AUs", *(f"AU{unit}" for unit in sorted(ACTION_UNITS))]  # fmt: skip
        rows = []
        for fold, c in enumerate(clips, 1):
            labels = [int(label in c.emotion.split("+")) for label in _LABELS]
            aus = str(c.says("aus"))
            units = [int(unit in _units(aus)) for unit in sorted(ACTION_UNITS)]
            rows.append([fold, f"S{c.subject:02d}", c.name, c.emotion, 0, *labels, c.onset, c.apex, c.offset,
                         c.offset - c.onset + 1, f"AU{aus}", *units])  # fmt: skip
        write_workbook(root / "4DME_Labelling_Micro_release v1.xlsx", {"Sheet1": [header, *rows]})


def _units(aus: str) -> set[int]:
    return {int(unit.removesuffix("(k)").lstrip("LR")) for unit in aus.split("+")}
