"""Selection rules: which epoch's predictions of a training count.

A rule takes the predictions of one run and one seed (every epoch) and returns one row per clip. Rules in `LEAKING` look
at the labels of the test subjects: they reproduce printed tables and are never a fair score.
"""

import numpy as np
import pandas as pd

from apexbench.evaluation.metrics import from_confusion, grouped_confusion

CRITERIA = {"accuracy": "acc", "uf1": "uf1"}


def score_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns p0, p1, ... that hold the class scores, in the order of the classes."""
    return sorted((c for c in frame.columns if c[0] == "p" and c[1:].isdigit()), key=lambda c: int(c[1:]))


def predicted(frame: pd.DataFrame) -> np.ndarray:
    """Return the predicted class of every row: the highest score, and the lowest index among equals."""
    return frame[score_columns(frame)].to_numpy().argmax(axis=1)


def confusions(frame: pd.DataFrame, by: str | list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the sorted groups of `by`, one row each, and their confusion matrices (G, C, C)."""
    groups = frame.groupby(by, sort=True)
    keys = groups.size().reset_index().drop(columns=0)
    return keys, grouped_confusion(groups.ngroup(), frame["label"], predicted(frame), len(score_columns(frame)))


def _check(frame: pd.DataFrame) -> None:
    if frame["run"].nunique() != 1 or frame["seed"].nunique() != 1:
        raise ValueError("a selection rule takes the predictions of one run and one seed; split them first")


def _best(epochs: pd.DataFrame, cms: np.ndarray, criterion: str, ties: str) -> pd.DataFrame:
    if criterion not in CRITERIA or ties not in ("first", "last"):
        raise ValueError(f"criterion is one of {list(CRITERIA)}, ties 'first' or 'last'; found {criterion!r}, {ties!r}")
    # Rounded, so that two equal scores are a tie whatever the order of summation.
    epochs = epochs.assign(score=from_confusion(cms)[CRITERIA[criterion]].round(12))
    return epochs.sort_values(["score", "epoch"], ascending=[False, ties == "first"], kind="stable")


def common_epochs(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows up to the last epoch that every fold reached."""
    return frame[frame["epoch"] <= frame.groupby("fold")["epoch"].max().min()]


def last(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep the last epoch of each fold: the honest default."""
    _check(frame)
    return frame[frame["epoch"] == frame.groupby("fold")["epoch"].transform("max")]


def fold_oracle(frame: pd.DataFrame, criterion: str = "accuracy", ties: str = "first") -> pd.DataFrame:
    """Keep the best epoch of each fold, picked on its test clips: what most released code does. Leaks."""
    _check(frame)
    best = _best(*confusions(frame, ["fold", "epoch"]), criterion, ties).drop_duplicates("fold")
    return frame.merge(best[["fold", "epoch"]], on=["fold", "epoch"])


def global_oracle(frame: pd.DataFrame, criterion: str = "accuracy", ties: str = "first") -> pd.DataFrame:
    """Keep one epoch for all folds, picked on the pooled test result, among those that every fold reached. Leaks."""
    _check(frame)
    frame = common_epochs(frame)
    best = _best(*confusions(frame, ["epoch"]), criterion, ties)
    return frame[frame["epoch"] == best["epoch"].iloc[0]]


RULES = {"last": last, "fold-oracle": fold_oracle, "global-oracle": global_oracle}
LEAKING = frozenset({"fold-oracle", "global-oracle"})
