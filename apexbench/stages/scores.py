"""Predictions -> the scores of every run of a protocol, their learning curves, and the comparisons between runs."""

from collections.abc import Mapping, Sequence

import pandas as pd

from apexbench.config.protocols import ProtocolCard
from apexbench.evaluation.score_files import CURVE, write_scores
from apexbench.evaluation.scores import compare_predictions, learning_curves, score_runs
from apexbench.protocols import read_protocol


def score_protocol(
    *,
    runs: Mapping[str, Sequence[str]],
    inner: Mapping[str, Sequence[str]],
    skipped: Mapping[str, str],
    compared: Mapping[str, Sequence[str]],
    card: Mapping,
    protocol: str,
    seed: int,
    scores: str,
    comparisons: str,
    by_epoch: Sequence[str] = (),
    curves: str | None = None,
) -> None:
    """Score all runs of a protocol and the null model, and compare runs by honest predictions.

    A run that misses a clip of the protocol's table is marked partial.

    Parameters
    ----------
    runs, inner : {run: predictions files}, {run: files of inner predictions}; a run may have none.
    skipped : {run: why it was not run}.
    compared : {table: the runs to compare for it, with the first of them}; of "" with the best.
    card, protocol : the protocol's card, and its table as CSV.
    scores, comparisons, curves : CSV files to write; the last has a learning curve of each run in `by_epoch`.
    """
    card = ProtocolCard(**card)
    write_scores(score_runs(runs, card, read_protocol(protocol), inner, seed, skipped), scores)
    found = []
    for table, names in compared.items():
        reference = names[0] if table else None
        if reference is None or runs[reference]:
            paths = {run: runs[run] for run in names}
            found.append(compare_predictions(paths, card, seed, reference).assign(table=table))
    write_scores(pd.concat([frame for frame in found if len(frame)] or found), comparisons)
    if curves:
        drawn = [learning_curves(runs[run]) for run in by_epoch if runs[run]]
        write_scores(pd.concat(drawn or [pd.DataFrame(columns=CURVE)]), curves)
