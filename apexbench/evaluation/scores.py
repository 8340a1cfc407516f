"""Predictions files -> scores: one row per slice, run and selection rule."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from apexbench.config.protocols import ProtocolCard
from apexbench.errors import InputError
from apexbench.evaluation import multilabel
from apexbench.evaluation.comparisons import compare_runs
from apexbench.evaluation.conventions import score_columns
from apexbench.evaluation.intervals import subject_intervals
from apexbench.evaluation.null_model import decision_scores, null_decisions_by_epochs
from apexbench.evaluation.predictions import read_predictions
from apexbench.evaluation.selection import (
    CLIP,
    HONEST,
    LEAKING,
    RULES,
    choose,
    chosen_rows,
    predicted,
    trace,
    validation_trace,
)
from apexbench.evaluation.tasks import SCORES, SingleLabel
from apexbench.store.checksums import check_seal, sealed

INTERVALS = (*SingleLabel.pooled_names, *multilabel.METRICS)
NULL_RUN = "null-model"
NULL_REPEATS = 40
NULL_EPOCHS = 100  # where no run has epochs
COLUMNS = [
    "protocol", "slice", "run", "method", "rule", "status", "leaking", "seeds", "n", "expected", "k", "folds", "epochs",
    *SCORES, *(f"{score}_sd" for score in SCORES),
    *(f"{score}_{end}" for score in INTERVALS for end in ("low", "high")),
    "seconds", "device", "budget", "data_source", "confusion", "note",
]  # fmt: skip
_COUNTS = ["seeds", "n", "expected", "k", "folds", "epochs"]
_TEXTS = ["slice", "note"]
CURVE = ["run", "epoch", "uf1"]
Paths = Sequence[str | os.PathLike]


def null_run(epochs: int, longest: int) -> str:
    """Return the run under which the null model of so many epochs stands in the scores.

    >>> null_run(500, longest=500), null_run(10, longest=500)
    ('null-model', 'null-model-10')
    """
    return NULL_RUN if epochs == longest else f"{NULL_RUN}-{epochs}"


@dataclass(frozen=True)
class _Slice:
    """A part of a protocol that is scored for itself; the scores of its `parts` are averaged."""

    name: str
    datasets: tuple[str, ...]
    table: pd.DataFrame
    parts: tuple[tuple[str, ...], ...]

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["dataset"].isin(self.datasets)]


def _slices(card: ProtocolCard, table: pd.DataFrame) -> list[_Slice]:
    slices = []
    for name, datasets in {"": card.datasets, **card.slices}.items():
        parts = tuple((dataset,) for dataset in datasets) if card.average == "datasets" else (tuple(datasets),)
        slices.append(_Slice(name, tuple(datasets), table[table["dataset"].isin(datasets)], parts))
    return slices


def _mean(values: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.mean([some[name] for some in values], axis=0) for name in values[0]}


@dataclass
class _Run:
    """Predictions of one run: a frame for each seed, every epoch, and what the files record."""

    name: str
    seeds: dict[int, pd.DataFrame]
    metas: list[dict]

    @property
    def first(self) -> pd.DataFrame:
        return next(iter(self.seeds.values()))

    @property
    def seconds(self) -> float:
        return sum(float(meta["seconds"]) for meta in self.metas)

    def recorded(self, key: str) -> str:
        return " + ".join(sorted({str(meta[key]) for meta in self.metas}))

    def clips(self, datasets: Sequence[str]) -> list[pd.DataFrame]:
        """Return the clips of each seed."""
        frames = (frame[frame["dataset"].isin(datasets)] for frame in self.seeds.values())
        return [frame.drop_duplicates(CLIP)[CLIP] for frame in frames]


def _read_run(run: str, paths: Paths, card: ProtocolCard, table: pd.DataFrame, inner: bool = False) -> _Run:
    frame, metas = read_predictions(paths, inner)
    files = f"{paths[0]} and the files with it"
    kinds = frame[["protocol", "run", "method"]].drop_duplicates()
    if len(kinds) > 1 or kinds["run"].iloc[0] != run:
        found = " and ".join(" / ".join(kind) for kind in kinds.to_numpy().tolist())
        raise InputError(f"{files}: expected run {run!r} of one protocol, found {found}")
    classes, several = metas[0]["classes"], metas[0]["multilabel"]
    if list(classes) != list(card.classes) or several != card.multilabel:
        raise InputError(
            f"{files}: classes {classes}, multilabel {several}; the protocol has {list(card.classes)}, "
            f"{card.multilabel}; delete the files and rerun"
        )
    _check_clips(frame, table, files, inner)
    places = {fold: place for place, fold in enumerate(dict.fromkeys(table["fold"]))}
    return _run_of(run, frame.iloc[frame["fold"].map(places).argsort(kind="stable")], metas)


def _run_of(run: str, frame: pd.DataFrame, metas: list[dict]) -> _Run:
    return _Run(run, {seed: part for seed, part in frame.groupby("seed", sort=True)}, metas)


def _check_clips(frame: pd.DataFrame, table: pd.DataFrame, files: str, inner: bool) -> None:
    """Raise InputError if predictions are of other clips, labels or folds than the protocol's table has."""
    rows = frame.drop_duplicates([*CLIP, "fold", "label"])
    official = table.set_index(CLIP)[["label", "fold"]].reindex(pd.MultiIndex.from_frame(rows[CLIP]))
    wrong = {
        "is not in the protocol's table": official["label"].isna().to_numpy(),
        "has another label in the protocol's table": official["label"].to_numpy() != rows["label"].to_numpy(),
        "is of another fold in the protocol's table": official["fold"].to_numpy() != rows["fold"].to_numpy(),
    }
    if inner:
        wrong.popitem()
        if not rows["fold"].isin(table["fold"]).all():
            raise InputError(
                f"{files}: inner predictions of a fold that the protocol does not have; delete stale files"
            )
    for what, where in wrong.items():
        if where.any():
            clip = "/".join(map(str, rows[CLIP][where].iloc[0]))
            raise InputError(f"{files}: clip {clip} {what} ({len(table)} clips); delete stale files")


def _select(run: _Run, rules: Iterable[str], inner: _Run | None, several: bool) -> dict[str, list[pd.DataFrame]]:
    """Return {rule: chosen predictions, one row per clip, one frame per seed}."""
    chosen: dict[str, list[pd.DataFrame]] = {rule: [] for rule in rules}
    for seed, frame in run.seeds.items():
        of = trace(frame, several)
        against = validation_trace(frame, inner.seeds[seed], several) if inner else None
        frame = frame.drop(columns=["protocol", "method"])
        for rule, frames in chosen.items():
            frames.append(frame[chosen_rows(of, choose(of, rule, against))])
    return chosen


def _lacking(run: _Run, inner: _Run) -> str:
    """Say which inner predictions are missing; "" if none."""
    for seed, frame in run.seeds.items():
        folds = inner.seeds[seed]["fold"] if seed in inner.seeds else []
        missing = sorted(set(frame["fold"]) - set(folds))
        if missing:
            return f"no inner predictions for seed {seed}, fold {missing[0]}"
    return ""


def _score_slice(part: _Slice, frames: list[pd.DataFrame], rule: str, several: bool, seed: int) -> dict[str, Any]:
    """Return the scores of chosen predictions: mean and sd over seeds, interval, k and the first confusion matrix."""
    frames = [part.of(frame) for frame in frames]
    empty = [" + ".join(some) for some in part.parts if not all(frame["dataset"].isin(some).any() for frame in frames)]
    if empty:
        return {"note": f"no clips of {', '.join(empty)}"}
    classes = len(score_columns(frames[0]))
    scores = []
    for frame in frames:
        every = [frame[frame["dataset"].isin(some)] for some in part.parts]
        scores.append(
            _mean([
                decision_scores(some["fold"], some["label"], predicted(some, several)[None], classes, several)
                for some in every
            ])
        )  # fmt: skip
    row: dict[str, Any] = {}
    for name in scores[0]:
        values = np.array([some[name][0] for some in scores])
        row[name] = float(values.mean())
        row[f"{name}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else None
    guess = predicted(frames[0], several)
    row["confusion"] = _confusion(frames[0]["label"], guess, classes, several)
    if len(frames) == len(part.parts) == 1 and not several:
        row["k"] = int((frames[0]["label"] == guess).sum())
    if rule in HONEST:
        for name, ends in subject_intervals(frames, seed, parts=part.parts, multilabel=several).items():
            row[f"{name}_low"], row[f"{name}_high"] = ends
    return row


def _confusion(label, guess, classes: int, several: bool) -> str:
    if several:
        counts = multilabel.grouped_counts(np.zeros(len(label), int), label, guess, classes)[0]
    else:
        counts = SingleLabel(classes).count(np.zeros(len(label), int), label, guess)[0]
    return json.dumps(counts.tolist())


def _skipped(run: str, slices: list[_Slice], rules: Iterable[str], reason: str) -> list[dict]:
    return [
        {"slice": part.name, "run": run, "rule": rule, "leaking": rule in LEAKING, "status": "skipped",
         "expected": len(part.table), "note": reason}
        for part in slices
        for rule in rules
    ]  # fmt: skip


def _score_run(run: _Run, inner: _Run | None, slices: list[_Slice], several: bool, seed: int) -> list[dict]:
    lacking = _lacking(run, inner) if inner else ""
    rules = [rule for rule in RULES if rule != "inner" or (inner and not lacking)]
    chosen = _select(run, rules, inner if "inner" in rules else None, several)
    rows = []
    for part in slices:
        clips = run.clips(part.datasets)
        n = min(map(len, clips))
        whole = n == len(part.table) and len(pd.concat(clips).drop_duplicates()) == n
        shared = {
            "slice": part.name,
            "run": run.name,
            "method": run.first["method"].iloc[0],
            "status": "ok" if whole else "partial",
            "seeds": len(run.seeds),
            "n": n,
            "expected": len(part.table),
            "folds": part.of(run.first)["fold"].nunique(),
            "epochs": max(int(frame["epoch"].max()) for frame in run.seeds.values()),
            "device": run.recorded("device"),
            "budget": run.recorded("budget"),
            "data_source": _data_source([run]),
        }
        for rule in rules:
            seconds = run.seconds + (inner.seconds if rule == "inner" else 0)
            row = {**shared, "rule": rule, "leaking": rule in LEAKING, "seconds": seconds}
            rows.append(row | _score_slice(part, chosen[rule], rule, several, seed))
    return rows + (_skipped(run.name, slices, ["inner"], lacking) if lacking else [])


def _data_source(runs: Iterable[_Run]) -> str:
    sources = {meta["data_source"] for run in runs for meta in run.metas}
    return "licensed" if sources == {"licensed"} else "synthetic"


def _null_rows(slices: list[_Slice], classes: int, several: bool, epochs: Sequence[int], seed: int) -> list[dict]:
    """Score the null model on the protocol's table: mean and sd over repeats in place of seeds.

    epochs : numbers of epochs; the first, which is the largest, is the run `null-model`, the others are of its draws.
    """
    table = slices[0].table
    decisions = null_decisions_by_epochs(
        table["fold"], table["label"], classes, epochs, RULES, NULL_REPEATS, seed, multilabel=several
    )
    return [
        row
        for count in epochs
        for part in slices
        for row in _null_slice(part, table, decisions, count, classes, several)
    ]


def _null_slice(
    part: _Slice, table: pd.DataFrame, decisions: Mapping, epochs: int, classes: int, several: bool
) -> list[dict]:
    insides = [table["dataset"].isin(some).to_numpy() for some in part.parts]
    if not all(inside.any() for inside in insides):
        return []
    run = null_run(epochs, max(decisions))
    shared = {"slice": part.name, "run": run, "method": NULL_RUN, "status": "ok", "n": len(part.table)}
    shared |= {"expected": len(part.table), "epochs": epochs, "folds": part.table["fold"].nunique()}
    shared["note"] = f"mean and sd of {NULL_REPEATS} repeats"
    rows, slice_rows = [], table["dataset"].isin(part.datasets).to_numpy()
    for rule, drawn in decisions[epochs].items():
        scores = _mean([
            decision_scores(table["fold"][inside], table["label"][inside], drawn[:, inside], classes, several)
            for inside in insides
        ])  # fmt: skip
        row = {**shared, "rule": rule, "leaking": rule in LEAKING}
        row["confusion"] = _confusion(part.table["label"], drawn[0, slice_rows], classes, several)
        for name, values in scores.items():
            row[name], row[f"{name}_sd"] = float(values.mean()), float(values.std(ddof=1))
        rows.append(row)
    return rows


def score_runs(
    paths_by_run: Mapping[str, Paths],
    card: ProtocolCard,
    table: pd.DataFrame,
    inner_by_run: Mapping[str, Paths] | None = None,
    seed: int = 0,
    reasons: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Score the runs of one protocol: one row per run, slice and rule, runs in the order given, then the null model.

    Parameters
    ----------
    paths_by_run : {run: predictions files, all folds and seeds}; a run without files is `skipped`.
    card, table : the protocol and its table. A run that misses a clip of it in some seed is `partial`.
    inner_by_run : {run: files of inner predictions}; a run without any has no row of rule `inner`.
    seed : of the bootstrap and of the null model.
    reasons : {run: why it is skipped}, for the column `note`.

    Scores are the mean over seeds of the pooled score, `*_sd` their standard deviation; seeds are never pooled. With
    `average: datasets` a score is the mean over the data sets of the pooled score of each. Honest rules have 95 %
    intervals over subjects of that mean. `k`, the correct clips, is given for one seed and pooled scores; `confusion`
    is that of the first seed (for multi-label protocols 2 x 2 counts of every class). Rules choose on the whole
    protocol, a slice is a part of the chosen predictions. `seconds` sums all files.

    The run `null-model` is simulated on the table, with as many epochs as the longest run has, or `NULL_EPOCHS`; below
    it stand `null-model-<epochs>` for every other number of epochs, from 2 up, that a run has.
    """
    slices = _slices(card, table)
    several = card.multilabel
    rows, runs = [], []
    lengths = set()
    for name, paths in paths_by_run.items():
        reason = (reasons or {}).get(name, "no predictions files")
        if not paths:
            rows += _skipped(name, slices, [rule for rule in RULES if rule != "inner"], reason)
            continue
        run = _read_run(name, paths, card, table)
        inner_paths = (inner_by_run or {}).get(name)
        inner = _read_run(name, inner_paths, card, table, inner=True) if inner_paths else None
        scored = _score_run(run, inner, slices, several, seed)
        protocol = run.first["protocol"].iloc[0]
        rows += [{"protocol": protocol, **row} for row in scored]
        runs.append(_Run(name, {}, run.metas))
        lengths |= {row["epochs"] for row in scored if row.get("epochs", 1) > 1}
    null = _null_rows(slices, len(card.classes), several, sorted(lengths or {NULL_EPOCHS}, reverse=True), seed)
    rows += [{**row, "data_source": _data_source(runs)} for row in null]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["protocol"] = frame["protocol"].bfill().ffill()
    return _typed(frame)


def compare_predictions(
    paths_by_run: Mapping[str, Paths],
    card: ProtocolCard,
    seed: int = 0,
    reference: str | None = None,
    score: str | None = None,
) -> pd.DataFrame:
    """Compare the runs of one protocol after the last epoch; see `comparisons.compare_runs`."""
    chosen = {}
    for name, paths in paths_by_run.items():
        if paths:
            frame, metas = read_predictions(paths)
            chosen[name] = _select(_run_of(name, frame, metas), ["last"], None, card.multilabel)["last"]
    parts = [(dataset,) for dataset in card.datasets] if card.average == "datasets" else ()
    return compare_runs(chosen, reference, score, seed, parts=parts, multilabel=card.multilabel)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    numbers = [*SCORES, *(c for c in COLUMNS if c.endswith(("_sd", "_low", "_high"))), "seconds"]
    for name in _TEXTS:
        frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str)
    return frame.astype({**dict.fromkeys(numbers, float), **dict.fromkeys(_COUNTS, "Int64"), "leaking": bool})


def write_scores(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write scores, or comparisons, as CSV."""
    with sealed(path) as part:
        frame.to_csv(part, index=False, float_format="%.6f")


def read_scores(path: str | os.PathLike) -> pd.DataFrame:
    """Read what `write_scores` wrote. A run may be called `null`: only an empty field is a missing value."""
    frame = _read(path, COLUMNS)
    try:
        return _typed(frame)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: a field of the wrong kind ({error}); delete the file and rerun the scores") from None


def read_curves(path: str | os.PathLike) -> pd.DataFrame:
    """Read learning curves that `write_scores` wrote."""
    return _read(path, CURVE).astype({"run": str})


def _read(path: str | os.PathLike, columns: Sequence[str]) -> pd.DataFrame:
    check_seal(path)
    try:
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; rerun the scores") from None
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a table of scores ({error}); delete the file and rerun the scores") from None
    missing = [column for column in columns if column not in frame]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}; delete the file and rerun the scores")
    return frame


def learning_curves(paths: Iterable[str | os.PathLike]) -> pd.DataFrame:
    """Return run, epoch, uf1: the pooled UF1 of every epoch that all folds reached, mean over seeds.

    For multi-label predictions it is the mean F1 of presence, in the same column. A diagnostic only: it looks at the
    test subjects at every epoch.
    """
    frame, metas = read_predictions(paths)
    parts = []
    for (run, _), part in frame.groupby(["run", "seed"], sort=False):
        of = trace(part, metas[0]["multilabel"])
        common = of.reached.all(axis=0)
        pooled = of.task.pooled(of.counts[:, common].sum(axis=0))[of.task.main]
        parts.append(pd.DataFrame({"run": run, "epoch": of.epochs[common], "uf1": pooled}))
    return pd.concat(parts).groupby(["run", "epoch"], sort=False)["uf1"].mean().reset_index()
