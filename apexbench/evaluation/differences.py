"""What differs between the scores of two studies, and whether it is more than other seeds would make."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

BEYOND, WITHIN, UNKNOWN = "beyond seed noise", "within seed noise", "seed noise unknown"


@dataclass(frozen=True)
class Difference:
    """One score that differs: its two values, and how that compares with the noise of seeds."""

    score: str
    first: float
    second: float
    noise: str

    def __str__(self) -> str:
        return f"{self.score} {self.first:.4f} -> {self.second:.4f}, {self.noise}"


def differences(first: Mapping, second: Mapping, scores: Iterable[str]) -> Iterator[Difference]:
    """Yield the scores that differ between two rows of scores.

    Both rows have, beside each score, its standard deviation over seeds `<score>_sd`, and the number of `seeds`.
    Beyond seed noise: Welch's t-test of the means over seeds has p < .05. With a single seed on either side its noise
    is not known.
    """
    for score in scores:
        values = [_number(row[score]) for row in (first, second)]
        if values[0] == values[1] or all(map(math.isnan, values)):
            continue
        yield Difference(score, *values, _noise(first, second, score))


def _noise(first: Mapping, second: Mapping, score: str) -> str:
    means, deviations, seeds = zip(
        *[(_number(row[score]), _number(row.get(f"{score}_sd")), _number(row.get("seeds"))) for row in (first, second)],
        strict=True,
    )
    if any(map(math.isnan, (*means, *deviations, *seeds))) or min(seeds) < 2:
        return UNKNOWN
    if not any(deviations):
        return BEYOND  # every seed has the same score, on either side another
    from scipy.stats import ttest_ind_from_stats  # takes half a second, and only studies of several seeds need it

    test = ttest_ind_from_stats(means[0], deviations[0], seeds[0], means[1], deviations[1], seeds[1], equal_var=False)
    return BEYOND if test.pvalue < 0.05 else WITHIN


def _number(value) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
