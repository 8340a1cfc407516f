"""Predictions files -> scores: one row per slice, run and selection rule."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from apexbench.config.protocols import ProtocolCard
from apexbench.evaluation import multilabel
from apexbench.evaluation.comparisons import compare_runs
from apexbench.evaluation.conventions import score_columns
from apexbench.evaluation.intervals import subject_intervals
from apexbench.evaluation.null_model import decision_scores, null_decisions_by_epochs
from apexbench.evaluation.predictions import read_predictions
from apexbench.evaluation.runs import Paths, Run, chosen_by, data_source, missing_inner, read_run, run_of
from apexbench.evaluation.score_files import COLUMNS, NULL_REPEATS, NULL_RUN, null_run, typed
from apexbench.evaluation.selection import HONEST, LEAKING, RULES, predicted, trace
from apexbench.evaluation.tasks import SingleLabel
from apexbench.labels import is_multilabel

NULL_EPOCHS = 100  # where no run has epochs


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


def _score_run(run: Run, inner: Run | None, slices: list[_Slice], several: bool, seed: int) -> list[dict]:
    lacking = missing_inner(run, inner) if inner else ""
    rules = [rule for rule in RULES if rule != "inner" or (inner and not lacking)]
    chosen = chosen_by(run, rules, inner if "inner" in rules else None, several)
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
            "data_source": data_source([run]),
        }
        for rule in rules:
            seconds = run.seconds + (inner.seconds if rule == "inner" else 0)
            row = {**shared, "rule": rule, "leaking": rule in LEAKING, "seconds": seconds}
            rows.append(row | _score_slice(part, chosen[rule], rule, several, seed))
    return rows + (_skipped(run.name, slices, ["inner"], lacking) if lacking else [])


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
    several = is_multilabel(card)
    rows, runs = [], []
    lengths = set()
    for name, paths in paths_by_run.items():
        reason = (reasons or {}).get(name, "no predictions files")
        if not paths:
            rows += _skipped(name, slices, [rule for rule in RULES if rule != "inner"], reason)
            continue
        run = read_run(name, paths, card, table)
        inner_paths = (inner_by_run or {}).get(name)
        inner = read_run(name, inner_paths, card, table, inner=True) if inner_paths else None
        scored = _score_run(run, inner, slices, several, seed)
        protocol = run.first["protocol"].iloc[0]
        rows += [{"protocol": protocol, **row} for row in scored]
        runs.append(Run(name, {}, run.metas))
        lengths |= {row["epochs"] for row in scored if row.get("epochs", 1) > 1}
    null = _null_rows(slices, len(card.classes), several, sorted(lengths or {NULL_EPOCHS}, reverse=True), seed)
    rows += [{**row, "data_source": data_source(runs)} for row in null]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["protocol"] = frame["protocol"].bfill().ffill()
    return typed(frame)


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
            chosen[name] = chosen_by(run_of(name, frame, metas), ["last"], None, is_multilabel(card))["last"]
    parts = [(dataset,) for dataset in card.datasets] if card.average == "datasets" else ()
    return compare_runs(chosen, reference, score, seed, parts=parts, multilabel=is_multilabel(card))


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
