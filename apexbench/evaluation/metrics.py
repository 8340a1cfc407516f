"""Pooled classification metrics of MEGC2019: counts are summed over all folds first, then scored once.

All labels are fixed by `classes`, and 0/0 counts as 0. In particular UAR is the mean recall over all C classes: a class
without a single clip (n_c = 0) has recall 0 and F1 0, it is not left out. The same holds for macro-precision.
"""

from collections.abc import Sequence
from numbers import Integral

import numpy as np

METRICS = ("acc", "uf1", "uar", "weighted_f1", "macro_precision", "hm_f1", "f1_present")


def _codes(values, index: dict, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one label per clip (one dimension), found shape {array.shape}")
    if not len(array):
        raise ValueError(f"{name} is empty: a metric needs at least one clip")
    items = array.tolist()
    unknown = [item for item in items if item not in index]
    if unknown:
        raise ValueError(f"{name} holds the unknown label {unknown[0]!r}; classes are {list(index)}")
    return np.array([index[item] for item in items])


def grouped_confusion(groups, label, predicted, count: int, size: int | None = None) -> np.ndarray:
    """Return one confusion matrix (C, C) for each group, stacked to (G, C, C). Groups and classes are ints from 0.

    `size` is the number of groups, if the last ones may have no clip.
    """
    groups, label, predicted = (np.asarray(part, dtype=np.int64) for part in (groups, label, predicted))
    size = int(groups.max()) + 1 if size is None else size
    flat = np.bincount((groups * count + label) * count + predicted, minlength=size * count * count)
    return flat.reshape(size, count, count)


def confusion_matrix(y_true, y_pred, classes: int | Sequence) -> np.ndarray:
    """Return the (C, C) counts: rows are the true class, columns the prediction.

    Parameters
    ----------
    y_true, y_pred : one label per clip.
    classes : the number of classes, for labels 0 .. C-1; or the sequence of labels, in the order of the rows.

    Raises ValueError if the lengths differ, a label is unknown, or there is no clip.

    >>> confusion_matrix(["neg", "neg", "pos"], ["neg", "pos", "pos"], ["neg", "pos", "sur"]).tolist()
    [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    """
    labels = list(range(classes)) if isinstance(classes, Integral) else list(classes)
    index = {label: code for code, label in enumerate(labels)}
    if not labels or len(index) < len(labels):
        raise ValueError(f"classes must be a count from 1 up, or labels without repeats; found {classes!r}")
    true, predicted = _codes(y_true, index, "y_true"), _codes(y_pred, index, "y_pred")
    if len(true) != len(predicted):
        raise ValueError(f"y_true has {len(true)} labels, y_pred has {len(predicted)}; they must be paired")
    return grouped_confusion(np.zeros(len(true), int), true, predicted, len(labels))[0]


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, and 0 where the whole is 0.

    >>> ratio(np.array([1, 0]), np.array([2, 0])).tolist()
    [0.5, 0.0]
    """
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)


def class_counts(cm) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return correct, true and predicted clips of every class, (..., C) each, of confusion matrices (..., C, C)."""
    cm = np.asarray(cm)
    return np.diagonal(cm, axis1=-2, axis2=-1), cm.sum(axis=-1), cm.sum(axis=-2)


def from_confusion(cm) -> dict[str, np.ndarray]:
    """Return every metric of `METRICS` for confusion matrices (..., C, C), as arrays of the leading shape.

    `hm_f1` is the harmonic mean of macro-precision and UAR: STSTNet (FG 2019) and IcedDoggie's code print it as "F1".
    `f1_present` is the mean F1 of the classes that occur in labels or predictions, the others being left out: so do the
    function `recognition_evaluation` that goes from STSTNet to HTNet, SKD-TSTSAN and CausalNet, and MMNet and MEMix.

    >>> scores = from_confusion([[219, 22, 9], [40, 62, 7], [21, 3, 59]])  # STSTNet, Table IV
    >>> round(float(scores["uf1"]), 4), round(float(scores["uar"]), 4), round(float(scores["hm_f1"]), 4)
    (0.7353, 0.7186, 0.7389)
    """
    hits, true, predicted = class_counts(cm)
    f1 = ratio(2 * hits, true + predicted)
    total = true.sum(axis=-1)
    precision, recall = ratio(hits, predicted).mean(axis=-1), ratio(hits, true).mean(axis=-1)
    return {
        "acc": ratio(hits.sum(axis=-1), total),
        "uf1": f1.mean(axis=-1),
        "uar": recall,
        "weighted_f1": ratio((true * f1).sum(axis=-1), total),
        "macro_precision": precision,
        "hm_f1": ratio(2 * precision * recall, precision + recall),
        "f1_present": ratio(f1.sum(axis=-1), (true + predicted > 0).sum(axis=-1)),
    }


def accuracy(y_true, y_pred, classes: int | Sequence) -> float:
    """Fraction of correct clips (WAR).

    >>> accuracy([0, 0, 1, 2], [0, 1, 1, 2], 3)
    0.75
    """
    return float(from_confusion(confusion_matrix(y_true, y_pred, classes))["acc"])


def uf1(y_true, y_pred, classes: int | Sequence) -> float:
    """Unweighted F1: the mean over classes of 2 TP / (2 TP + FP + FN) (macro F1).

    >>> round(uf1([0, 0, 1, 2], [0, 1, 1, 2], 3), 4)
    0.7778
    """
    return float(from_confusion(confusion_matrix(y_true, y_pred, classes))["uf1"])


def uar(y_true, y_pred, classes: int | Sequence) -> float:
    """Unweighted average recall over all C classes; a class without clips has recall 0.

    >>> round(uar([0, 0, 1, 2], [0, 1, 1, 2], 3), 4)
    0.8333
    >>> uar([0, 1], [0, 1], 4)
    0.5
    """
    return float(from_confusion(confusion_matrix(y_true, y_pred, classes))["uar"])


def weighted_f1(y_true, y_pred, classes: int | Sequence) -> float:
    """F1 of the classes, weighted by their number of clips. Some papers print it as "F1".

    >>> round(weighted_f1([0, 0, 1, 2], [0, 1, 1, 2], 3), 4)
    0.75
    """
    return float(from_confusion(confusion_matrix(y_true, y_pred, classes))["weighted_f1"])


def macro_precision(y_true, y_pred, classes: int | Sequence) -> float:
    """Mean precision over all C classes. STSTNet (FG 2019) prints it as "UAR".

    >>> round(macro_precision([0, 0, 1, 2], [0, 1, 1, 2], 3), 4)
    0.8333
    """
    return float(from_confusion(confusion_matrix(y_true, y_pred, classes))["macro_precision"])
