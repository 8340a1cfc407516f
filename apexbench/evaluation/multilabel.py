"""Scores where a clip may have several classes, as with action units.

A label is a whole number whose bit a is set if class a is there; the score p_a is the probability of class a, which is
predicted if it is above one half. Counts are (..., A, 2, 2): for each class, rows are its absence and presence in the
label, columns those in the prediction. They are pooled over all folds before anything is scored.
"""

import numpy as np

from apexbench.evaluation.metrics import ratio

METRICS = ("au_f1", "au_macro_f1")


def presence(labels, classes: int) -> np.ndarray:
    """Return labels (...) as absence and presence, 0 or 1, (..., A).

    >>> presence([5, 0], 3).tolist()
    [[1, 0, 1], [0, 0, 0]]
    """
    return np.asarray(labels, dtype=np.int64)[..., None] >> np.arange(classes) & 1


def bitmask(present) -> np.ndarray:
    """Inverse of `presence`: (..., A) of truth values to (...) whole numbers.

    >>> bitmask([[True, False, True]]).tolist()
    [5]
    """
    present = np.asarray(present)
    return present @ (1 << np.arange(present.shape[-1]))


def grouped_counts(groups, label, predicted, classes: int, size: int | None = None) -> np.ndarray:
    """Return the counts (G, A, 2, 2) of each group; groups are ints from 0, labels and predictions bit masks."""
    groups = np.asarray(groups, dtype=np.int64)
    size = int(groups.max()) + 1 if size is None else size
    cells = 2 * presence(label, classes) + presence(predicted, classes)
    flat = (groups[:, None] * classes + np.arange(classes)) * 4 + cells
    return np.bincount(flat.ravel(), minlength=size * classes * 4).reshape(size, classes, 2, 2)


def f1_of_presence(counts) -> np.ndarray:
    """F1 of the presence of every class, (..., A); 0 for a class that never occurs, nor is predicted."""
    counts = np.asarray(counts, dtype=float)
    hits, wrong = counts[..., 1, 1], counts[..., 0, 1] + counts[..., 1, 0]
    return ratio(2 * hits, 2 * hits + wrong)


def mean_f1(counts) -> np.ndarray:
    """Mean over the classes of the F1 of presence, (...)."""
    return f1_of_presence(counts).mean(axis=-1)


def from_counts(counts) -> dict[str, np.ndarray]:
    """Return the scores of `METRICS` for counts (..., A, 2, 2).

    `au_f1` is the mean over the classes of the F1 of presence (binary F1); `au_macro_f1` of the mean of the F1s of
    presence and of absence. meb (arXiv 2211.11425) reports both.

    >>> scores = from_counts([[[6, 2], [1, 1]], [[9, 0], [0, 1]]])
    >>> round(float(scores["au_f1"]), 4), round(float(scores["au_macro_f1"]), 4)
    (0.7, 0.8)
    """
    counts = np.asarray(counts, dtype=float)
    present, absent = mean_f1(counts), mean_f1(counts[..., ::-1, ::-1])
    return {"au_f1": present, "au_macro_f1": (present + absent) / 2}


def correct_share(counts) -> np.ndarray:
    """Share of right decisions over all clips and classes, (...): what selection by accuracy looks at."""
    counts = np.asarray(counts, dtype=float)
    right = counts[..., 0, 0] + counts[..., 1, 1]
    return ratio(right.sum(axis=-1), counts.sum(axis=(-1, -2, -3)))
