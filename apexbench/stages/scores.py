"""Predictions -> the scores of every run of a protocol, and the comparisons between runs."""

from collections.abc import Mapping, Sequence

from apexbench.config.protocols import ProtocolCard
from apexbench.evaluation.scores import compare_predictions, score_runs, write_scores
from apexbench.protocols import read_protocol


def score_protocol(
    *,
    runs: Mapping[str, Sequence[str]],
    inner: Mapping[str, Sequence[str]],
    skipped: Mapping[str, str],
    compared: Sequence[str],
    card: Mapping,
    protocol: str,
    seed: int,
    scores: str,
    comparisons: str,
) -> None:
    """Score all runs of a protocol and the null model, and compare runs with the best of them by honest predictions.

    A run that misses a clip of the protocol's table is marked partial.

    Parameters
    ----------
    runs, inner : {run: predictions files}, {run: files of inner predictions}; a run may have none.
    skipped : {run: why it was not run}.
    compared : the runs to compare.
    card, protocol : the protocol's card, and its table as CSV.
    scores, comparisons : CSV files to write.
    """
    card = ProtocolCard(**card)
    write_scores(score_runs(runs, card, read_protocol(protocol), inner, seed, skipped), scores)
    write_scores(compare_predictions({run: runs[run] for run in compared}, card, seed), comparisons)
