"""What published tables print under "ACC", "F1" and "UAR": every aggregation of released code, by name.

The pooled scores `acc`, `uf1`, `uar`, `weighted_f1`, `macro_precision`, `hm_f1` and `f1_present` are in `metrics`; here
are those that look at each fold. They take the confusion matrices of the folds (..., F, C, C), in fold order, and give
arrays of the leading shape. `conventions` gives all of them for a table of predictions.

A fold is mostly one subject, and subjects often lack a class: hence the ways to count absent classes. A class is absent
from a fold if it is neither a label nor a prediction there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from apexbench.evaluation.metrics import class_counts, from_confusion, ratio

if TYPE_CHECKING:
    import pandas as pd


def score_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns p0, p1, ... that hold the class scores, in the order of the classes."""
    return sorted((c for c in frame.columns if c[0] == "p" and c[1:].isdigit()), key=lambda c: int(c[1:]))


def _fold_f1(folds) -> tuple[np.ndarray, np.ndarray]:
    """F1 of every fold and class (..., F, C), 0 where absent; and which are there."""
    hits, true, predicted = class_counts(folds)
    return ratio(2 * hits, true + predicted), true + predicted > 0


def fold_acc(folds) -> np.ndarray:
    """Accuracy of every fold, (..., F)."""
    hits, true, _ = class_counts(folds)
    return ratio(hits.sum(axis=-1), true.sum(axis=-1))


def fold_f1_present(folds) -> np.ndarray:
    """F1 of every fold, absent classes left out, (..., F)."""
    f1, present = _fold_f1(folds)
    return ratio(f1.sum(axis=-1), present.sum(axis=-1))


def fold_f1_absent_zero(folds) -> np.ndarray:
    """F1 of every fold over all classes, absent ones being 0, (..., F)."""
    return _fold_f1(folds)[0].mean(axis=-1)


def fold_f1_absent_one(folds) -> np.ndarray:
    """F1 of every fold over all classes, absent ones being 1, (..., F)."""
    f1, present = _fold_f1(folds)
    return np.where(present, f1, 1.0).mean(axis=-1)


def fold_uar_present(folds) -> np.ndarray:
    """Recall of every fold, averaged over the classes that have clips there, (..., F)."""
    hits, true, _ = class_counts(folds)
    return ratio(ratio(hits, true).sum(axis=-1), (true > 0).sum(axis=-1))


def _to_highest(folds, values: np.ndarray) -> np.ndarray:
    """Mean over the classes 0 .. the highest that occurs, and 1 where every clip is right."""
    _, true, predicted = class_counts(folds)
    classes = true.shape[-1]
    highest = np.where(true + predicted > 0, np.arange(1, classes + 1), 0).max(axis=-1)
    return np.where(fold_acc(folds) == 1, 1.0, ratio(values.sum(axis=-1), highest))


def fold_f1_to_highest(folds) -> np.ndarray:
    """F1 of every fold as MLSP-2024 computes it, (..., F): see `mean_fold_f1_to_highest`."""
    return _to_highest(folds, _fold_f1(folds)[0])


def mean_fold_acc(folds) -> np.ndarray:
    """Mean over folds of the accuracy: subjects weigh the same, however few clips they have.

    MLSP-2024 and its sibling repositories, hahaluluyo's supervised contrastive code; SAMER (mimicking-annotation)
    prints it beside the pooled accuracy.
    """
    return fold_acc(folds).mean(axis=-1)


def mean_fold_f1_present(folds) -> np.ndarray:
    """Mean over folds of the F1 over the classes that occur in the fold: scikit-learn's macro F1 without `labels`.

    davidnvq's CapsuleNet and hahaluluyo's supervised contrastive code print means over subjects; how they count absent
    classes was not read.
    """
    return fold_f1_present(folds).mean(axis=-1)


def mean_fold_f1_absent_zero(folds) -> np.ndarray:
    """Mean over folds of the F1 over all classes, absent ones being 0: scikit-learn with `labels`, fold by fold."""
    return fold_f1_absent_zero(folds).mean(axis=-1)


def mean_fold_f1_absent_one(folds) -> np.ndarray:
    """Mean over folds of the F1 over all classes, absent ones being 1.

    NMER scores a fold so while it selects, and pools afterwards.
    """
    return fold_f1_absent_one(folds).mean(axis=-1)


def mean_fold_uar_present(folds) -> np.ndarray:
    """Mean over folds of the recall over the classes that have clips in the fold: scikit-learn's balanced accuracy."""
    return fold_uar_present(folds).mean(axis=-1)


def mean_fold_f1_to_highest(folds) -> np.ndarray:
    """Mean over folds of the F1 over the classes up to the highest that occurs, and 1 where all clips are right.

    MLSP-2024 and its siblings: their confusion matrix is as large as the highest label or prediction of the subject.
    """
    return fold_f1_to_highest(folds).mean(axis=-1)


def mean_fold_uar_to_highest(folds) -> np.ndarray:
    """Mean over folds of the recall, counted as in `mean_fold_f1_to_highest` (MLSP-2024 and its siblings)."""
    hits, true, _ = class_counts(folds)
    return _to_highest(folds, ratio(hits, true)).mean(axis=-1)


def cumulative_acc(folds) -> np.ndarray:
    """Mean over folds of the accuracy of all clips so far: correct and total are never set back.

    SRMCL's released test script prints it. It depends on the order of the folds; SRMCL starts with its largest subject.
    """
    hits, true, _ = class_counts(folds)
    return ratio(hits.sum(axis=-1).cumsum(axis=-1), true.sum(axis=-1).cumsum(axis=-1)).mean(axis=-1)


OF_FOLDS = {
    function.__name__: function
    for function in (
        mean_fold_acc, mean_fold_f1_present, mean_fold_f1_absent_zero, mean_fold_f1_absent_one, mean_fold_uar_present,
        mean_fold_f1_to_highest, mean_fold_uar_to_highest, cumulative_acc,
    )
}  # fmt: skip


def from_folds(folds) -> dict[str, np.ndarray]:
    """Return every pooled score and every convention for the confusion matrices (..., F, C, C) of the folds."""
    folds = np.asarray(folds)
    pooled = from_confusion(folds.sum(axis=-3))
    return {**pooled, **{name: function(folds) for name, function in OF_FOLDS.items()}}
