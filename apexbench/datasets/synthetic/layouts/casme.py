"""CASME, CASME II, CAS(ME)^2 and CAS(ME)^3."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from apexbench.datasets.synthetic.layouts.base import (
    MINI,
    Clip,
    Known,
    Layout,
    Size,
    chance,
    name_known,
    number,
    pick,
    write_workbook,
)
from apexbench.datasets.synthetic.portraits import stream


class Casme(Layout):
    """CASME: CASME_raw_selected/sub01/EP01_02/EP01_02-001.jpg and casme.xlsx, which has two apex columns."""

    emotions = ("tense", "disgust", "repression", "surprise", "happiness", "sadness", "fear", "contempt")
    sizes: ClassVar = {"mini": MINI, "full": Size((480, 640), (260, 300), (8, 16))}

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"EP{1 + index // 4:02d}_{1 + index % 4:02d}"

    def first_frame(self, rng: np.random.Generator, index: int) -> int:
        return int(rng.integers(1, 200))

    def frame(self, clip: Clip, number: int) -> str:
        width = 3 if chance(clip, "padding") < 0.6 else 1
        return f"CASME_raw_selected/sub{clip.subject:02d}/{clip.name}/{clip.name}-{number:0{width}d}.jpg"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AU", "Emotion"]
        rows = []
        for c in clips:
            second = c.apex + 1 if chance(c, "second apex") < 0.1 else None
            rows.append([c.subject, c.name, None, c.onset, c.apex, second, c.offset, None, number(c.aus), c.emotion])
        write_workbook(root / "casme.xlsx", {"Sheet1": [header, *rows]})


# What is on record of clips of CASME II: names, frames, and the faults of the sheet of 2014-05-08.
_CASME2 = (
    Known(4, "EP12_01f", "disgust", (261, 279, 321), written={"apex": "/"}),
    Known(5, "EP09_05f", "disgust", (69, 81, 123), written={"apex": "onset"}),
    Known(5, "EP12_03f", "surprise"),
    Known(5, "EP16_04f", apex=166, written={"apex": "offset"}),
    Known(12, "EP09_06", apex=89, written={"apex": "offset"}),
    Known(20, "EP16_01", apex=91, written={"apex": "offset"}),
    Known(25, "EP18_04f", apex=98, written={"apex": "offset"}),
    Known(16, "EP01_08", frames=(73, 88, 96), written={"offset": 110}),
    Known(24, "EP07_01", "sadness"),
    Known(24, "EP07_04f", "sadness"),
    Known(24, "EP10_03", "sadness"),
    Known(3, "EP01_2", "surprise"),
    Known(15, "EP04_02", "surprise"),
    Known(17, "EP01_13", "surprise"),
    # irregular names, whose subjects are not on record
    Known(3, "EP08_1"),
    Known(7, "EP06_02_01"),
    Known(7, "EP06_02_02"),
    Known(13, "EP09f"),
)


class Casme2(Layout):
    """CASME II: CASME2_RAW_selected/sub01/EP02_01f/img46.jpg, CASME2-coding-20140508.xlsx and the objective classes."""

    emotions = ("others", "disgust", "happiness", "repression", "surprise", "sadness", "fear")
    sizes: ClassVar = {"mini": MINI, "full": Size((480, 640), (260, 300), (24, 44))}
    tree, prefix, sheet = "CASME2_RAW_selected", "img", "CASME2-coding-20140508.xlsx"

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"EP{1 + index // 3:02d}_{1 + index % 3:02d}" + "f" * int(rng.random() < 0.4)

    def first_frame(self, rng: np.random.Generator, index: int) -> int:
        return int(rng.integers(1, 400))

    def amend(self, clips: list[Clip], scale: str) -> list[Clip]:
        if scale != "full":
            return clips
        clips = name_known(clips, _CASME2)
        unclear = [place for place, clip in enumerate(clips) if clip.objective == "VII"]
        for place in pick([clips[place] for place in unclear], 5, "no unit"):
            clip = clips[unclear[place]]
            clips[unclear[place]] = replace(clip, written={"aus": "?"})
        return clips

    def frame(self, clip: Clip, number: int) -> str:
        return f"{self.tree}/sub{clip.subject:02d}/{clip.name}/{self.prefix}{number}.jpg"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units",
                  "Estimated Emotion"]  # fmt: skip
        rows = [
            [f"{c.subject:02d}", c.name, None, c.onset, c.says("apex"), c.says("offset"), None,
             number(str(c.says("aus"))), c.says("emotion")]
            for c in clips
        ]  # fmt: skip
        write_workbook(root / self.sheet, {"Sheet1": [header, *rows]})
        rows = [[f"{c.subject:02d}", c.name, c.objective] for c in clips]
        header = ["Subject", "Filename", "Objective Class"]
        write_workbook(root / "CASME2-ObjectiveClasses.xlsx", {"Sheet1": [header, *rows]})
        if clips:
            (root / self.tree / f"sub{clips[0].subject:02d}" / "Desktop - Shortcut.lnk").write_bytes(b"L\0\0\0")


class Casme2Of2019(Casme2):
    """The same clips with the sheet of 2019-07-01: three labels, one offset and 56 cells of units differ."""

    release = "casme2"
    sheet = "CASME2-coding-20190701.xlsx"

    def amend(self, clips: list[Clip], scale: str) -> list[Clip]:
        clips = super().amend(clips, scale)
        if scale != "full":
            return clips
        for place, clip in enumerate(clips):
            if (clip.subject, clip.name) in ((24, "EP07_01"), (24, "EP07_04f"), (24, "EP10_03")):
                clips[place] = replace(clip, written={"emotion": "surprise"})
            elif clip.written.get("offset") == 110:
                clips[place] = replace(clip, written={})
        for place in pick(clips, round(56 * len(clips) / 255), "coded anew"):
            clip = clips[place]
            again = clip.aus.removesuffix("+7") if clip.aus.endswith("+7") else f"{clip.aus}+7"
            clips[place] = replace(clip, written={"aus": again})
        return clips


class Casme2Cropped(Casme2):
    """The same clips as aligned crops, Cropped/sub01/EP02_01f/reg_img46.jpg."""

    release = "casme2"
    tree, prefix = "Cropped", "reg_img"
    sizes: ClassVar = {
        "mini": Size((224, 190), (165, 180), (5, 7)),
        "full": Size((340, 280), (255, 275), (24, 44)),
    }


_PARTICIPANTS = (15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 40)
_STIMULI = {
    "disgust1": "0101disgustingteeth", "disgust2": "0102eatingworms", "anger1": "0401girlcrashing",
    "anger2": "0402beatingpregnantwoman", "happy1": "0502funnyerrors", "happy2": "0503funnyfarting",
    "happy3": "0505funnyinnovations", "happy4": "0507climbingthewall", "happy5": "0508funnydunkey",
}  # fmt: skip


class CasmeSquared(Layout):
    """CAS(ME)^2: rawpic/s15/15_0101disgustingteeth/img001.jpg and CAS(ME)^2code_final.xlsx, which has no header.

    Clips lie in long videos. The sheet has five to six times as many macro-expressions, whose frames are not made.
    """

    emotions = ("negative", "positive", "surprise", "others")
    sizes: ClassVar = {"mini": MINI, "full": Size((480, 640), (260, 300), (4, 7))}

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        shown = {"positive": "happy", "negative": ("disgust", "anger")}.get(emotion, "")
        return f"{rng.choice([name for name in _STIMULI if name.startswith(shown)])}_{index + 1}"

    def first_frame(self, rng: np.random.Generator, index: int) -> int:
        return 20 + 60 * index + int(rng.integers(0, 30))  # the clips of a video do not overlap

    def amend(self, clips: list[Clip], scale: str) -> list[Clip]:
        clips = list(clips)
        for place in pick(clips, -(-len(clips) // 20), "no offset"):
            clips[place] = replace(clips[place], written={"offset": 0})
        return clips

    def frame(self, clip: Clip, number: int) -> str:
        person = _PARTICIPANTS[clip.subject - 1]
        return f"rawpic/s{person}/{person}_{_STIMULI[clip.name.split('_')[0]]}/img{number:03d}.jpg"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        micro = [
            [c.subject, c.name, c.onset, c.apex, c.says("offset"), number(c.aus), c.emotion, "micro-expression",
             c.name.split("_")[0][:-1]]
            for c in clips
        ]  # fmt: skip
        rows = sorted(micro + self._macro(clips), key=lambda row: (row[0], row[1].split("_")[0], row[2]))
        sheets = {
            "CASFEcode_final": rows,
            "naming rule1": [[person, f"s{person}", who] for who, person in enumerate(_PARTICIPANTS, 1)],
            "naming rule2": [[int(code[:4]), name] for name, code in _STIMULI.items()],
        }
        write_workbook(root / "CAS(ME)^2code_final.xlsx", sheets)

    @staticmethod
    def _macro(clips: list[Clip]) -> list[list]:
        """300 rows for 57 clips."""
        rng, rows = stream("casme-squared", "macro"), []
        for count in range(round(300 * len(clips) / 57)):
            subject = clips[count % len(clips)].subject
            stimulus, onset = str(rng.choice(list(_STIMULI))), 4000 + 60 * count
            apex, offset = onset + int(rng.integers(8, 16)), onset + int(rng.integers(20, 50))
            emotion = str(rng.choice(CasmeSquared.emotions))
            name = f"{stimulus}_{100 + count}"
            written = 0 if rng.random() < 0.1 else offset
            rows.append([subject, name, onset, apex, written, "4+7", emotion, "macro-expression", stimulus[:-1]])
        return rows


# What is on record of rows of the sheet of part A, version 2.
_CASME3A = (
    Known(149, "d", frames=(112, 123, 131), written={"apex": 83}),
    Known(216, "d", frames=(2647, 2654, 2661), written={"onset": 3647}),
    Known(216, "e", frames=(1, 8, 15), written={"onset": 0}),
    Known(40, "e", frames=(1832, 1838, 1845), written={"offset": 0}),
    Known(40, "e", frames=(2391, 2397, 2403), written={"offset": 0}),
    Known(214, "c", frames=(22, 28, 34), written={"offset": 3460}),
    Known(3, "j", written={"name": "J"}),
)


class Casme3A(Layout):
    """CAS(ME)^3 part A: part_A/spNO.1/a/color/12.jpg, depth beside; numbers in the sheet are text.

    Several clips lie in one video and share its letter: only the onset tells them apart.
    """

    emotions = ("disgust", "surprise", "others", "Others", "fear", "anger", "sad", "happy")
    sizes: ClassVar = {"mini": MINI, "full": Size((720, 1280), (250, 270), (4, 7))}
    sheet = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return "abcdefghijklm"[index // 2 % 13]

    def first_frame(self, rng: np.random.Generator, index: int) -> int:
        return 3000 + 60 * index + int(rng.integers(0, 30))  # behind the clips known by their frames

    def key(self, clip: Clip) -> str:
        return f"{clip.subject}/{clip.name}/{clip.onset}"

    def amend(self, clips: list[Clip], scale: str) -> list[Clip]:
        clips = name_known(clips, _CASME3A)
        for place in pick(clips, round(55 * len(clips) / 860), "apex is onset"):
            clips[place] = replace(clips[place], written={"apex": clips[place].onset})
        return clips

    def frame(self, clip: Clip, number: int) -> str:
        return f"part_A/spNO.{clip.subject}/{clip.name}/color/{number}.jpg"

    def depth(self, clip: Clip, number: int) -> str:
        return f"part_A/spNO.{clip.subject}/{clip.name}/depth/{number}.png"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]
        rows = [
            [f"spNO.{c.subject}", c.says("name"), *(str(c.says(field)) for field in ("onset", "apex", "offset")),
             c.aus, c.objective, c.emotion]
            for c in clips
        ]  # fmt: skip
        write_workbook(root / self.sheet, {"label": [header, *rows]})


class Casme3AOf1(Casme3A):
    """The same clips with the first version of the sheet."""

    release = "casme3a"
    sheet = "cas(me)3_part_A_ME_label_JpgIndex.xlsx"


class Casme3C(Layout):
    """CAS(ME)^3 part C: part_C/01/a/color/12.jpg and a sheet without apex; one of its commas is full-width."""

    emotions = ("negative", "surprise", "others", "positive")
    sizes: ClassVar = {"mini": MINI, "full": Size((720, 1280), (250, 270), (4, 7))}

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return str(index + 1)

    def first_frame(self, rng: np.random.Generator, index: int) -> int:
        return 20 + 60 * index + int(rng.integers(0, 30))

    def frame(self, clip: Clip, number: int) -> str:
        return f"part_C/{clip.subject:02d}/a/color/{number}.jpg"

    def depth(self, clip: Clip, number: int) -> str:
        return f"part_C/{clip.subject:02d}/a/depth/{number}.png"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["sub", "count", "onset", "offset", "au", "emotion"]
        aus = _with_wide_comma([c.aus.replace("+", ",") for c in clips])
        rows = [
            [c.subject, int(c.name), c.onset, c.offset, number(units), c.emotion]
            for c, units in zip(clips, aus, strict=True)
        ]
        write_workbook(root / "CAS(ME)3_part_C_ME.xlsx", {"Sheet1": [header, *rows]})


def _with_wide_comma(cells: Sequence[str]) -> list[str]:
    """Make the comma full-width in the cell with several units that is nearest to the 16th."""
    several = [place for place, cell in enumerate(cells) if "," in cell]
    cells = list(cells)
    if several:
        place = min(several, key=lambda place: abs(place - 15))
        cells[place] = cells[place].replace(",", "\uff0c", 1)
    return cells
