"""Two systems on the clips that both have: by clip, and by subject."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from apexbench.errors import InputError
from apexbench.evaluation.comparisons import mcnemar_p, pair_of
from apexbench.evaluation.intervals import RESAMPLES, cluster_intervals
from apexbench.numbers import chance, fraction
from apexbench.score.numbers import MAIN, all_scores
from apexbench.score.predictions import KEY, Predictions, decided

LEVEL = 0.05


def _named(predictions: Predictions) -> None:
    if not {"subject", "clip"} <= predictions.has:
        lacks = ", ".join(sorted({"subject", "clip"} - predictions.has))
        raise InputError(f"{predictions.name}: no {lacks} of each row, so that it cannot be paired; score it alone")


def compare(
    first: tuple[Predictions, pd.DataFrame], second: tuple[Predictions, pd.DataFrame], names: Sequence[str] = (),
    score: str = "uf1", seed: int = 0, resamples: int = RESAMPLES,
) -> dict:  # fmt: skip
    """Compare two systems, each with the rows that count; InputError if they cannot be paired.

    The same subjects are drawn for both. Each keeps its own labels; how many differ is said. McNemar's test takes clips
    for independent, the permutation swaps whole subjects.
    """
    sides = []
    (one, _), (other, _) = first, second
    names = tuple(names) or (one.name, other.name)
    for predictions, frame in (first, second):
        _named(predictions)
        frame = frame.assign(clip=frame["clip"].str.lower(), dataset=frame["dataset"].str.removesuffix("-flow"))
        twice = frame[frame.duplicated(KEY)]
        if len(twice):
            row = twice.iloc[0]
            raise InputError(
                f"{predictions.name}: {' '.join(filter(None, row[KEY]))} stands twice; a pair needs each clip once"
            )
        sides.append(frame.set_index(KEY, drop=False).rename_axis(index=lambda name: f"_{name}"))
    common = sides[0].index.intersection(sides[1].index)
    if not len(common):
        raise InputError(f"{one.name} and {other.name} have no clip in common (data set, subject and clip)")
    if [name.lower() for name in one.classes] != [name.lower() for name in other.classes] and not (
        len(one.classes) == len(other.classes) and (_numbers(one) or _numbers(other))
    ):
        raise InputError(
            f"{one.name} has the classes {', '.join(one.classes)}, {other.name} {', '.join(other.classes)}; give both "
            f"the same, in one order, with --classes"
        )
    a, b = (side.loc[common].reset_index(drop=True) for side in sides)
    rights = [decided(side) == side["label"].to_numpy() for side in (a, b)]
    only = int((rights[0] & ~rights[1]).sum()), int((rights[1] & ~rights[0]).sum())
    pair, size = pair_of([a], [b], (), False), len(one.classes)
    values = [all_scores(side, size, False) for side in (a, b)]
    ends = cluster_intervals(pair.weighted, pair.strata, seed, resamples)
    result = {
        "first": names[0], "second": names[1], "score": score, "clips": len(common), "subjects": pair.first.shape[1],
        "only_in_first": len(sides[0]) - len(common), "only_in_second": len(sides[1]) - len(common),
        "labels_differ": int((a["label"].to_numpy() != b["label"].to_numpy()).sum()),
        "values": {name: [side[name] for side in values] for name in MAIN},
        "difference": {name: values[0][name] - values[1][name] for name in MAIN},
        "interval": {name: list(ends[name]) for name in MAIN},
        "p_permutation": pair.permutation_p(score, seed, resamples),
        "only_first_right": only[0], "only_second_right": only[1], "p_mcnemar": mcnemar_p(*only),
    }  # fmt: skip
    return result | {"words": words(result)}


def _numbers(predictions: Predictions) -> bool:
    return all(name.isdecimal() for name in predictions.classes)


def words(result: dict) -> str:
    """Say what a comparison shows, in two sentences.

    >>> base = {"first": "a", "second": "b", "score": "uf1", "difference": {"uf1": 0.09}, "p_mcnemar": 0.005}
    >>> words(base | {"interval": {"uf1": [0.01, 0.17]}, "p_permutation": 0.057, "subjects": 68})
    'a is ahead of b by .090 in UF1. By clip the difference is significant (p = .005), by subject it is not \
(p = .057): clips of one subject are not independent, so the test by subject counts.'
    """
    score = result["score"]
    gap = result["difference"][score]
    ahead, behind = (result["first"], result["second"]) if gap >= 0 else (result["second"], result["first"])
    start = f"{ahead} is ahead of {behind} by {fraction(abs(gap))} in {score.upper()}."
    if gap == 0:
        start = f"{ahead} and {behind} score the same {score.upper()}."
    clip, subject = result["p_mcnemar"], result["p_permutation"]
    p = [f"p {'' if text.startswith('<') else '= '}{text}" for text in (chance(clip), chance(subject))]
    if np.isnan(result["interval"][score][0]):
        return f"{start} There is one subject: nothing can be said of others."
    if (clip < LEVEL) == (subject < LEVEL):
        says = "both by clip" if clip < LEVEL else "neither by clip"
        joint = "and by subject" if clip < LEVEL else "nor by subject"
        return f"{start} The difference is significant {says} ({p[0]}) {joint} ({p[1]})."
    if clip < LEVEL:
        return (
            f"{start} By clip the difference is significant ({p[0]}), by subject it is not ({p[1]}): clips of one "
            f"subject are not independent, so the test by subject counts."
        )
    return f"{start} By subject the difference is significant ({p[1]}), by clip, of accuracy, it is not ({p[0]})."
