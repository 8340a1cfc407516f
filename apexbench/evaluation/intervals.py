"""Confidence intervals: bootstrap over subjects, as clips of one subject are not independent."""

import numpy as np
import pandas as pd

from apexbench.evaluation.metrics import from_confusion
from apexbench.evaluation.selection import confusions


def subject_intervals(
    frame: pd.DataFrame, seed: int, resamples: int = 10_000, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Return {metric: (low, high)}, the percentile interval of each pooled metric.

    Parameters
    ----------
    frame : predictions, one row per clip (what a selection rule returns).
    seed : of the resampling; equal input and seed give equal intervals.

    Subjects (dataset, subject) are drawn with replacement and their counts pooled, so a draw may lack a class, which
    then scores 0. With a single subject there is nothing to draw: the interval is (nan, nan).
    """
    _, cms = confusions(frame, ["dataset", "subject"])
    subjects, classes = cms.shape[:2]
    draws = np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), size=resamples)
    pooled = (draws.astype(float) @ cms.reshape(subjects, -1).astype(float)).reshape(resamples, classes, classes)
    tails = (1 - level) / 2, (1 + level) / 2
    return {
        metric: tuple(np.quantile(values, tails).tolist()) if subjects > 1 else (np.nan, np.nan)
        for metric, values in from_confusion(pooled).items()
    }
