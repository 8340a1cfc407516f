"""Tests between runs: paired on one protocol, by ranks across protocols (Demšar, JMLR 2006).

Clips of one subject are not independent, so the test of a score swaps whole subjects; McNemar's test takes clips as
independent and is optimistic. Several seeds of a run are never pooled: a score is the mean over its seeds.

With three or four protocols the tests across protocols have next to no power: prefer the difference on each protocol,
with its interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import pandas as pd

from apexbench.evaluation.intervals import RESAMPLES, cluster_intervals, strata_of, subject_counts, weighted_scores
from apexbench.evaluation.selection import CLIP, predicted
from apexbench.evaluation.tasks import Task

EXACT = 14  # with up to so many subjects all 2^S swaps are tried
COLUMNS = [
    "run", "reference", "score", "value", "reference_value", "difference", "low", "high", "p_permutation", "p_holm",
    "only_run", "only_reference", "p_mcnemar", "p_mcnemar_holm", "clips", "subjects", "seeds", "note",
]  # fmt: skip
Frames = Sequence[pd.DataFrame]


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Return p-values adjusted by Holm's step-down procedure; a missing one (nan) is not part of the family.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(p_values), np.nan)
    there = np.flatnonzero(~np.isnan(p_values))
    order = there[p_values[there].argsort(kind="stable")]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test from the clips that only one of the two has right.

    >>> mcnemar_p(1, 5)
    0.21875
    """
    discordant = only_first + only_second
    tail = sum(comb(discordant, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**discordant)  # both tails of a fair coin are alike


def mcnemar_counts(first: pd.DataFrame, second: pd.DataFrame, multilabel: bool = False) -> tuple[int, int]:
    """Return how many clips only the first has right, and how many only the second; one row per clip each.

    Raises ValueError if they are not the same clips with the same labels.
    """
    one, other = (frame.set_index(CLIP).sort_index() for frame in (first, second))
    if not one.index.equals(other.index) or not one["label"].equals(other["label"]):
        raise ValueError("a paired test needs the same clips with the same labels on both sides")
    one, other = (predicted(frame, multilabel) == frame["label"].to_numpy() for frame in (one, other))
    return int((one & ~other).sum()), int((other & ~one).sum())


@dataclass(frozen=True)
class Pair:
    """Counts of two runs for the same seeds and subjects, (K, S, ...) each."""

    first: np.ndarray
    second: np.ndarray
    task: Task
    strata: np.ndarray

    def mixed(self, score: str, swaps: np.ndarray) -> np.ndarray:
        """Return the differences of a score where the subjects with a 1 in `swaps` (B, S) are swapped, (B,)."""
        both = np.concatenate([self.first, self.second], axis=1)
        strata = np.tile(self.strata, 2)
        kept = 1 - swaps
        one = weighted_scores(both, self.task, strata, np.concatenate([kept, swaps], axis=1))
        other = weighted_scores(both, self.task, strata, np.concatenate([swaps, kept], axis=1))
        return one[score] - other[score]

    def weighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return the differences of all scores of weighted subjects, (B,) each."""
        one, other = (weighted_scores(side, self.task, self.strata, weights) for side in (self.first, self.second))
        return {name: one[name] - other[name] for name in one}

    def permutation_p(self, score: str, seed: int, permutations: int) -> float:
        """Return the two-sided p-value of a difference of pooled scores, predictions of whole subjects being swapped.

        Subjects that both count alike change nothing. If at most `EXACT` others are left all their swaps are tried,
        else `permutations` are drawn and p = (b + 1) / (m + 1).
        """
        differing = self.first != self.second
        free = np.flatnonzero(differing.any(axis=(0, *range(2, differing.ndim))))
        exact = len(free) <= EXACT
        if exact:
            drawn = np.arange(2 ** len(free))[:, None] >> np.arange(len(free)) & 1
        else:
            drawn = np.random.default_rng(seed).integers(2, size=(permutations, len(free)), dtype=np.int8)
        swaps = np.zeros((len(drawn), self.first.shape[1]), dtype=np.int8)
        swaps[:, free] = drawn
        observed = abs(self.mixed(score, np.zeros((1, len(self.strata)), dtype=np.int8))[0])
        extreme = int((np.abs(self.mixed(score, swaps)) >= observed - 1e-12).sum())
        return extreme / len(swaps) if exact else (extreme + 1) / (len(swaps) + 1)


def pair_of(first: Frames, second: Frames, parts: Sequence[Sequence[str]], multilabel: bool) -> Pair:
    one, subjects, task = subject_counts(first, multilabel)
    other, theirs, _ = subject_counts(second, multilabel)
    seeds = max(len(one), len(other))
    one, other = (np.repeat(side, seeds, axis=0) if len(side) == 1 else side for side in (one, other))
    if one.shape != other.shape or not subjects.equals(theirs):
        raise ValueError("a paired test needs the same seeds and subjects on both sides")
    return Pair(one, other, task, strata_of(subjects, parts))


def compare_runs(
    chosen: Mapping[str, Frames],
    reference: str | None = None,
    score: str | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    parts: Sequence[Sequence[str]] = (),
    multilabel: bool = False,
) -> pd.DataFrame:
    """Compare every run of one protocol with a reference run (columns `COLUMNS`), best first.

    Parameters
    ----------
    chosen : {run: chosen predictions under an honest rule, one frame per seed, one row per clip}.
    reference : a run; by default the one with the highest score, among those with the most clips. That choice looks at
        the scores, which the tests do not account for: they answer "is it behind the best?", not "is the best the
        best?".
    score : any pooled score; UF1 by default.
    parts : groups of data sets that are scored apart and averaged; none: all clips are pooled.

    `low`, `high` are the 95 % interval of the difference, the same subjects being drawn for both. McNemar's test is
    that of the first seed; `only_run` and `only_reference` are the clips that one of the two alone has right. `p_holm`
    (of the permutations) and `p_mcnemar_holm` are adjusted over the rows. A run of one seed, for which nothing is
    random, stands against every seed of the other. A run with other clips or seeds than the reference is not compared,
    and says so in `note`.
    """
    values = {}
    for run, frames in chosen.items():
        counts, subjects, task = subject_counts(frames, multilabel)
        score = score or task.main
        values[run] = weighted_scores(counts, task, strata_of(subjects, parts), np.ones((1, len(subjects))))[score][0]
    order = sorted(values, key=lambda run: -values[run])
    if reference is None and order:
        most = max(len(frames[0]) for frames in chosen.values())
        reference = next(run for run in order if len(chosen[run][0]) == most)
    rows = []
    for run in order:
        if run == reference:
            continue
        row = {"run": run, "reference": reference, "score": score, "value": values[run], "note": ""}
        row["reference_value"] = values[reference]
        row["difference"] = values[run] - values[reference]
        try:
            row["only_run"], row["only_reference"] = mcnemar_counts(chosen[run][0], chosen[reference][0], multilabel)
            pair = pair_of(chosen[run], chosen[reference], parts, multilabel)
        except ValueError:
            rows.append(row | {"note": "other clips or seeds than the reference: not compared"})
            continue
        row["low"], row["high"] = cluster_intervals(pair.weighted, pair.strata, seed, resamples)[score]
        row["p_permutation"] = pair.permutation_p(score, seed, resamples)
        row["p_mcnemar"] = mcnemar_p(row["only_run"], row["only_reference"])
        row["seeds"], row["subjects"] = pair.first.shape[:2]
        rows.append(row | {"clips": len(chosen[run][0])})
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["p_holm"], frame["p_mcnemar_holm"] = holm(frame["p_permutation"]), holm(frame["p_mcnemar"])
    counts = ["only_run", "only_reference", "clips", "subjects", "seeds"]
    numbers = [name for name in COLUMNS if name not in ("run", "reference", "score", "note", *counts)]
    return frame.astype({**dict.fromkeys(counts, "Int64"), **dict.fromkeys(numbers, float)})


@dataclass(frozen=True)
class Ranking:
    """Runs ranked on every protocol, 1 being the best, and what Demšar (2006) makes of it.

    mean_ranks : run -> mean rank, best first.
    statistic, p : Friedman's test in the form of Iman and Davenport (F); nan with less than two protocols or runs.
    critical_difference : of Nemenyi's test: mean ranks that are closer do not differ.
    holm : run, z, p, p_holm of each run against the one with the best mean rank.
    protocols, left_out : what was ranked on; runs that lack a score there.
    """

    mean_ranks: pd.Series
    statistic: float
    p: float
    critical_difference: float
    holm: pd.DataFrame
    protocols: tuple[str, ...]
    left_out: tuple[str, ...]


def critical_difference(runs: int, protocols: int) -> float:
    """Return Nemenyi's critical difference of mean ranks, at the level .05.

    >>> round(critical_difference(4, 14), 2)  # Demšar (2006), section 3.2.4
    1.25
    """
    from scipy import stats

    quantile = stats.studentized_range.ppf(0.95, runs, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(runs * (runs + 1) / (6 * protocols)))


def rank_runs(scores: pd.DataFrame) -> Ranking:
    """Rank runs across protocols.

    Parameters
    ----------
    scores : protocols in rows, runs in columns, higher is better. Equal scores share the mean of their ranks. Protocols
        without any score are left out, and then runs that lack one.
    """
    from scipy import stats

    scores = scores.dropna(how="all")
    whole = scores.dropna(axis="columns")
    ranks = whole.round(12).rank(axis="columns", ascending=False)
    mean_ranks = ranks.mean().sort_values(kind="stable")
    protocols, runs = ranks.shape
    statistic = p = difference = np.nan
    table = pd.DataFrame(columns=["run", "z", "p", "p_holm"])
    if protocols >= 2 and runs >= 2:
        chi_square = 12 * protocols / (runs * (runs + 1)) * ((mean_ranks**2).sum() - runs * (runs + 1) ** 2 / 4)
        room = protocols * (runs - 1) - chi_square
        statistic = (protocols - 1) * chi_square / room if room > 1e-9 else np.inf
        p = float(stats.f.sf(statistic, runs - 1, (runs - 1) * (protocols - 1)))
        difference = critical_difference(runs, protocols)
        best, others = mean_ranks.iloc[0], mean_ranks.iloc[1:]
        z = (others - best) / np.sqrt(runs * (runs + 1) / (6 * protocols))
        p_values = 2 * stats.norm.sf(z.abs())
        table = pd.DataFrame({"run": others.index, "z": z.to_numpy(), "p": p_values, "p_holm": holm(p_values)})
    left_out = tuple(name for name in scores.columns if name not in whole.columns)
    return Ranking(mean_ranks, float(statistic), p, difference, table, tuple(map(str, ranks.index)), left_out)
