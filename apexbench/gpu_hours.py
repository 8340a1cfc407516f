"""Hours of trainings on one named GPU, estimated from counted arithmetic. Nothing here was measured on a GPU.

What a training computes is counted by benchmarks/paper_work.py, for each run at paper budget, and lies in
config/measured/paper-work.csv. A run is found there by what decides on its arithmetic, its method, inputs and
hyper-parameters: a card that was changed since has no row, and no estimate.
"""

import csv
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from apexbench.config.datasets import DatasetCard
from apexbench.config.methods import MethodCard
from apexbench.config.model import digest
from apexbench.config.protocols import ProtocolCard
from apexbench.errors import InputError
from apexbench.labels import is_multilabel

FILE = Path("measured") / "paper-work.csv"  # under config/
GPU = "NVIDIA A100"
PEAK = 19.5e12  # FLOP/s in float32 by the data sheet
SHARE = 0.3  # of the peak, assumed
STEP = 2e-3  # seconds that a step, or a batch of the test, takes at least, assumed: small networks wait for launches
_NUMBERS = ("gflop_per_clip_training", "gflop_per_clip_test", "drawn", "batch", "epochs")


@dataclass(frozen=True)
class Work:
    """What one training computes at paper budget; no epochs: it runs on no GPU.

    Attributes
    ----------
    training : GFLOP of an epoch for each training clip, forward and backward.
    test : GFLOP of the scores of one test clip.
    drawn : rows drawn in an epoch, for each training clip.
    batch, epochs : as they are trained.
    """

    training: float
    test: float
    drawn: float
    batch: int
    epochs: int

    @classmethod
    def of(cls, row: Mapping[str, str]) -> "Work | None":
        """Return the work of a row of the file; None if it could not be counted."""
        if row["note"]:
            return None
        values = [float(row[name]) for name in _NUMBERS]
        return cls(*values[:3], *map(int, values[3:]))

    @property
    def waits(self) -> bool:
        """Whether a step lasts its least time: the arithmetic would be done before."""
        return self.training * 1e9 * self.batch < STEP * SHARE * PEAK * self.drawn


def key_of(card: MethodCard) -> str:
    """Return the key of a run's row; `card` is the run's, as it is under the paper budget and a protocol."""
    return digest([card.method, card.inputs, card.params])


def read_work(config: str | os.PathLike) -> dict[str, Work | None]:
    """Return {key: work} of the file under a folder `config`, None for what could not be counted; {} without a file.

    Raises InputError with the row if a number is none.
    """
    path = Path(config) / FILE
    if not path.is_file():
        return {}
    with path.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    found = {}
    for number, row in enumerate(rows, 2):
        try:
            found[row["key"]] = Work.of(row)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}, row {number}: {error}; write it anew: benchmarks/paper_work.py") from None
    return found


def hours(work: Work, clips: int, folds: int, seeds: int = 1) -> float:
    """Return the hours of all folds of a run, one after the other; folds are taken as equally large.

    An epoch trains on the clips of the other folds, and scores those of its own.

    >>> tenth = Work(training=2.0, test=1.0, drawn=1.0, batch=4, epochs=10)  # 8 GFLOP a step: less than 2 ms
    >>> round(hours(tenth, clips=20, folds=5) * 3600, 3)  # 5 folds, 10 epochs, 4 steps and a test batch of 2 ms
    0.5
    """
    tested = clips / folds
    learned = clips - tested
    passes = (
        (work.training * learned, math.ceil(work.drawn * learned / work.batch)),
        (work.test * tested, math.ceil(tested / work.batch)),
    )
    epoch = sum(max(gflop * 1e9 / (SHARE * PEAK), steps * STEP) for gflop, steps in passes)
    return seeds * folds * work.epochs * epoch / 3600


def folds_of(card: ProtocolCard, datasets: Mapping[str, DatasetCard]) -> int | None:
    """Return how many folds a protocol has by the official counts; None where they are not known.

    Where the subjects of a protocol are not listed, all of its data sets count: somewhat too many.
    """
    if card.split == "k-fold":
        return card.folds
    if card.split == "leave-one-dataset-out":
        return len(card.datasets)
    listed = sum(len(subjects) for subjects in card.expected_subjects.values())
    released = [datasets[name].expected_subjects for name in card.datasets]
    return listed or (sum(released) if all(released) else None)


def estimate(
    works: Iterable[tuple[str, str, Work | None]],
    protocols: Mapping[str, ProtocolCard],
    datasets: Mapping[str, DatasetCard],
    seeds: int = 1,
) -> tuple[float, list[tuple[str, str]]]:
    """Return the hours of some runs, (protocol, run, work) each, and the (protocol, run) that are not part of them."""
    total, missing = 0.0, []
    for protocol, run, work in works:
        card = protocols[protocol]
        clips, folds = card.expected_clips, folds_of(card, datasets)
        if work is not None and not work.epochs:
            continue
        if work is None or not clips or not folds or is_multilabel(card):
            missing.append((protocol, run))
        else:
            total += hours(work, clips, folds, seeds)
    return total, missing


def about(value: float) -> str:
    """Return hours as text, in two digits.

    >>> about(0.2), about(1.04), about(1234.0)
    ('less than an hour', 'about 1 hour', 'about 1,200 hours')
    """
    if value < 0.95:
        return "less than an hour"
    rounded = round(value, 1 - math.floor(math.log10(value))) if value >= 9.5 else round(value)
    return f"about {rounded:,.0f} hour{'s' * (rounded != 1)}"


_SPEED = f"{100 * SHARE:.0f} % of the {PEAK / 1e12} TFLOP/s in float32 of its data sheet"
HOW = (
    f"estimated, not measured: the arithmetic of each step at {_SPEED}, {STEP * 1e3:.0f} ms a step at least, both "
    f"assumed; faces, flow, magnification, features and pre-training are not counted"
)
