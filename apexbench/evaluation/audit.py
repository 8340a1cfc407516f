"""What is wrong with published numbers, found from the numbers alone.

An accuracy over n clips is k/n; UF1 and UAR of one confusion matrix bound each other; a published confusion matrix says
what a column really holds. Findings are remarks in the words of the caveats in config/published, so that equal remarks
become one footnote. A remark is a reason to look, not a proof.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from apexbench.config.model import Model, read_yaml, validate
from apexbench.errors import InputError
from apexbench.evaluation.metrics import from_confusion

COLUMNS = ["row", "kind", "text"]
NEEDED = ["table", "row", "method", "dataset", "protocol", "metric", "value", "printed"]
SCORES = ("acc", "f1", "uf1", "uar", "precision")
# what a column should hold, by the names of our scores; "F1" is the macro F1 of pooled counts
HOLDS = {"acc": "acc", "f1": "uf1", "uf1": "uf1", "uar": "uar", "precision": "macro_precision"}
WORDS = {"acc": "accuracy", "uf1": "UF1", "uar": "UAR", "macro_precision": "macro-precision"}
HARMONIC = "harmonic mean of macro-precision and macro-recall"
COUNTS = "counts.yaml"
_NUMBER = re.compile(r"\d*\.?\d+")


class ProtocolCounts(Model):
    """Clips of a protocol, in all (several versions of it) and of each class; `also`: further counts of one method."""

    clips: tuple[int, ...]
    classes: tuple[int, ...] = ()
    also: dict[str, tuple[int, ...]] = Field(default={})


class Counts(Model):
    """counts.yaml: what published numbers are compared with."""

    protocols: dict[str, ProtocolCounts] = Field(default={})
    datasets: dict[str, str] = Field(default={})
    confusions: dict[str, dict[str, tuple[tuple[int, ...], ...]]] = Field(default={})


@dataclass(frozen=True)
class Printed:
    """A fraction as printed: `units` of 10 ** -digits."""

    units: int
    digits: int
    percent: bool

    @classmethod
    def parse(cls, text: str, value: float) -> "Printed | None":
        """Read the number that a printed string starts with; a percentage if only that gives the value.

        >>> Printed.parse("82.11(+8.13)", 0.8211)
        Printed(units=8211, digits=4, percent=True)
        """
        match = _NUMBER.match(text)
        if match is None:
            return None
        whole, _, decimals = match[0].partition(".")
        percent = abs(float(match[0]) / 100 - value) < abs(float(match[0]) - value)
        return cls(int((whole or "0") + decimals), len(decimals) + 2 * percent, percent)

    @property
    def value(self) -> float:
        return self.units / 10**self.digits

    @property
    def low(self) -> float:
        """Smallest number that may be printed so, rounded or truncated."""
        return (self.units - 0.5) / 10**self.digits

    @property
    def high(self) -> float:
        """Bound above the numbers that may be printed so, rounded or truncated."""
        return (self.units + 1) / 10**self.digits

    def shows(self, number: float) -> bool:
        """Whether a number is printed so, rounded or truncated."""
        return self.low - 1e-9 <= number < self.high - 1e-9

    def rounded(self, n: int) -> int | None:
        """Return the k whose k/n is printed so when rounded (halves either way); in whole numbers, so exactly."""
        k = (2 * self.units * n + 10**self.digits) // (2 * 10**self.digits)
        return next((c for c in (k, k - 1) if 2 * abs(c * 10**self.digits - self.units * n) <= n), None)

    def truncated(self, n: int) -> int | None:
        """Return the k whose k/n is printed so when cut off."""
        k = -(-self.units * n // 10**self.digits)
        return k if k * 10**self.digits < (self.units + 1) * n else None

    def fit(self, clips: Iterable[int]) -> tuple[int, int, bool] | None:
        """Return k, n and whether it is cut off, for the first count that fits, rounded ones first."""
        clips = list(clips)
        fits = [(self.rounded(n), n, False) for n in clips] + [(self.truncated(n), n, True) for n in clips]
        return next((fit for fit in fits if fit[0] is not None), None)

    def shorter(self) -> "Printed | None":
        """Return the number without its last digit, if that is a zero."""
        return None if self.units % 10 else Printed(self.units // 10, self.digits - 1, self.percent)

    def swaps(self) -> Iterator["Printed"]:
        """Yield the numbers with two neighbouring digits exchanged."""
        digits = str(self.units).zfill(self.digits)
        for place in range(len(digits) - 1):
            left, right = digits[place], digits[place + 1]
            if left != right:
                yield Printed(int(digits[:place] + right + left + digits[place + 2 :]), self.digits, self.percent)


def _short(printed: Printed) -> str:
    """.7317, as captions and caveats write fractions."""
    return f"{printed.value:.{printed.digits}f}".removeprefix("0")


def _granularity(printed: Printed, clips: Sequence[int]) -> Iterator[tuple[str, str]]:
    fit = printed.fit(clips)
    if fit:
        k, n, cut = fit
        if cut:
            yield "truncated", f"truncated: {k}/{n} rounds to {k / n:.{printed.digits}f}"
        return
    yield "granularity", "not " + " or ".join(f"k/{n}" for n in clips)
    shorter = printed.shorter()
    # with fewer digits than clips every value fits
    if shorter and 10**shorter.digits > max(clips) and (fit := shorter.fit(clips)):
        k, n, cut = fit
        yield "padding", f"fits {k}/{n} {'truncated ' if cut else ''}if the last zero is padding"
    swaps = list(printed.swaps())
    # only where it is unlikely (below one in ten) that one of the swaps fits by chance; a last zero may be padding
    digits = shorter.digits if shorter else printed.digits
    if len(swaps) * sum(clips) < 0.1 * 10**digits:
        for swap in swaps:
            k, n, cut = swap.fit(clips) or (0, 0, True)
            if not cut:
                yield "swap", f"probable digit swap of {_short(swap)} ({k}/{n})"


@lru_cache(maxsize=256)
def uf1_bounds(classes: tuple[int, ...], low: float, high: float) -> tuple[float, float] | None:
    """Return the lowest and highest UF1 that any confusion matrix with a UAR in [low, high) can have; None if none has.

    classes : clips of each class.

    Given the hits of each class, UF1 depends on how the wrong clips fall on the predicted classes. Its terms are convex
    in these numbers: the lowest comes from giving clip after clip to the class that loses most, the highest from
    filling one class after the other. A class cannot take its own wrong clips.

    >>> low, high = uf1_bounds((70, 51, 43), 0.52795, 0.5281)  # LBP-TOP on SMIC in the MEGC2019 guideline
    >>> round(low, 4)  # .2000 is printed
    0.388
    """
    n = np.array(classes)
    recalls = np.ix_(*(np.arange(count + 1) / count for count in classes))
    uar = reduce(np.add, recalls) / len(n)
    hits = np.argwhere((uar >= low - 1e-12) & (uar < high)).astype(float)
    if not len(hits):
        return None
    wrong = (n - hits).sum(axis=1)
    room = wrong[:, None] - (n - hits)

    def uf1(taken: np.ndarray) -> np.ndarray:
        return (2 * hits / (n + hits + taken)).mean(axis=1)

    taken = np.zeros_like(hits)
    rows = np.arange(len(hits))
    for _ in range(int(wrong.max())):
        loss = 2 * hits / (n + hits + taken) - 2 * hits / (n + hits + taken + 1)
        best = np.where(taken < room, loss, -1.0).argmax(axis=1)
        taken[rows, best] += taken.sum(axis=1) < wrong
    lowest = uf1(taken).min()
    highest = 0.0
    for order in permutations(range(len(n))):
        taken, left = np.zeros_like(hits), wrong.copy()
        for place in order:
            taken[:, place] = np.minimum(room[:, place], left)
            left -= taken[:, place]
        highest = max(highest, uf1(taken).max())
    return float(lowest), float(highest)


def _impossible_pair(uf1: Printed, uar: Printed, classes: tuple[int, ...]) -> str | None:
    bounds = uf1_bounds(classes, uar.low, uar.high)
    clips = "/".join(map(str, classes))
    if bounds is None:
        return f"no {clips} clips give a UAR of {_short(uar)}"
    if uf1.low <= bounds[1] and uf1.high > bounds[0]:
        return None
    if min(uf1.digits, uar.digits) < 4:
        return f"UF1 and UAR cannot both hold on {clips} clips"
    sign, bound = (">=", bounds[0]) if uf1.high <= bounds[0] else ("<=", bounds[1])
    limit = f"{bound:.4f}".removeprefix("0")
    return f"UF1 and UAR cannot both hold: UAR {_short(uar)} on {clips} clips forces UF1 {sign} {limit}"


def _mixed_up(metric: str, printed: Printed, matrix) -> str | None:
    """Say what a column holds by the published confusion matrix, if it is not what its head says."""
    true = {name: float(value) for name, value in from_confusion(matrix).items()}
    own = HOLDS[metric]
    if printed.shows(true[own]):
        return None
    if metric == "f1" and printed.shows(true["hm_f1"]):
        return HARMONIC
    other = next((name for name in WORDS if name != own and printed.shows(true[name])), None)
    if other is None:
        return None
    value = f"{true[own]:.4f}".removeprefix("0")
    if own == "acc":
        matrix = np.array(matrix)
        return f"column holds {WORDS[other]} (accuracy is {np.trace(matrix)}/{matrix.sum()} = {value})"
    return f"column holds {WORDS[other]} (true {WORDS[own]} {value})"


Cells = Mapping[tuple[str, str, str], Mapping[str, int]]


def _cells(frame: pd.DataFrame, numbers: Mapping[int, Printed]) -> Cells:
    """{(table, row, protocol): {metric: index}} of what is printed."""
    cells: dict[tuple[str, str, str], dict[str, int]] = {}
    for index, line in frame.iterrows():
        if index in numbers:
            cells.setdefault((line["table"], line["row"], line["protocol"]), {})[line["metric"]] = index
    return cells


def _accuracies(frame: pd.DataFrame, numbers: Mapping[int, Printed], counts: Counts) -> Iterator[tuple[int, str, str]]:
    fits: dict[tuple, list[int]] = {}
    for index, printed in numbers.items():
        line = frame.loc[index]
        known = counts.protocols.get(line["protocol"])
        if line["metric"] != "acc" or known is None:
            continue
        clips = (*known.clips, *known.also.get(line["method"], ()))
        for kind, text in _granularity(printed, clips):
            yield index, kind, text
        if fit := printed.fit(clips):
            fits.setdefault((line["table"], line["protocol"], *fit[:2]), []).append(index)
    for (*_, k, n), places in fits.items():
        for index in places:
            for other in places:
                if numbers[index].digits == numbers[other].digits and numbers[index].units != numbers[other].units:
                    yield index, "same count", f"same {k}/{n} as {frame.loc[other, 'row']}"


def _pairs(frame: pd.DataFrame, numbers: Mapping[int, Printed], counts: Counts) -> Iterator[tuple[int, str, str]]:
    """UF1 and UAR of a row that exclude each other, unless one column is known to hold something else."""
    mixed = {index for index, *_ in _mix_ups(frame, numbers, counts)}
    for (_, _, protocol), places in _cells(frame, numbers).items():
        known = counts.protocols.get(protocol)
        if known and len(known.classes) == 3 and {"uf1", "uar"} <= set(places) and not mixed & set(places.values()):
            text = _impossible_pair(numbers[places["uf1"]], numbers[places["uar"]], known.classes)
            if text:
                yield places["uf1"], "pair", text
                yield places["uar"], "pair", text


def _mix_ups(frame: pd.DataFrame, numbers: Mapping[int, Printed], counts: Counts) -> Iterator[tuple[int, str, str]]:
    explained = set()
    for index, printed in numbers.items():
        line = frame.loc[index]
        matrix = counts.confusions.get(line["method"], {}).get(line["dataset"])
        if matrix and line["metric"] in HOLDS and str(line.get("classes", len(matrix))) == str(len(matrix)):
            explained.add(index)
            if text := _mixed_up(line["metric"], printed, matrix):
                yield index, "metric", text
    for places in _cells(frame, numbers).values():
        f1 = places.get("f1")
        if f1 is None or f1 in explained:
            continue
        if {"precision", "uar"} <= set(places):
            precision, recall = (numbers[places[name]].value for name in ("precision", "uar"))
            if numbers[f1].shows(2 * precision * recall / (precision + recall)):
                yield f1, "metric", HARMONIC
        elif "uf1" in places and not numbers[f1].shows(numbers[places["uf1"]].value):
            yield f1, "metric", f"probably the {HARMONIC}"


def _duplicates(frame: pd.DataFrame, numbers: Mapping[int, Printed], counts: Counts) -> Iterator[tuple[int, str, str]]:
    """Two scores or more that stand twice: in two columns of a row, or in two rows of different methods."""
    cells = {
        key: {metric: index for metric, index in places.items() if metric in SCORES}
        for key, places in _cells(frame, numbers).items()
    }
    whole = {
        key: {metric: numbers[index].value for metric, index in places.items()}
        for key, places in cells.items()
        if len(places) > 1
    }
    for number, (key, values) in enumerate(whole.items()):
        for earlier in list(whole)[:number]:
            if earlier[:2] == key[:2] and whole[earlier] == values:
                dataset = frame.loc[next(iter(cells[earlier].values())), "dataset"]
                for index in cells[key].values():
                    yield index, "duplicate", f"duplicate of the {counts.datasets.get(dataset, dataset)} value"
        method = frame.loc[next(iter(cells[key].values())), "method"]
        twins = [
            other
            for other, theirs in whole.items()
            if other[:2] != key[:2] and other[2] == key[2] and theirs == values
            and frame.loc[next(iter(cells[other].values())), "method"] != method
        ]  # fmt: skip
        if twins:
            names = dict.fromkeys(f"in {table}" if table != key[0] else f"as {row}" for table, row, _ in twins)
            for index in cells[key].values():
                yield index, "duplicate", f"same values {' and '.join(names)}"


def _percent(frame: pd.DataFrame, numbers: Mapping[int, Printed], counts: Counts) -> Iterator[tuple[int, str, str]]:
    """Fractions in a column of percentages."""
    for _, part in frame.loc[list(numbers)].groupby(["table", "metric"], sort=False):
        fractions = [index for index in part.index if not numbers[index].percent]
        if 0 < len(fractions) < len(part):
            for index in fractions:
                yield index, "percent", "printed as a fraction among percentages"


def _as_said(text: str, caveat: str) -> str:
    """Return a remark in the words of the row's caveat, where that begins as the remark does."""
    lead = re.split(r"[:(]", text)[0].strip()
    return next((part for part in caveat.split("; ") if part.startswith(lead)), text)


CHECKS = (_accuracies, _pairs, _mix_ups, _duplicates, _percent)


def audit(frame: pd.DataFrame, counts: Counts | None = None) -> pd.DataFrame:
    """Return the findings about one file of published numbers: row (of the frame's index), kind, text.

    Parameters
    ----------
    frame : columns as in config/published/README.md, all text.
    counts : what is known of the protocols; a check that needs what is not there is left out.

    Kinds: granularity (no whole k gives the accuracy), truncated, padding, swap, same count, pair (UF1 and UAR exclude
    each other), metric (the column holds another metric), duplicate, percent.
    """
    counts = counts or Counts()
    numbers = {}
    for index, line in frame.iterrows():
        if line["printed"] and line["metric"] in SCORES and line["value"]:
            printed = Printed.parse(line["printed"], float(line["value"]))
            if printed:
                numbers[index] = printed
    findings = [finding for check in CHECKS for finding in check(frame, numbers, counts)]
    findings = [(row, kind, _as_said(text, frame.loc[row].get("caveat", ""))) for row, kind, text in findings]
    found = pd.DataFrame(findings, columns=COLUMNS).drop_duplicates()
    return found.sort_values("row", kind="stable", ignore_index=True)


def read_counts(path: str | os.PathLike) -> Counts:
    """Read counts.yaml."""
    return validate(Counts, read_yaml(Path(path)), Path(path))


def audit_file(path: str | os.PathLike) -> pd.DataFrame:
    """Return the findings about a CSV of published numbers, with the counts of `counts.yaml` beside it, if there.

    Raises InputError if a column is missing or a value is not a number.
    """
    path = Path(path)
    try:
        frame = pd.read_csv(path, dtype=object, keep_default_na=False)  # plain texts: rows are read one by one
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except ValueError as error:
        raise InputError(f"{path}: not a CSV ({error})") from None
    missing = [column for column in NEEDED if column not in frame]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}; expected {', '.join(NEEDED)}")
    wrong = frame[(frame["value"] != "") & pd.to_numeric(frame["value"], errors="coerce").isna()]
    if len(wrong):
        raise InputError(
            f"{path}, row {wrong.index[0] + 2}: field 'value': expected a number, found {wrong['value'].iloc[0]!r}"
        )
    counts = path.parent / COUNTS
    return audit(frame, read_counts(counts) if counts.exists() else None)
