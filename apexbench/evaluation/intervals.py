"""Confidence intervals: bootstrap over subjects, as clips of one subject are not independent.

It is the percentile interval. Draws of subjects often lack a rare class, so their macro scores lie a little below the
score itself. BCa (Efron 1987) moves the interval back, and then misses UF1 about as often on either side (24 subjects:
4.3 and 4.1 %, percentile 2.9 and 5.2 %). But in simulations with MEGC2019's subjects, unequally skilled, it never
covered more often: UF1 93.8 % against 94.1 % with 68 subjects, 91.6 % against 92.0 % with 24, both about 87 % with 8.
With few subjects take the interval for too narrow.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from apexbench.evaluation.conventions import score_columns
from apexbench.evaluation.tasks import Task, task_of

RESAMPLES = 10_000
# from weights of the subjects, (B, S), to scores, (B,) each
Statistic = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def subject_counts(frames: Sequence[pd.DataFrame], multilabel: bool = False) -> tuple[np.ndarray, pd.MultiIndex, Task]:
    """Return the counts of every seed and subject, (K, S, ...), the subjects (dataset, subject), and the task.

    frames : chosen predictions, one row per clip, one frame per seed.
    """
    task = task_of(frames[0], multilabel)
    keys = [pd.MultiIndex.from_frame(frame[["dataset", "subject"]]) for frame in frames]
    subjects = keys[0].append(keys[1:]).unique().sort_values()
    counts = []
    for frame, key in zip(frames, keys, strict=True):
        decided = task.decide(frame[score_columns(frame)].to_numpy())
        counts.append(task.count(subjects.get_indexer(key), frame["label"], decided, size=len(subjects)))
    return np.stack(counts), subjects, task


def weighted_scores(counts: np.ndarray, task: Task, strata: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return {score: (B,)} of weighted subjects: pooled, then averaged over seeds and strata.

    Parameters
    ----------
    counts : (K, S, ...) of `subject_counts`.
    strata : number of the part that each subject belongs to (S,); parts are scored apart and averaged.
    weights : (B, S), how often each subject counts.
    """
    scores = []
    for part in np.unique(strata):
        inside = strata == part
        flat = counts[:, inside].reshape(len(counts), inside.sum(), -1).astype(float)
        pooled = (weights[:, inside].astype(float) @ flat).reshape(len(counts), len(weights), *counts.shape[2:])
        scores.append({name: values.mean(axis=0) for name, values in task.pooled(pooled).items()})
    return {name: np.mean([part[name] for part in scores], axis=0) for name in scores[0]}


@lru_cache(maxsize=8)
def _draws(sizes: tuple[int, ...], resamples: int, seed: int) -> list[np.ndarray]:
    """How often each subject of each stratum is drawn, (B, S) each; runs of one protocol share them."""
    rng = np.random.default_rng(seed)
    return [rng.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.int16) for size in sizes]


def draw_subjects(strata: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Draw subjects with replacement within each stratum: how often each counts, (B, S)."""
    weights = np.empty((resamples, len(strata)), dtype=np.int16)
    parts = [strata == part for part in np.unique(strata)]
    for inside, draws in zip(parts, _draws(tuple(int(p.sum()) for p in parts), resamples, seed), strict=True):
        weights[:, inside] = draws
    return weights


def cluster_intervals(
    statistic: Statistic,
    strata: np.ndarray,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Return {score: (low, high)} of a statistic of weighted subjects.

    Parameters
    ----------
    strata : part of each subject (S,); subjects are drawn within their part.

    Where no part has two subjects there is nothing to draw: the interval is (nan, nan). Where every draw scores the
    same, the interval is that score.
    """
    strata = np.asarray(strata)
    subjects = len(strata)
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if len(np.unique(strata)) == subjects:
        return dict.fromkeys(statistic(np.ones((1, subjects))), (np.nan, np.nan))
    draws = statistic(draw_subjects(strata, resamples, seed))
    return {name: tuple(np.quantile(values, tails).tolist()) for name, values in draws.items()}


def strata_of(subjects: pd.MultiIndex, parts: Iterable[Iterable[str]] = ()) -> np.ndarray:
    """Return the part of each subject (S,): all in one, or by the data sets that each part names."""
    names = subjects.get_level_values("dataset")
    strata = np.zeros(len(subjects), dtype=int)
    for number, datasets in enumerate(parts):
        strata[names.isin(list(datasets))] = number
    return strata


def subject_intervals(
    frames: pd.DataFrame | Sequence[pd.DataFrame],
    seed: int,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    parts: Iterable[Iterable[str]] = (),
    multilabel: bool = False,
) -> dict[str, tuple[float, float]]:
    """Return {score: (low, high)}, the interval of each pooled score.

    Parameters
    ----------
    frames : chosen predictions, one row per clip; several frames are seeds, whose scores are averaged in every draw.
    seed : of the resampling; equal input and seed give equal intervals.
    parts : groups of data sets that are scored apart and averaged; none: all clips are pooled.

    Subjects (dataset, subject) are drawn with replacement and their counts pooled, so a draw may lack a class, which
    then scores 0.
    """
    frames = [frames] if isinstance(frames, pd.DataFrame) else frames
    counts, subjects, task = subject_counts(frames, multilabel)
    strata = strata_of(subjects, parts)

    def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
        return weighted_scores(counts, task, strata, weights)

    return cluster_intervals(statistic, strata, seed, resamples, level)
