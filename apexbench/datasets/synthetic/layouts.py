"""How each release lies on disk: folders, frame names, frame numbers and the annotation sheet.

A layout names clips, says where a frame goes, and writes the sheet; it knows nothing of how frames are rendered.
To add a data set, write one class here and put it into LAYOUTS.
"""

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from openpyxl import Workbook

_EPOCH = (2014, 5, 8, 0, 0, 0)


@dataclass(frozen=True)
class Size:
    """How large and long the clips of a scale are."""

    frame: tuple[int, int]  # height, width
    face: tuple[int, int]  # height of the face mesh in px, from..to
    rise: tuple[int, int]  # frames from onset to apex, from..to


MINI = Size((280, 280), (170, 200), (5, 7))


@dataclass(frozen=True)
class Clip:
    """A clip as the release knows it."""

    subject: int
    name: str
    emotion: str
    aus: str
    onset: int
    apex: int
    offset: int


class Casme2:
    """CASME II: CASME2_RAW_selected/sub01/EP02_01f/img46.jpg and CASME2-coding-20140508.xlsx."""

    emotions = ("others", "disgust", "happiness", "repression", "surprise", "sadness", "fear")
    gray = False
    sizes: ClassVar = {"mini": MINI, "full": Size((480, 640), (260, 300), (24, 44))}

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"EP{1 + index // 3:02d}_{1 + index % 3:02d}" + "f" * int(rng.random() < 0.4)

    def first_frame(self, rng: np.random.Generator) -> int:
        return int(rng.integers(1, 400))

    def frame(self, clip: Clip, number: int) -> str:
        return f"CASME2_RAW_selected/sub{clip.subject:02d}/{clip.name}/img{number}.jpg"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units",
                  "Estimated Emotion"]  # fmt: skip
        rows = [
            [f"{c.subject:02d}", c.name, None, c.onset, c.apex, c.offset, None, _number(c.aus), c.emotion]
            for c in clips
        ]
        _write_workbook(root / "CASME2-coding-20140508.xlsx", "Sheet1", [header, *rows])


class Samm:
    """SAMM: 006/006_1_2/006_05562.jpg (gray; the width of the number varies by clip) and the FACS code sheet."""

    emotions = ("Anger", "Other", "Happiness", "Surprise", "Contempt", "Disgust", "Fear", "Sadness")
    gray = True
    sizes: ClassVar = {"mini": MINI, "full": Size((1088, 2040), (390, 430), (24, 44))}

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"{subject:03d}_{1 + index % 7}_{1 + index // 7}"

    def first_frame(self, rng: np.random.Generator) -> int:
        return int(rng.integers(100, 9000))

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
            [f"{c.subject:03d}", c.name, int(c.name.split("_")[1]), c.onset, c.apex, c.offset, f"=F{r}-D{r}+1",
             "Micro - 1/2", _number(c.aus), c.emotion, objective_class(c.aus), None]
            for r, c in enumerate(clips, 15)
        ]  # fmt: skip
        _write_workbook(root / "SAMM_Micro_FACS_Codes_v2.xlsx", "MICRO_ONLY", [*preamble, header, *rows])


class SmicHs:
    """SMIC-HS: SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559740.bmp; no sheet, no apex."""

    emotions = ("negative", "positive", "surprise")
    gray = False
    sizes: ClassVar = {"mini": MINI, "full": Size((480, 640), (180, 220), (14, 22))}
    _codes: ClassVar = {"negative": "ne", "positive": "po", "surprise": "sur"}

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"s{subject}_{self._codes[emotion]}_{serial + 1:02d}"

    def first_frame(self, rng: np.random.Generator) -> int:
        return int(rng.integers(100_000, 10 ** int(rng.integers(6, 9))))

    def frame(self, clip: Clip, number: int) -> str:
        return f"SMIC_all_raw/HS/s{clip.subject}/micro/{clip.emotion}/{clip.name}/image{number}.bmp"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        pass


class Mmew:
    """MMEW: MMEW_Final/Micro_Expression/happiness/S03-01-002/1.jpg and MMEW_Micro_Exp.xlsx."""

    emotions = ("happiness", "surprise", "disgust", "fear", "sadness", "others", "anger")  # in the order of the names
    gray = False
    sizes: ClassVar = {"mini": MINI, "full": Size((231, 231), (150, 170), (12, 25))}  # the released crops

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        return f"S{subject:02d}-{self.emotions.index(emotion) + 1:02d}-{serial + 1:03d}"

    def first_frame(self, rng: np.random.Generator) -> int:
        return 1

    def frame(self, clip: Clip, number: int) -> str:
        return f"MMEW_Final/Micro_Expression/{clip.emotion}/{clip.name}/{number}.jpg"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units",
                  "Estimated Emotion", "remarks"]  # fmt: skip
        rows = [[c.subject, c.name, c.onset, c.apex, c.offset, _number(c.aus), c.emotion, None] for c in clips]
        _write_workbook(root / "MMEW_Micro_Exp.xlsx", "Sheet1", [header, *rows])


LAYOUTS = {"casme2": Casme2(), "samm": Samm(), "smic-hs": SmicHs(), "mmew": Mmew()}


def objective_class(aus: str) -> str:
    """The objective class I..VII of a set of units, after the class definitions of Davison et al. (2018)."""
    units = frozenset(int(unit) for unit in re.findall(r"\d+", aus))
    classes = {
        "I": [{6}, {12}, {6, 12}, {6, 7, 12}, {7, 12}],
        "II": [{1, 2}, {5}, {25}, {1, 2, 25}, {25, 26}, {5, 24}, {1, 2, 5}, {1, 2, 5, 25}],
        "III": [{23}, {4}, {4, 7}, {4, 5}, {4, 5, 7}, {17, 24}, {4, 6, 7}, {4, 38}],
        "IV": [{10}, {9}, {4, 9}, {4, 40}, {4, 5, 40}, {4, 7, 9}, {4, 9, 10}, {4, 7, 10}, {4, 10}],
        "V": [{1}, {15}, {1, 4}, {6, 15}, {15, 17}],
        "VI": [{1, 2, 4}, {20}],
    }
    return next((name for name, sets in classes.items() if units in sets), "VII")


def _number(aus: str) -> int | str:
    """A lone unit is a number in the sheets' cells, as Excel makes it."""
    return int(aus) if aus.isdigit() else aus


def _write_workbook(path: Path, sheet: str, rows: list[list]) -> None:
    """Write rows of cells; the same rows give the same bytes, whereas openpyxl stamps the time of writing."""
    workbook = Workbook()
    workbook.active.title = sheet
    for row in rows:
        workbook.active.append(row)
    stamped = io.BytesIO()
    workbook.save(stamped)
    with zipfile.ZipFile(stamped) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2014-05-08T00:00:00Z", data)
            target.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
