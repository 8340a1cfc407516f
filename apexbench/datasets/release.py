"""From annotations to an index: repairs, the apex policy, and every check of the sheet against the frames on disk."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from apexbench.clips import COLUMNS, find_frames, read_units
from apexbench.config.datasets import Apex, Repair
from apexbench.datasets.annotations import Annotation, Annotations, Copy, Finding
from apexbench.datasets.repairs import MISSING, DroppedByRepair, repair, whole
from apexbench.errors import InputError, nearest

_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII")
_OTHERS = ("other", "others")
_PAST = 0.1  # of a clip, by which its offset may lie past the last frame


class Release(NamedTuple):
    """A release as read: the index (columns of `apexbench.clips.COLUMNS`) and all that was noticed on the way."""

    index: pd.DataFrame
    findings: list[Finding]

    def of_kind(self, *kinds: str) -> list[Finding]:
        """Return the findings of some kinds."""
        return [finding for finding in self.findings if finding.kind in kinds]

    def require_usable(self) -> None:
        """Raise InputError with a line for each clip that cannot be used, all of them."""
        errors = self.of_kind("error")
        if errors:
            raise InputError("\n".join(map(str, errors)))

    @property
    def warnings(self) -> list[Finding]:
        """Return what `strict` refuses: unknown labels, labels that contradict each other, frames past the last one."""
        return [finding for finding in self.findings if finding.warns]


@dataclass(frozen=True)
class Reading:
    """How to read a release: what the index is to say of it, and what to do where the annotation leaves a choice."""

    dataset: str
    label_set: str = ""
    fps: float = 0.0
    apex: Apex = "sheet"
    unusable: Literal["fail", "skip"] = "fail"
    repairs: Sequence[Repair] = ()


class _Refused(Exception):
    """One annotated clip cannot be used; the text says why."""


class _NoFrames(_Refused):
    """It cannot be used for want of frames, which `unusable: skip` allows."""


class _LeftOut(Exception):
    """The apex policy or the sheet itself leaves a clip out; the text says why."""


def to_release(annotations: Annotations, copy: Copy, reading: Reading) -> Release:
    """Repair annotations, check them against the frames on disk and return the index and the findings.

    A clip that cannot be used becomes a finding of kind `error`; one that lacks frames is `dropped`, where such ones
    are to be skipped.

    Raises InputError if the annotation lists no clip at all.
    """
    if not annotations.clips:
        raise InputError(f"{copy.root}: the annotation lists no clips")
    checker = _Checker(annotations, copy, reading)
    rows = [row for item in annotations.clips if (row := checker.row(item)) is not None]
    found = [*annotations.findings, *checker.findings]
    if annotations.clips[0].apex is None and reading.apex == "sheet" and not annotations.maps:
        text = "the release annotates no apex: the midpoint is taken"
        found.insert(0, Finding("apex", str(copy.root), "", text))
    return Release(pd.DataFrame(rows, columns=list(COLUMNS)), found)


def differences(index: pd.DataFrame, expected: Mapping) -> list[str]:
    """Compare an index with the counts of the official release; return a line for each difference.

    `expected` has expected_clips, expected_subjects and expected_emotions of a `DatasetCard`, each perhaps empty.
    """
    counts = [(what, wanted, found) for what, wanted, found in counted(index, expected) if wanted is not None]
    return [f"{what}: expected {wanted}, found {found}" for what, wanted, found in counts if wanted != found]


def persons_in(index: pd.DataFrame) -> int:
    """Return how many people an index shows: a subject's number is one person's within a data set only."""
    return len(index[["dataset", "subject"]].drop_duplicates())


def counted(index: pd.DataFrame, expected: Mapping) -> list[tuple[str, int | None, int]]:
    """Return rows (what, expected or None, found): clips, subjects, and clips of each emotion."""
    emotions = expected.get("expected_emotions") or {}
    spelt = {emotion.lower(): emotion for emotion in emotions}
    found = index["emotion"].map(lambda emotion: spelt.get(emotion.lower(), emotion)).value_counts()
    rows = [
        ("clips", expected.get("expected_clips"), len(index)),
        ("subjects", expected.get("expected_subjects"), persons_in(index)),
    ]
    rows += [(emotion, wanted, int(found.get(emotion, 0))) for emotion, wanted in emotions.items()]
    stranger = 0 if emotions else None
    return rows + [(emotion, stranger, int(count)) for emotion, count in found.items() if emotion not in emotions]


class _Checker:
    """Turns annotations into rows of an index, one after the other, and keeps what it finds."""

    def __init__(self, annotations: Annotations, copy: Copy, reading: Reading):
        self.annotations, self.copy, self.reading = annotations, copy, reading
        self.findings: list[Finding] = []
        self._listed: dict[tuple, str] = {}
        self._frames: dict[Path, dict[int, Path]] = {}
        self._spelling = {_plain(emotion): emotion for emotion in annotations.emotions}
        for other in _OTHERS:
            spelt = next((self._spelling[name] for name in _OTHERS if name in self._spelling), None)
            if spelt is not None:
                self._spelling.setdefault(other, spelt)

    def row(self, item: Annotation) -> tuple | None:
        """Return the clip's row, or None where it is left out; either way findings grow by what there is to say."""
        found: list[Finding] = []
        try:
            found += repair(item, self.reading.repairs)
            row = self._row(item, found)
        except (_LeftOut, DroppedByRepair) as reason:
            found.append(Finding("dropped", item.place, item.name, str(reason)))
            row = None
        except (_Refused, InputError) as reason:
            skipped = isinstance(reason, _NoFrames) and self.reading.unusable == "skip"
            kind = "dropped" if skipped else "error"
            found.append(Finding(kind, item.place, item.name, str(reason)))
            row = None
        self.findings += found
        return row

    def _row(self, item: Annotation, found: list[Finding]) -> tuple:
        def remark(kind: str, text: str, warns: bool = False) -> None:
            found.append(Finding(kind, item.place, item.name, text, warns))

        for name in ("subject", "clip", "onset", "offset", "emotion"):
            if (getattr(item, name) or "").lower() == "missing":
                raise _LeftOut(f"field {name!r}: the sheet says {getattr(item, name)!r}")
        if item.problem:
            raise _Refused(item.problem)
        subject = item.number
        if subject is None:
            raise _Refused(f"field 'subject': expected a number, found {item.subject!r}")
        if not item.clip:
            raise _Refused("field 'clip': expected a name, found ''; correct the sheet")
        folder = self._folder(item)
        if self.annotations.maps:
            onset = peak = offset = 0
            inside, source = 1, "provided"
        else:
            frames = self._frames_of(folder)
            onset, offset = _ends(item, frames, folder)
            there = [number for number in frames if onset <= number <= offset]
            inside = len(there)
            missing = _missing(there, offset)
            if missing:
                past = offset > next(reversed(frames))
                remark("missing-frames", f"frames {missing} are not there; onset..offset = {onset}..{offset}", past)
            peak, source = self._apex(item, onset, offset, frames, folder, remark)
        emotion, objective = self._labels(item, remark)
        first = self._listed.setdefault((item.dataset, subject, item.clip.lower(), onset), item.place)
        if first != item.place:
            raise _Refused(f"listed already with onset {onset} ({first}); keep one of the two rows")
        numbers = (item.dataset or self.reading.dataset, subject, item.clip, onset, peak, offset, self._fps(item))
        path = folder.relative_to(self.copy.root).as_posix()
        words = (source, self.reading.label_set, ";".join(item.repairs), objective)
        return (*numbers, emotion, item.aus, path, inside, *words)

    def _folder(self, item: Annotation) -> Path:
        what = "flow map" if self.annotations.maps else "folder of frames"
        if not item.folders:
            raise _NoFrames(f"listed, but there is no {what} of this subject and name; copy it from the release")
        if len(item.folders) > 1:
            listed = " and ".join(path.relative_to(self.copy.root).as_posix() for path in item.folders)
            raise _Refused(
                f"{listed} both claim to be its {what}; keep one, or name the tree to take in config/datasets.yaml, "
                f"field 'frames'"
            )
        return item.folders[0]

    def _frames_of(self, folder: Path) -> dict[int, Path]:
        if folder not in self._frames:
            self._frames[folder] = find_frames(folder)
        if not self._frames[folder]:
            raise _NoFrames(f"no frames in {folder}; copy them from the release")
        return self._frames[folder]

    def _fps(self, item: Annotation) -> float:
        if item.fps is None:
            return self.reading.fps
        try:
            fps = float(item.fps)
        except ValueError:
            fps = 0.0
        if not 0 < fps < float("inf"):
            raise _Refused(f"field 'fps': expected frames per second, found {item.fps!r}; correct the sheet")
        return fps

    def _labels(self, item: Annotation, remark) -> tuple[str, str]:
        """Return the emotion in the release's spelling, and the objective class; what is not known is remarked on."""
        if item.emotion in MISSING:
            raise _Refused(f"field 'emotion': expected a label, found {item.emotion!r}; correct the sheet")
        parts = re.split(r"\s*[+,;/&\uff0c]\s*", item.emotion) if self.annotations.several else [item.emotion]
        for part in parts:
            if _plain(part) not in self._spelling:
                text = f"field 'emotion': unknown label {part!r}; {nearest(part, self.annotations.emotions)}"
                remark("label", text, True)
        emotion = "+".join(self._spelling.get(_plain(part), part.strip()) for part in parts)
        for word in read_units(item.aus)[1]:
            remark("label", f"field 'aus': {word!r} in {item.aus!r} is no action unit and does not count")
        objective = item.objective.upper().removeprefix("CLASS").strip()
        number = whole(objective)
        if number is not None and 1 <= number <= len(_ROMAN):
            objective = _ROMAN[number - 1]
        if objective and objective not in _ROMAN:
            remark("label", f"field 'objective': expected a class I to VII, found {item.objective!r}; none is taken")
            objective = ""
        return emotion, objective

    def _apex(self, item: Annotation, onset: int, offset: int, frames: dict, folder: Path, remark) -> tuple[int, str]:
        """Return the apex and its source by the policy, and remark on what makes a clip's onset-apex flow doubtful."""
        from apexbench.datasets.apex import last, midpoint, spotted

        policy = self.reading.apex
        if policy == "spotted":
            peak, source = spotted(onset, offset, frames), "spotted"
        elif policy == "midpoint":
            peak, source = midpoint(onset, offset, frames), "midpoint"
        elif policy == "last":
            peak, source = last(onset, offset, frames), "last"
        elif item.apex is None or item.apex in MISSING:
            if policy == "drop":
                raise _LeftOut(f"field 'apex': the sheet gives none ({item.apex or ''!r})")
            peak, source = midpoint(onset, offset, frames), "midpoint"
            if item.apex is not None:
                remark("apex", f"the sheet gives no apex ({item.apex!r}): the midpoint {peak} is taken")
        else:
            peak, source = self._annotated(item, onset, offset, frames, folder), "sheet"
        if peak == onset:
            if policy == "drop":
                raise _LeftOut(f"field 'apex': apex == onset ({onset})")
            remark("apex", f"apex == onset ({onset}): the flow between them is zero")
        elif peak == offset and policy != "last":
            remark("apex", f"apex == offset ({offset})")
        return peak, source

    def _annotated(self, item: Annotation, onset: int, offset: int, frames: dict, folder: Path) -> int:
        mend = (
            f"correct it by a record in config/repairs.yaml, or set apex: midpoint for {self.reading.dataset!r} in "
            f"config/datasets.yaml"
        )
        peak = whole(item.apex)
        if peak is None:
            raise _Refused(f"field 'apex': expected a frame number, found {item.apex!r}; {mend}")
        if not onset <= peak <= offset:
            raise _Refused(f"field 'apex': {peak} lies outside onset..offset = {onset}..{offset}; {mend}")
        if peak not in frames:
            raise _NoFrames(f"field 'apex': {_absent(peak, frames, folder)}; {mend}")
        return peak


def _ends(item: Annotation, frames: dict[int, Path], folder: Path) -> tuple[int, int]:
    """Return onset and offset; where none are annotated, the first and the last frame."""
    ends = {}
    for name, frame in (("onset", next(iter(frames))), ("offset", next(reversed(frames)))):
        text = getattr(item, name)
        ends[name] = frame if text is None else whole(text)
        if ends[name] is None:
            raise _Refused(f"field {name!r}: expected a frame number, found {text!r}; correct the sheet")
    onset, offset = ends["onset"], ends["offset"]
    if offset < onset:
        raise _Refused(
            f"field 'offset': {offset} lies before the onset {onset}; correct it by a record in config/repairs.yaml"
        )
    if onset not in frames:
        raise _NoFrames(f"field 'onset': {_absent(onset, frames, folder)}; copy the frames from the release")
    last = next(reversed(frames))
    if offset - last > _PAST * (offset - onset + 1):
        raise _NoFrames(
            f"field 'offset': {offset} lies {offset - last} frames past the last one in {folder}, {last}, more than a "
            f"tenth of the clip {onset}..{offset}; copy the frames from the release, or correct it by a record in "
            f"config/repairs.yaml"
        )
    return onset, offset


def _absent(number: int, frames: dict[int, Path], folder: Path) -> str:
    return f"no frame {number} in {folder} (it holds {next(iter(frames))}..{next(reversed(frames))})"


def _missing(there: Iterable[int], offset: int) -> str:
    """Say which frames are not there between the first of `there` and the offset: "12, 14..15"."""
    spans, last = [], None
    for number in (*there, offset + 1):
        if last is not None and number > last + 1:
            spans.append(f"{last + 1}" if number == last + 2 else f"{last + 1}..{number - 1}")
        last = number
    return ", ".join(spans)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
