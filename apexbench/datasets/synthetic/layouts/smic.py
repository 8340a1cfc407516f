"""SMIC (HS, VIS, NIR; raw and cropped) and the extended SMIC-HS-E."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import ClassVar

import numpy as np

from apexbench.datasets.synthetic.layouts.base import MINI, Clip, Layout, Size, chance, pick, write_workbook

_CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}
_CLASSES = tuple(_CODES)


class Smic(Layout):
    """SMIC: SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559740.bmp; no sheet, no apex."""

    emotions = _CLASSES
    sizes: ClassVar = {"mini": MINI, "full": Size((480, 640), (180, 220), (14, 22))}
    tree, prefix = "SMIC_all_raw/HS", "image"

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"s{subject}_{_CODES[emotion]}_{serial + 1:02d}"

    def first_frame(self, rng: np.random.Generator, index: int) -> int:
        return int(rng.integers(100_000, 10 ** int(rng.integers(6, 9))))

    def frame(self, clip: Clip, number: int) -> str:
        return f"{self.tree}/s{clip.subject}/micro/{clip.emotion}/{clip.name}/{self.prefix}{number}.bmp"

    def spare(self, clips: Sequence[Clip]) -> Iterable[tuple[str, Clip, int]]:
        for clip in clips[:1]:
            for number in clip.numbers()[:3]:
                name = f"s{clip.subject}_non_micro_01/{self.prefix}{number}.bmp"
                yield f"{self.tree}/s{clip.subject}/non_micro/{name}", clip, number


class SmicVis(Smic):
    """The part filmed at 25 fps."""

    sizes: ClassVar = {"mini": MINI, "full": Size((480, 640), (180, 220), (4, 6))}
    tree = "SMIC_all_raw/VIS"


class SmicNir(SmicVis):
    """The part filmed at 25 fps in near infrared."""

    gray = True
    tree = "SMIC_all_raw/NIR"


class SmicCropped(Smic):
    """The cropped release of SMIC-HS, reg_image559740.bmp, of which one clip is empty and some lack frames."""

    release = "smic-hs"
    sizes: ClassVar = {"mini": Size((224, 190), (165, 180), (5, 7)), "full": Size((170, 139), (125, 135), (14, 22))}
    tree, prefix = "SMIC_all_cropped/HS", "reg_image"
    _lost: ClassVar = {"s3_po_08": 2, "s3_sur_01": 1, "s3_sur_05": 1, "s3_ne_16": 1}  # frames

    def amend(self, clips: list[Clip], scale: str) -> list[Clip]:
        amended = []
        for clip in clips:
            lost = range(clip.onset + 3, clip.onset + 3 + self._lost.get(clip.name, 0))
            if clip.name == "s18_sur_03":
                lost = clip.numbers()
            amended.append(replace(clip, absent=frozenset(lost)))
        return amended


class SmicHsE(Layout):
    """SMIC-E: HS_long/SMIC-HS-E/s03/s3_sur_01/image308866.jpg, longer than the expression, and a sheet.

    The sheet gives the offset as a formula without a stored value, and notes below the rows.
    """

    emotions = _CLASSES
    sizes: ClassVar = {"mini": MINI, "full": Size((480, 640), (180, 220), (14, 22))}
    missing: ClassVar = {"s1_ne_02", "s2_sur_05", "s3_ne_03", "s3_ne_20", "s4_ne_05", "s4_ne_06", "s9_sur_02"}
    _second, _third = (5, 12), (16, 22)  # frames after the first expression

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        names = (f"s{subject}_{_CODES[emotion]}_{n:02d}" for n in count(1))
        return next(islice((name for name in names if name not in self.missing), serial, None))

    def first_frame(self, rng: np.random.Generator, index: int) -> int:
        return int(rng.integers(100_000, 999_000))

    def amend(self, clips: list[Clip], scale: str) -> list[Clip]:
        around = 20 if scale == "full" else 2
        clips = [replace(clip, before=around + int(4 * chance(clip, "before")), after=around) for clip in clips]
        several = pick(clips, -(-8 * len(clips) // 157), "several")
        for place in several:
            third = {"third": "yes"} if len(several) == 1 or place != max(several) else {}
            clips[place] = replace(clips[place], after=25, written={"second": "yes", **third})
        return clips

    def frame(self, clip: Clip, number: int) -> str:
        return f"SMIC-E_raw image/HS_long/SMIC-HS-E/s{clip.subject:02d}/{clip.name}/image{number:06d}.jpg"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F", None,
                  "FirstF", "LastF", "TotalMF1", "TotalMF2", "TotalMF3", "TotalVL", "Emotion"]  # fmt: skip
        rows = []
        for row, c in enumerate(clips, 2):
            second = [c.offset + at for at in self._second] if "second" in c.written else [None, None]
            third = [c.offset + at for at in self._third] if "third" in c.written else [None, None]
            lengths = [b - a + 1 if a else None for a, b in (second, third)]
            first, last = c.onset - c.before, c.offset + c.after
            rows.append([c.subject, c.name, None, c.onset, f"=D{row}+M{row}-1", *second, *third, None, first, last,
                         c.offset - c.onset + 1, *lengths, last - first + 1, c.emotion])  # fmt: skip
        notes = [[], ["Note", "MF: frames of a micro-expression; VL: frames of the video"]]
        notes += [["MISSING", name] for name in sorted(self.missing)]
        write_workbook(root / "SMIC-HS-E_annotation.xlsx", {"HS": [header, *rows, *notes]})
