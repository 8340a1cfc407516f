"""SAMM."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from apexbench.datasets.synthetic.layouts.base import (
    MINI,
    Clip,
    Known,
    Layout,
    Size,
    name_known,
    number,
    write_workbook,
)

# What is on record of rows of the sheet: two apexes out of range, five ambiguous cells of units.
_KNOWN = (
    Known(28, "028_4_1", frames=(1071, 1113, 1134), written={"apex": 1171}),
    Known(32, "032_3_1", frames=(4896, 4930, 4970), written={"apex": 4995}),
    Known(7, "007_6_1", written={"aus": "R12 or R15"}),
    Known(7, "007_6_5", written={"aus": "R12 or R15"}),
    Known(11, "011_4_2", written={"aus": "L12 or L14"}),
    Known(14, "014_5_2", written={"aus": "R12 or R14"}),
    Known(35, "035_7_2", written={"aus": "R12A or R14A"}),
)


class Samm(Layout):
    """SAMM: 006/006_1_2/006_05562.jpg (gray; the width of the number varies by clip) and the FACS code sheet."""

    emotions = ("Anger", "Other", "Happiness", "Surprise", "Contempt", "Disgust", "Fear", "Sadness")
    gray = True
    sizes: ClassVar = {"mini": MINI, "full": Size((1088, 2040), (390, 430), (24, 44))}

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"{subject:03d}_{1 + index % 7}_{1 + index // 7}"

    def first_frame(self, rng: np.random.Generator, index: int) -> int:
        return int(rng.integers(100, 9000))

    def amend(self, clips: list[Clip], scale: str) -> list[Clip]:
        return name_known(clips, _KNOWN) if scale == "full" else clips

    def frame(self, clip: Clip, number: int) -> str:
        width = 5 if sum(map(ord, clip.name)) % 4 == 0 else 4
        return f"{clip.subject:03d}/{clip.name}/{clip.subject:03d}_{number:0{width}d}.jpg"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration",
                  "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"]  # fmt: skip
        preamble = [["SAMM: micro-movements, FACS coded"], [], ["Legend"], ['"/" = or'], ['"?" = unclear offset'],
                    ["L/R = unilateral (left/right)"], ["A = trace"], ["B = slight"], ["C = marked"],
                    ["D = severe"], ["E = maximum; letters also mark asymmetry"], [], []]  # fmt: skip
        rows = [
            [f"{c.subject:03d}", c.name, int(c.name.split("_")[1]), c.onset, c.says("apex"), c.offset,
             f"=F{r}-D{r}+1", "Micro - 1/2", number(str(c.says("aus"))), c.emotion, c.objective, None]
            for r, c in enumerate(clips, 15)
        ]  # fmt: skip
        write_workbook(root / "SAMM_Micro_FACS_Codes_v2.xlsx", {"MICRO_ONLY": [*preamble, header, *rows]})
