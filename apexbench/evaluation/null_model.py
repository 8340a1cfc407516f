"""The null model: what a selection rule alone is worth, with nothing learned at all.

For every clip and "epoch" a class is drawn at random, and the rule picks epochs as it does for a method. Draws of
different epochs are independent, those of a training are not: an upper-ish bound, which raises the floor and proves
nothing about any one paper (the fault is described in arXiv 2211.11425).
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from apexbench.evaluation.selection import HONEST, LEAKING, Trace, choose
from apexbench.evaluation.tasks import MultiLabel, SingleLabel


def null_decisions(
    folds: Sequence,
    labels: Sequence[int],
    classes: int,
    epochs: int,
    rules: Iterable[str],
    repeats: int = 20,
    seed: int = 0,
    uniform: bool = False,
    multilabel: bool = False,
) -> dict[str, np.ndarray]:
    """Return {rule: decisions (repeats, N)}: the drawn class of every clip at the epoch that the rule picks.

    Parameters
    ----------
    folds, labels : fold and class (or bit mask) of every clip.
    epochs : draws to pick from.
    uniform : draw all classes equally often, not with the frequencies of `labels`.

    All rules pick from the same draws. `inner` knows nothing of the test clips, so it is any one draw, as `last` is.
    """
    rules = list(rules)
    epochs = 1 if set(rules) <= set(HONEST) else epochs
    return null_decisions_by_epochs(folds, labels, classes, [epochs], rules, repeats, seed, uniform, multilabel)[epochs]


def null_decisions_by_epochs(
    folds: Sequence,
    labels: Sequence[int],
    classes: int,
    epochs: Sequence[int],
    rules: Iterable[str],
    repeats: int = 20,
    seed: int = 0,
    uniform: bool = False,
    multilabel: bool = False,
) -> dict[int, dict[str, np.ndarray]]:
    """Return {E: decisions by rule} for several numbers of epochs: those of fewer are the first of the longest."""
    task = (MultiLabel if multilabel else SingleLabel)(classes)
    fold, names = pd.factorize(np.asarray(folds))
    labels, rules = np.asarray(labels), list(rules)
    clips, longest = np.arange(len(labels)), max(epochs)
    epoch = np.repeat(np.arange(longest), len(labels))
    groups = np.tile(fold, longest) * longest + epoch
    rng = np.random.default_rng(seed)
    decisions = {e: {rule: np.empty((repeats, len(labels)), dtype=np.int64) for rule in rules} for e in epochs}
    for repeat in range(repeats):
        draws = task.draw(rng, labels, (longest, len(labels)), uniform)
        counts = task.count(groups, np.tile(labels, longest), draws.ravel(), size=len(names) * longest)
        counts = counts.reshape(len(names), longest, *counts.shape[1:])
        for count, of_rule in decisions.items():
            shape = len(names), count
            rows = fold, epoch[: count * len(labels)]
            of = Trace(task, list(names), np.arange(1, count + 1), counts[:, :count], np.ones(shape, dtype=bool), rows)
            for rule, drawn in of_rule.items():
                picked = choose(of, "last" if rule == "inner" else rule)
                drawn[repeat] = draws[picked[fold], clips]
    return decisions


def decision_scores(
    folds: Sequence, labels: Sequence[int], decisions: np.ndarray, classes: int, multilabel: bool = False
) -> dict[str, np.ndarray]:
    """Return {score: (R,)} of R sets of decisions (R, N) about the same N clips."""
    task = (MultiLabel if multilabel else SingleLabel)(classes)
    fold, names = pd.factorize(np.asarray(folds))
    repeats = len(decisions)
    groups = np.repeat(np.arange(repeats) * len(names), len(fold)) + np.tile(fold, repeats)
    counts = task.count(groups, np.tile(labels, repeats), decisions.ravel(), size=repeats * len(names))
    return task.scores(counts.reshape(repeats, len(names), *counts.shape[1:]))


def null_scores(
    folds: Sequence,
    labels: Sequence[int],
    classes: int,
    epochs: int,
    rule: str,
    repeats: int = 20,
    seed: int = 0,
    uniform: bool = False,
    multilabel: bool = False,
) -> dict[str, tuple[float, float]]:
    """Return {score: (mean, standard deviation)} over `repeats` of the null model; parameters of `null_decisions`.

    >>> scores = null_scores(["a", "a", "b"], [0, 1, 1], classes=2, epochs=100, rule="fold-oracle", repeats=2)
    >>> scores["acc"]
    (1.0, 0.0)
    """
    decisions = null_decisions(folds, labels, classes, epochs, [rule], repeats, seed, uniform, multilabel)[rule]
    scores = decision_scores(folds, labels, decisions, classes, multilabel)
    return {name: (float(values.mean()), float(values.std(ddof=1))) for name, values in scores.items()}


def growing_choices(correct: np.ndarray, fold: np.ndarray, epochs: Sequence[int], rule: str) -> np.ndarray:
    """Return the epoch that a rule picks for each fold of a training that ends after each of some numbers of epochs.

    As `choose` does for every such training, but all at once.

    Parameters
    ----------
    correct : (E, N), whether each clip is right after each epoch.
    fold : (N,), number of each clip's fold.
    epochs : (G,), after how many epochs the training ends.
    rule : last, global-oracle or fold-oracle.

    Returns (G, F), places of epochs.
    """
    ends, folds = np.asarray(epochs) - 1, fold.max() + 1
    if rule == "last":
        return np.repeat(ends[:, None], folds, axis=1)
    order = np.argsort(fold, kind="stable")
    starts = np.searchsorted(fold[order], np.arange(folds))
    hits = np.add.reduceat(correct[:, order], starts, axis=1, dtype=np.int32)  # (E, F)
    if rule == "global-oracle":
        hits = np.repeat(hits.sum(axis=1, keepdims=True), folds, axis=1)
    elif rule != "fold-oracle":
        raise ValueError(f"rule {rule!r}: only last, global-oracle and fold-oracle")
    before = np.vstack([np.full((1, folds), -1), np.maximum.accumulate(hits)[:-1]])
    first = np.where(hits > before, np.arange(len(hits))[:, None], 0)
    return np.maximum.accumulate(first)[ends]


def _confusions(labels: np.ndarray, decisions: np.ndarray, classes: int) -> np.ndarray:
    """Return the counts (..., C, C) of many sets of decisions (..., N) about the same clips, labels (N,)."""
    counts = np.empty((*decisions.shape[:-1], classes, classes), np.int64)
    for true in range(classes):
        of_class = decisions[..., labels == true]
        for drawn in range(classes):
            counts[..., true, drawn] = np.count_nonzero(of_class == drawn, axis=-1)
    return counts


def null_curves(
    folds: Sequence,
    labels: Sequence[int],
    classes: int,
    rules: Sequence[str] = ("last", "global-oracle", "fold-oracle"),
    epochs: Sequence[int] = (1, 5, 10, 50, 100, 200, 800),
    repeats: int = 20,
    seed: int = 0,
    parts: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Return what the null model scores by the number of epochs that a rule chooses from.

    The first E draws of one long training are those of a training of E epochs, so that the curves are smooth.

    Parameters
    ----------
    rules : of those that `growing_choices` knows.
    parts : {name: mask (N,)} of clips that are scored for themselves, the draws and the choice being those of all;
        without it all clips are the one part "".

    Columns part, rule, leaking, epochs, uf1 (mean over `repeats`), uf1_low and uf1_high (one standard deviation away).
    """
    task, labels, epochs = SingleLabel(classes), np.asarray(labels), sorted(epochs)
    fold = pd.factorize(np.asarray(folds))[0]
    parts = {"": np.ones(len(labels), dtype=bool)} if parts is None else parts
    rng = np.random.default_rng(seed)
    decisions = np.empty((len(rules), len(epochs), repeats, len(labels)), dtype=np.int8)
    for repeat in range(repeats):
        draws = task.draw(rng, labels, (epochs[-1], len(labels)), uniform=False)
        for row, rule in enumerate(rules):
            picked = growing_choices(draws == labels, fold, epochs, rule)
            decisions[row, :, repeat] = np.take_along_axis(draws, picked[:, fold], axis=0)
    rows = []
    for part, mask in parts.items():
        uf1 = task.pooled(_confusions(labels[mask], decisions[..., mask], classes))[task.main]
        for row, rule in enumerate(rules):
            for until, values in zip(epochs, uf1[row], strict=True):
                mean, sd = values.mean(), values.std(ddof=1)
                rows.append((part, rule, rule in LEAKING, until, mean, mean - sd, mean + sd))
    return pd.DataFrame(rows, columns=["part", "rule", "leaking", "epochs", "uf1", "uf1_low", "uf1_high"])
