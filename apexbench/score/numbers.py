"""Every number of one system: scores, conventions, intervals, per class and subject, epoch rules, the null model."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from apexbench.errors import InputError, nearest
from apexbench.evaluation.conventions import from_folds
from apexbench.evaluation.intervals import subject_intervals
from apexbench.evaluation.metrics import class_counts, from_confusion, grouped_confusion, ratio
from apexbench.evaluation.null_model import null_curves
from apexbench.evaluation.selection import RULES, Trace, choose, chosen_rows, trace
from apexbench.score.predictions import Predictions, decided

WHOLE = "all"
MAIN = ("acc", "uf1", "uar", "weighted_f1", "hm_f1")
# rules that stand in the table of what selection adds, in words
COMMON, NOT_COMMON = "global-oracle", "the folds have no epoch in common"
SHOWN = {"last": "last", "global-oracle": "one epoch for all, the best", "fold-oracle": "best test epoch of each fold"}
NULL_REPEATS = 10
EPOCHS = 10_000  # as many as a bundle may have: the null model is drawn for each
FEW = 8  # subjects, below which an interval is not to be trusted: see evaluation/intervals.py


def rules_of(of: Trace | None) -> list[str]:
    """Return the rules that can pick an epoch; without epochs, or of folds without a common one, some cannot."""
    if of is None:
        return ["last"]
    without = {"inner"} if of.common() else {"inner", COMMON}
    return [rule for rule in RULES if rule not in without]


def chosen(predictions: Predictions, rule: str = "last") -> dict[str, pd.DataFrame]:
    """Return {rule: rows that count}, the asked-for rule first."""
    if predictions.epochs > EPOCHS:
        raise InputError(f"{predictions.name}: {predictions.epochs} epochs; at most {EPOCHS} are scored")
    of = trace(predictions.frame) if predictions.epochs > 1 else None
    rules = rules_of(of)
    if rule not in rules:
        why = f"{predictions.name} holds one epoch; " if of is None else f"{NOT_COMMON}; " if rule == COMMON else ""
        raise InputError(f"--rule {rule!r}: {why}{nearest(rule, rules)}")
    if of is None:
        return {"last": predictions.frame}
    order = [rule, *(name for name in rules if name != rule)]
    return {name: predictions.frame[chosen_rows(of, choose(of, name))] for name in order}


def parts_of(predictions: Predictions) -> list[str]:
    """Return the whole and, if there are several, its data sets."""
    datasets = list(dict.fromkeys(predictions.frame["dataset"]))
    return [WHOLE, *datasets] if len(datasets) > 1 else [WHOLE]


def _of(frame: pd.DataFrame, part: str) -> pd.DataFrame:
    return frame if part == WHOLE else frame[frame["dataset"] == part]


def all_scores(frame: pd.DataFrame, classes: int, folds: bool) -> dict[str, float]:
    """Return every pooled score and, if folds are known, every convention, of rows that are one for each clip."""
    codes = pd.factorize(frame["fold"])[0] if folds else np.zeros(len(frame), dtype=np.int64)
    counts = grouped_confusion(codes, frame["label"], decided(frame), classes)
    scores = from_folds(counts) if folds else from_confusion(counts[0])
    return {name: float(value) for name, value in scores.items()}


def _part(predictions: Predictions, frame: pd.DataFrame, seed: int, resamples: int) -> dict:
    """Return what there is to say of a part."""
    guess, label = decided(frame), frame["label"].to_numpy()
    size = len(predictions.classes)
    matrix = grouped_confusion(np.zeros(len(frame), int), label, guess, size)[0]
    hits, true, said = class_counts(matrix)
    result = {
        "n": len(frame), "k": int(hits.sum()), "scores": all_scores(frame, size, predictions.folds), "intervals": {},
        "confusion": matrix.tolist(),
        "classes": [
            {"class": name, "n": int(n), "predicted": int(m), "precision": p, "recall": r, "f1": f}
            for name, n, m, p, r, f in zip(
                predictions.classes, true, said, ratio(hits, said).tolist(), ratio(hits, true).tolist(),
                ratio(2 * hits, true + said).tolist(), strict=True,
            )
        ],
        "subjects": [],
    }  # fmt: skip
    if "subject" in predictions.has:
        right = frame.assign(right=guess == label).groupby(["dataset", "subject"], sort=False)["right"]
        sums = right.agg(["size", "sum"])
        result["subjects"] = [
            {"dataset": dataset, "subject": subject, "n": int(n), "k": int(k)}
            for (dataset, subject), n, k in sums.itertuples()
        ]
        if len(sums) > 1:
            ends = subject_intervals(frame, seed, resamples)
            result["intervals"] = {name: ends[name] for name in MAIN}
    return result


def null_uf1(
    predictions: Predictions, rules: Mapping[str, str], epochs: int, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Return {part: {rule: UF1}} of the null model with so many epochs to choose from."""
    clips = predictions.clips
    parts = {part: np.ones(len(clips), bool) if part == WHOLE else (clips["dataset"] == part).to_numpy()
             for part in parts_of(predictions)}  # fmt: skip
    curves = null_curves(
        clips["fold"], clips["label"].to_numpy(), len(predictions.classes), tuple(rules), (epochs,), NULL_REPEATS, seed,
        parts,
    )  # fmt: skip
    return {
        part: dict(zip(rows["rule"], rows["uf1"].tolist(), strict=True))
        for part, rows in curves.groupby("part", sort=False)
    }


def numbers(
    predictions: Predictions, rule: str = "last", chosen_from: int = 0, seed: int = 0, resamples: int = 10_000
) -> dict:
    """Return all numbers of one system, JSON-able.

    Parameters
    ----------
    rule : whose epochs count, where there are several.
    chosen_from : of how many test epochs a file without epochs holds the best of each fold, for the null model.
    """
    picked = chosen(predictions, rule)
    parts = {part: _part(predictions, _of(picked[rule], part), seed, resamples) for part in parts_of(predictions)}
    size = len(predictions.classes)
    rules = {
        name: {part: all_scores(_of(frame, part), size, predictions.folds) for part in parts}
        for name, frame in picked.items()
    }
    epochs = chosen_from or (predictions.choices if predictions.epochs > 1 else 0)
    if chosen_from and not predictions.folds:
        raise InputError(f"--epochs: {predictions.name} names no subjects or folds, of which the best epoch was taken")
    null = null_uf1(predictions, SHOWN, epochs, seed) if epochs else {}
    lost = [COMMON] if predictions.epochs > 1 and COMMON not in picked else []
    return {
        "rule": rule,
        "left_out": dict.fromkeys(lost, NOT_COMMON),
        "epochs": predictions.epochs,
        "null_epochs": epochs,
        "parts": parts,
        "rules": rules,
        "null": null,
    }
