"""What all loaders share: a user's copy of a release, its annotated clips, and the folders that hold their frames."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

import pandas as pd

from apexbench.errors import InputError
from apexbench.manifest import is_folder, passed_over

# (subject, clip name in lower case) -> the folders that claim to be this clip's; more than one is an error
Folders = dict[tuple[int, str], list[Path]]


@dataclass(frozen=True)
class Finding:
    """Something that a user should know of a release; `clip` is "<subject>/<clip>", or "" where no clip is meant.

    Kinds: error (the clip cannot be used), dropped (left out), repair, unmatched-repair, apex, missing-frames, label,
    unlisted (a folder that no row lists), note, count (differs from the official number).
    """

    kind: str
    place: str
    clip: str
    text: str
    warns: bool = False  # counted by check-data, and refused under `strict`

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, f"clip {self.clip}" if self.clip else "", self.text) if part)


@dataclass
class Annotation:
    """One clip as annotated, in the words of the sheet; `place` names file, sheet and row for messages.

    Onset, apex and offset are None where the release annotates none; `fps` is None where it is the release's.
    """

    place: str
    subject: str
    clip: str
    emotion: str
    onset: str | None = None
    apex: str | None = None
    offset: str | None = None
    aus: str = ""
    objective: str = ""
    fps: str | None = None
    dataset: str = ""  # differs from the release's name in composites only
    folders: Sequence[Path] = ()
    prefix: str = ""  # regular expression of what the release writes before a subject's number
    problem: str = ""  # what its loader found wrong with it
    repairs: list[str] = field(default_factory=list)

    @property
    def number(self) -> int | None:
        """The subject's number, see `number_in`."""
        return number_in(self.subject, self.prefix)

    @property
    def key(self) -> tuple[int | None, str]:
        """Subject and clip as `Folders` has them; the subject is None if its cell holds no number."""
        return self.number, self.clip.lower()

    @property
    def name(self) -> str:
        """The clip as findings call it."""
        return f"{self.subject if self.number is None else self.number}/{self.clip}"


@dataclass
class Annotations:
    """All clips of a release, and what is known of its labels.

    `emotions` is the release's vocabulary in its own spelling. `several`: a clip may show several of them, joined by
    "+". `maps`: the release consists of flow maps; a clip's folder is then a picture, and there are no frames.
    """

    clips: list[Annotation]
    emotions: Sequence[str]
    findings: list[Finding] = field(default_factory=list)
    several: bool = False
    maps: bool = False


@dataclass(frozen=True)
class Copy:
    """A user's copy of a release, and which of its sheets, trees and parts to take; "" for the usual ones."""

    root: Path
    release: str
    sheet: str = ""
    frames: str = ""
    part: str = ""

    def find(self, sheets: Sequence[str], trees: Sequence[str], subjects: str = "") -> tuple[Path, Path]:
        """Return the annotation file and the folder of frames, each by the first glob pattern that matches.

        A pattern without a folder is looked for at the root, then anywhere below. A tree counts only if it has
        subfolders whose names match the regular expression `subjects`. Raises InputError with all that is missing.
        """
        problems, found = [], []
        for search in (partial(self.find_sheet, sheets), partial(self.find_tree, trees, subjects)):
            try:
                found.append(search())
            except InputError as error:
                problems.append(str(error))
        if problems:
            raise InputError("\n".join(problems))
        return found[0], found[1]

    def find_sheet(self, sheets: Sequence[str]) -> Path:
        """Return the annotation file, see `find`."""
        patterns = [self.sheet] if self.sheet else sheets
        return self._only("the annotation file", "sheet", patterns, Path.is_file)

    def find_tree(self, trees: Sequence[str], subjects: str = "") -> Path:
        """Return the folder of frames, see `find`."""
        patterns = [self.frames] if self.frames else trees
        holds = f", with subfolders like {subjects}" if subjects else ""

        def fits(path: Path) -> bool:
            if not subjects:
                return path.is_dir()
            return path.is_dir() and any(re.fullmatch(subjects, p.name, re.IGNORECASE) for p in subfolders(path))

        return self._only("the folder of frames", "frames", patterns, fits, holds)

    def _only(self, what: str, option: str, patterns: Sequence[str], fits, holds: str = "") -> Path:
        unfit: list[Path] = []
        for pattern in patterns:
            for place in [pattern] if pattern.startswith(("**", ".")) else [pattern, f"**/{pattern}"]:
                paths = [self.root] if place == "." else self._matches(place)
                paths = [path for path in paths if not _stray(path.relative_to(self.root))]
                found = [path for path in paths if fits(path)]
                unfit += [path for path in paths if path not in found]
                if len(found) > 1:
                    listed = ", ".join(str(path.relative_to(self.root)) for path in found)
                    raise InputError(
                        f"{self.root}: {what} found more than once ({listed}); keep one, or name the one to take in "
                        f"config/datasets.yaml, field {option!r}"
                    )
                if found:
                    return found[0]
        if unfit and option == "sheet":
            kind = "a folder" if unfit[0].is_dir() else "a broken link, or no file"
            raise InputError(f"{unfit[0]}: {kind} where {what} belongs; copy the file from the release")
        raise InputError(f"{self.root}: {what} not found; expected {' or '.join(patterns)}{holds}, as in the release")

    def _matches(self, pattern: str) -> list[Path]:
        try:
            return sorted(self.root.glob(pattern))
        except (RecursionError, OSError, ValueError, NotImplementedError) as error:  # the last two: no pattern
            raise InputError(f"{self.root}: cannot look for {pattern} ({_why(error)})") from None


def number_in(text: str, prefix: str = "") -> int | None:
    """Return a subject's number, of 149, 7.0, or with the release's own prefix spNO.149; None for anything else.

    >>> number_in("sub01", "sub"), number_in("O1"), number_in("01")
    (1, None, 1)
    """
    match = re.fullmatch(rf"(?:{prefix})?\s*([0-9]{{1,9}})(?:\.0+)?", text.strip(), re.IGNORECASE)
    return int(match[1]) if match else None


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted; hidden ones and the leavings of archives are passed over."""
    return _inside(folder, folders=True)


def files(folder: Path) -> list[Path]:
    """Return the files in a folder, as `subfolders` returns folders."""
    return _inside(folder, folders=False)


def _inside(folder: Path, folders: bool) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if is_folder(entry) == folders]
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be listed ({error.strerror})") from error
    return sorted(path for path in found if not _stray(Path(path.name)))


def clip_folders(tree: Path, subjects: str) -> Folders:
    """Return the folders <tree>/<subject>/<clip>; `subjects` is a regular expression with the number as its group."""
    found: Folders = {}
    for subject in subfolders(tree):
        match = re.fullmatch(subjects, subject.name, re.IGNORECASE)
        for clip in subfolders(subject) if match else ():
            found.setdefault((int(match[1]), clip.name.lower()), []).append(clip)
    return found


def leaves(tree: Path, fits: Callable[[str], object]) -> Iterator[Path]:
    """Yield the folders anywhere below `tree` whose names fit; what lies in them is not looked at.

    Raises InputError where folders lie deeper in each other than `_DEEPEST`.
    """
    waiting, linked = [(tree, 0)], {tree.resolve()}
    while waiting:
        place, depth = waiting.pop()
        if depth > _DEEPEST:
            raise InputError(f"{tree}: {_why(RecursionError())}")
        below = []
        for folder in subfolders(place):
            if fits(folder.name):
                yield folder
            elif not folder.is_symlink():
                below.append((folder, depth + 1))
            elif (real := folder.resolve()) not in linked and not place.resolve().is_relative_to(real):
                linked.add(real)  # no going round
                below.append((folder, depth + 1))
        waiting += reversed(below)


def leaf_folders(tree: Path, pattern: str) -> Folders:
    """Return the folders anywhere below `tree` whose names match; group 1 of the expression is the subject's number."""
    match = re.compile(pattern, re.IGNORECASE).fullmatch
    found: Folders = {}
    for folder in leaves(tree, match):
        found.setdefault((int(match(folder.name)[1]), folder.name.lower()), []).append(folder)
    return found


def annotate(rows: pd.DataFrame, folders: Mapping, **more) -> Iterable[Annotation]:
    """Return an annotation for each row of a sheet, with the folders that go by its subject and clip.

    Columns that an annotation has no field for are passed over; `more` are fields that all of them share.
    """
    known = [column for column in rows.columns if column in {field.name for field in fields(Annotation)}]
    for values in rows[known].to_dict("records"):
        item = Annotation(**values, **more)
        item.folders = folders.get(item.key, ())
        yield item


def unlisted(clips: Iterable[Annotation], folders: Folders) -> list[Finding]:
    """Return a finding for each folder of frames that no row of the sheet lists."""
    listed = {item.key for item in clips}
    return [
        Finding("unlisted", str(path), f"{subject}/{path.name}", "a folder of frames that the sheet does not list")
        for (subject, clip), paths in sorted(folders.items())
        if (subject, clip) not in listed
        for path in paths
    ]


_DEEPEST = 50  # releases have at most six


def _why(error: Exception) -> str:
    """What is wrong with a tree that cannot be searched."""
    if isinstance(error, RecursionError):
        return f"folders lie more than {_DEEPEST} deep in each other; move away what is not of the release"
    return getattr(error, "strerror", None) or str(error)


def _stray(path: Path) -> bool:
    """Whether a path is, or lies in, what is passed over."""
    return any(map(passed_over, path.parts))
