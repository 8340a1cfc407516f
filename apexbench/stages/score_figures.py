"""Scores and predictions -> the figures of one protocol: confusion matrices, learning curves, null model."""

from collections.abc import Mapping, Sequence

import pandas as pd

from apexbench.evaluation.null_model import null_curves
from apexbench.evaluation.scores import learning_curves, read_scores
from apexbench.figures.scores import confusion_figure, curves_figure, null_figure
from apexbench.protocols import read_protocol


def protocol_figures(
    *,
    runs: Mapping[str, Sequence[str]],
    titles: Mapping[str, str],
    by_epoch: Sequence[str],
    scores: str,
    protocol: str,
    classes: Sequence[str],
    title: str,
    confusion: str,
    curves: str,
    null: str,
) -> None:
    """Draw the confusion matrices (rule `last`) of some runs, their learning curves, and what the null model scores.

    Parameters
    ----------
    runs : {run: predictions files}. titles : {run: what figures call it}.
    by_epoch : the runs, of all protocols, whose learning curves may be drawn, each in a colour of its own.
    """
    whole = read_scores(scores)
    whole = whole[(whole["slice"] == "") & whole["run"].isin(runs)]
    confusion_figure(whole, classes, titles, confusion, f"Confusion matrices: {title}")
    found = [learning_curves(runs[run]) for run in by_epoch if runs[run]] or [pd.DataFrame(columns=["run", "epoch"])]
    named = {run: titles[run] for run in by_epoch}
    curves_figure(pd.concat(found), named, curves, f"Learning curves: {title}")
    table = read_protocol(protocol)
    null_figure(null_curves(table["fold"], table["label"], len(classes)), null, f"Null model: {title}")
