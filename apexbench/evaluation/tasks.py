"""What a clip's scores are turned into, and how that is counted: one class per clip, or several.

Selection rules, the null model, intervals and tests work on counts and ask a task for the rest, so that they are the
same for confusion matrices (C, C) and for the presence of action units (A, 2, 2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from apexbench.evaluation import conventions, metrics, multilabel
from apexbench.evaluation.conventions import score_columns

if TYPE_CHECKING:
    import pandas as pd

Counts = np.ndarray
Criteria = Mapping[str, Callable[[Counts], np.ndarray]]


class SingleLabel:
    """One class per clip, the one with the highest score; counts are confusion matrices (..., C, C)."""

    pooled_names = metrics.METRICS
    names = (*metrics.METRICS, *conventions.OF_FOLDS)
    main = "uf1"
    # what a selection rule may look at: counts of one fold (..., C, C) to (...)
    criteria: ClassVar[Criteria] = {
        "accuracy": conventions.fold_acc,
        "uf1": conventions.fold_f1_absent_zero,
        "f1-present": conventions.fold_f1_present,
        "f1-absent-one": conventions.fold_f1_absent_one,
        "f1-to-highest": conventions.fold_f1_to_highest,
    }

    def __init__(self, classes: int):
        self.classes = classes

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Return the class of every row (N, C): the highest score, and the lowest index among equals."""
        return scores.argmax(axis=1)

    def count(self, groups, label, decided, size: int | None = None) -> Counts:
        """Return the counts of every group, (G, C, C)."""
        return metrics.grouped_confusion(groups, label, decided, self.classes, size)

    def pooled(self, counts: Counts) -> dict[str, np.ndarray]:
        """Return the pooled scores of counts (..., C, C)."""
        return metrics.from_confusion(counts)

    def scores(self, folds: Counts) -> dict[str, np.ndarray]:
        """Return every score of the counts of folds, (..., F, C, C), in fold order."""
        return conventions.from_folds(folds)

    def draw(self, rng: np.random.Generator, label: np.ndarray, size: tuple[int, ...], uniform: bool) -> np.ndarray:
        """Draw labels at random, from the class frequencies of `label` or uniformly."""
        if uniform:
            return rng.integers(self.classes, size=size)
        prior = np.bincount(label, minlength=self.classes) / len(label)
        drawn, values = np.zeros(size, np.int8), rng.random(size)
        for edge in prior.cumsum()[:-1]:  # of a few classes a third of the time of a search
            drawn += values >= edge
        return drawn


class MultiLabel:
    """Any number of classes per clip, those with a score above one half; counts are (..., A, 2, 2)."""

    pooled_names = names = multilabel.METRICS
    main = "au_f1"
    # the F1 rules differ in how they count absent classes, which has no counterpart here
    criteria: ClassVar[Criteria] = {
        **dict.fromkeys(SingleLabel.criteria, multilabel.mean_f1),
        "accuracy": multilabel.correct_share,
    }

    def __init__(self, classes: int):
        self.classes = classes

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Return the bit mask of every row (N, A)."""
        return multilabel.bitmask(scores > 0.5)

    def count(self, groups, label, decided, size: int | None = None) -> Counts:
        """Return the counts of every group, (G, A, 2, 2)."""
        return multilabel.grouped_counts(groups, label, decided, self.classes, size)

    def pooled(self, counts: Counts) -> dict[str, np.ndarray]:
        """Return the pooled scores of counts (..., A, 2, 2)."""
        return multilabel.from_counts(counts)

    def scores(self, folds: Counts) -> dict[str, np.ndarray]:
        """Return the scores of the counts of folds, (..., F, A, 2, 2): only pooled ones are in use."""
        return multilabel.from_counts(np.asarray(folds).sum(axis=-4))

    def draw(self, rng: np.random.Generator, label: np.ndarray, size: tuple[int, ...], uniform: bool) -> np.ndarray:
        """Draw labels at random, each class for itself, with its frequency in `label` or one half."""
        share = 0.5 if uniform else multilabel.presence(label, self.classes).mean(axis=0)
        return multilabel.bitmask(rng.random((*size, self.classes)) < share)


Task = SingleLabel | MultiLabel
SCORES = (*SingleLabel.names, *MultiLabel.names)


def task_of(frame: pd.DataFrame, multilabel: bool = False) -> Task:
    """Return the task of predictions: as many classes as there are columns p0, p1, ..."""
    return (MultiLabel if multilabel else SingleLabel)(len(score_columns(frame)))
