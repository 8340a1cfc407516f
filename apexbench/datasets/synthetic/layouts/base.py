"""What all layouts share: the clip as a release knows it, faults that are known by name, and workbooks."""

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
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
    """A clip as it is; `written` holds what the release's sheet says instead."""

    subject: int
    name: str
    emotion: str
    aus: str
    onset: int
    apex: int
    offset: int
    objective: str = ""  # I..VII
    before: int = 0  # frames on disk before the onset
    after: int = 0  # and after the offset
    absent: frozenset[int] = frozenset()  # frames that the release lacks
    written: dict[str, int | str] = field(default_factory=dict)

    def says(self, name: str) -> int | str:
        """What the sheet says of a field."""
        return self.written.get(name, getattr(self, name))

    def numbers(self) -> list[int]:
        """The numbers of the frames on disk."""
        return [n for n in range(self.onset - self.before, self.offset + self.after + 1) if n not in self.absent]


@dataclass(frozen=True)
class Known:
    """A clip of the real release that is known by name, and what its row says against the facts.

    `frames` is onset, apex, offset; with `apex` alone the clip is shifted. In `written`, the name of a field stands
    for the value of that field.
    """

    subject: int
    name: str
    emotion: str = ""  # any
    frames: tuple[int, int, int] | None = None
    apex: int | None = None
    written: dict[str, int | str] = field(default_factory=dict)


class Layout:
    """How one release lies on disk. A subclass says names, numbers, places and the sheet, nothing of pixels."""

    release = ""  # the data set whose clips are shown, where several layouts hold the same; empty: the layout's own
    emotions: tuple[str, ...]
    gray = False
    maps = False  # pictures of flow instead of frames
    faces = True  # else the emotions are actions, see actions.py
    strength = 1.0  # of the motion, in terms of micro-expressions
    ends_at_peak = False  # whether the release cuts its clips off at the apex
    sizes: ClassVar[dict[str, Size]]

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        """Name the clip; `serial` counts the subject's clips of this emotion, `index` all of the subject's."""
        raise NotImplementedError

    def first_frame(self, rng: np.random.Generator, index: int) -> int:
        """Draw the onset's number."""
        return 1

    def key(self, clip: Clip) -> str:
        """What tells a clip from the others of its release, as a path."""
        return f"{clip.subject}/{clip.name}"

    def amend(self, clips: list[Clip], scale: str) -> list[Clip]:
        """Put in the faults of the real release, after all clips are drawn."""
        return clips

    def frame(self, clip: Clip, number: int) -> str:
        """Where a frame lies below the root."""
        raise NotImplementedError

    def depth(self, clip: Clip, number: int) -> str:
        """Where its depth picture lies; empty: none."""
        return ""

    def spare(self, clips: Sequence[Clip]) -> Iterable[tuple[str, Clip, int]]:
        """Further pictures, each a copy of a clip's frame."""
        return ()

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        """Write the annotation, and whatever else is no picture."""


def name_known(clips: list[Clip], known: Iterable[Known]) -> list[Clip]:
    """Make clips of the plan those that are known by name: one of that name if there is, else the subject's first.

    A known clip whose subject and emotion the plan lacks is left out.
    """
    clips, taken = list(clips), set()
    for fact in known:
        fits = [
            place
            for place, clip in enumerate(clips)
            if place not in taken and clip.subject == fact.subject and fact.emotion in ("", clip.emotion)
        ]
        if not fits:
            continue
        place = min(fits, key=lambda place, name=fact.name: (clips[place].name != name, place))
        taken.add(place)
        clip = replace(clips[place], name=fact.name)
        shift = 0 if fact.apex is None else fact.apex - clip.apex
        onset, apex, offset = fact.frames or (clip.onset + shift, clip.apex + shift, clip.offset + shift)
        clip = replace(clip, onset=onset, apex=apex, offset=offset)
        written = {name: getattr(clip, value) if value in _FIELDS else value for name, value in fact.written.items()}
        clips[place] = replace(clip, written=clip.written | written)
    return clips


_FIELDS = {"onset", "apex", "offset"}


def pick(clips: Sequence[Clip], count: int, why: str) -> set[int]:
    """Places of `count` clips, the same for the same clips; those with a fault already are left alone."""

    def rank(place):
        clip = clips[place]
        return hashlib.sha256(f"{why}/{clip.subject}/{clip.name}/{clip.onset}".encode()).digest()

    return set(sorted((place for place, clip in enumerate(clips) if not clip.written), key=rank)[:count])


def chance(clip: Clip, why: str) -> float:
    """A number in [0, 1) that belongs to the clip's name."""
    digest = hashlib.sha256(f"{why}/{clip.subject}/{clip.name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def number(aus: str) -> int | str:
    """A lone unit is a number in the sheets' cells, as Excel makes it."""
    return int(aus) if aus.isdigit() else aus


def write_workbook(path: Path, sheets: dict[str, list[list]]) -> None:
    """Write rows of cells; the same rows give the same bytes, whereas openpyxl stamps the time of writing."""
    workbook = Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(row)
    stamped = io.BytesIO()
    workbook.save(stamped)
    with zipfile.ZipFile(stamped) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2014-05-08T00:00:00Z", data)
            target.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
