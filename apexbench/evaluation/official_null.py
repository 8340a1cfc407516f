"""What a method that learns nothing scores on the official clips of MEGC2019, and what is printed for them.

No clip is needed: the null model knows how many clips of each class a subject has, and protocols.yaml has the official
counts. The printed numbers stand in config/published, the epoch that each takes in selection.yaml there.
"""

import csv
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from apexbench.config.model import Model, read_yaml, validate
from apexbench.config.protocols import ProtocolCard
from apexbench.errors import InputError
from apexbench.evaluation.null_model import null_curves
from apexbench.numbers import fraction

EPOCHS = tuple(sorted({*np.unique(np.geomspace(1, 500, 40).round().astype(int)).tolist(), 10, 100}))
SPOKEN = (100, 500)  # epochs that are spoken of
REPEATS = 200
WHOLE = "megc2019-full"
LAST, BEST, UNKNOWN = "last", "best-test-epoch", "unknown"
_REMARKS = {"last epoch": LAST, "honest": LAST, "best test epoch": BEST}


class Selection(Model):
    """selection.yaml: the epoch that a method's released code takes for its score."""

    selects: Literal["last", "best-test-epoch"]
    """The last epoch (or the method has none), or the best epoch of each test subject."""
    says: str
    """Where that was read."""


def official_clips(card: ProtocolCard) -> pd.DataFrame:
    """Return the clips of a protocol's official counts: columns dataset, fold (one subject), label.

    Raises InputError where clips of each subject and class are not listed for all of its data sets.
    """
    rows = []
    for dataset in card.datasets:
        counted = card.expected_subjects.get(dataset, {})
        if not counted or any(isinstance(clips, int) for clips in counted.values()):
            raise InputError(
                f"config/protocols.yaml: field 'expected_subjects.{dataset}' of {card.title!r}: the null model needs "
                f"the clips of each class for each subject; list them as {{1: [2, 1, 0], ...}}"
            )
        for subject, clips in counted.items():
            for label, count in enumerate(clips):
                rows += [(dataset, f"{dataset}:{subject}", label)] * count
    return pd.DataFrame(rows, columns=["dataset", "fold", "label"])


def official_curves(card: ProtocolCard) -> pd.DataFrame:
    """Return what the null model scores on a protocol's official clips, of each slice (see `null_curves`)."""
    clips = official_clips(card)
    parts = {name: clips["dataset"].isin(datasets).to_numpy() for name, datasets in card.slices.items()}
    return null_curves(clips["fold"], clips["label"], len(card.classes), epochs=EPOCHS, repeats=REPEATS, parts=parts)


def read_selection(path: str | os.PathLike) -> dict[str, Selection]:
    """Return {method: which epoch its code takes}; InputError, naming the field, for what is not of that form."""
    entries = read_yaml(Path(path))
    if not isinstance(entries, dict):
        raise InputError(f"{path}: expected {{method: {{selects: ..., says: ...}}}}, found {type(entries).__name__}")
    return {
        str(name): validate(Selection, entry, Path(f"{path}: entry {str(name)!r}")) for name, entry in entries.items()
    }


def printed_scores(files: Sequence[str | os.PathLike], selection: dict[str, Selection], parts) -> pd.DataFrame:
    """Return every UF1 that is printed for some parts of the composite, each once.

    Left out are computed values, copies of another paper's numbers, and means over subjects, which are another metric.

    Parameters
    ----------
    files : CSVs of config/published.
    parts : names of the slices.

    Columns part, method, title, uf1, selects (last, best-test-epoch, unknown), table, printed, caveat.
    """
    rows = []
    for path in files:
        with Path(path).open(newline="", encoding="utf-8") as handle:
            for line in csv.DictReader(handle):
                if line["protocol"] not in parts or line["metric"] != "uf1" or not line["printed"] or not line["value"]:
                    continue
                remarks = line["caveat"].split("; ")
                if any("not pooled" in remark or remark.startswith("copy of") for remark in remarks):
                    continue
                known = [_REMARKS[remark] for remark in remarks if remark in _REMARKS]
                known += [selection[line["method"]].selects] if line["method"] in selection else []
                title = re.sub(r"\s*[\[(].*$", "", line["row"])
                scored = line["protocol"], line["method"], title, float(line["value"]), (known or [UNKNOWN])[0]
                rows.append((*scored, line["table"], line["printed"], line["caveat"]))
    columns = ["part", "method", "title", "uf1", "selects", "table", "printed", "caveat"]
    frame = pd.DataFrame(rows, columns=columns)
    # a table that quotes another may round: the number with the most digits stays
    frame = frame.iloc[(-frame["printed"].str.len()).argsort(kind="stable")]
    kept = []
    for _, some in frame.groupby(["part", "method"], sort=False):
        values: list[float] = []
        for place, value in some["uf1"].items():
            if all(abs(value - other) > 0.0006 for other in values):
                values.append(value)
                kept.append(place)
    return frame.loc[sorted(kept)].reset_index(drop=True)


def read_measured(path: str | os.PathLike) -> pd.DataFrame:
    """Return what was run here on given flow maps (docs/real-flow.md): one row a run; InputError if columns lack."""
    frame = pd.read_csv(path, dtype={"date": str, "commit": str})
    for column in ("row", "budget", "epochs", "seeds", "uf1_last", "uf1_best_test_epoch", "date", "commit"):
        if column not in frame:
            raise InputError(f"{path}: no column {column!r}; docs/real-flow.md tells what stands here")
    return frame


def paper_run(measured: pd.DataFrame) -> pd.Series | None:
    """Return the run at paper budget, the figure's worked example; None if there is none."""
    some = measured[measured["budget"] == "paper"]
    return some.iloc[0] if len(some) else None


def null_at(curves: pd.DataFrame, epochs: int, part: str = WHOLE, rule: str = "fold-oracle") -> float:
    """Return the UF1 of the null model after some number of epochs; nan if that number is not among them."""
    some = curves.query("part == @part and rule == @rule and epochs == @epochs")["uf1"]
    return float(some.iloc[0]) if len(some) else math.nan


def below(curves: pd.DataFrame, printed: pd.DataFrame, epochs: int, part: str = WHOLE) -> tuple[int, int]:
    """Return how many printed numbers of a part the null model exceeds after some epochs, and how many there are."""
    values = printed.loc[printed["part"] == part, "uf1"]
    return int((values < null_at(curves, epochs, part)).sum()), len(values)


def in_words(curves: pd.DataFrame, printed: pd.DataFrame) -> str:
    """Return the figure in one sentence."""
    (first, every), (second, _) = (below(curves, printed, epochs) for epochs in SPOKEN)
    score, longer = (fraction(null_at(curves, epochs)) for epochs in SPOKEN)
    return (
        f"A method that learns nothing scores UF1 {score} on MEGC2019 after {SPOKEN[0]} epochs if the best test epoch "
        f"of each subject counts, as in most released code: above {first} of the {every} published composite numbers "
        f"collected here; after {SPOKEN[1]} epochs {longer}, above {second} of {every}. After its last epoch it scores "
        f"{fraction(null_at(curves, SPOKEN[0], rule='last'))}."
    )
