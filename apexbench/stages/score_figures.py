"""Scores -> the figures of one protocol: confusion matrices, learning curves, null model."""

from collections.abc import Mapping, Sequence

from apexbench.evaluation.null_model import null_curves
from apexbench.evaluation.score_files import read_curves, read_scores
from apexbench.figures.scores import confusion_figure, curves_figure, null_figure
from apexbench.protocols import read_protocol


def protocol_figures(
    *,
    titles: Mapping[str, str],
    by_epoch: Sequence[str],
    scores: str,
    by_epoch_scores: str,
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
    titles : {run: what figures call it}, of the runs that are drawn.
    by_epoch : the runs, of all protocols, whose learning curves may be drawn, each in a colour of its own.
    scores, by_epoch_scores : CSV files of scores and of learning curves.
    """
    whole = read_scores(scores)
    whole = whole[(whole["slice"] == "") & whole["run"].isin(titles)]
    confusion_figure(whole, classes, titles, confusion, f"Confusion matrices: {title}")
    named = {run: titles[run] for run in by_epoch}
    curves_figure(read_curves(by_epoch_scores), named, curves, f"Learning curves: {title}")
    table = read_protocol(protocol)
    null_figure(null_curves(table["fold"], table["label"], len(classes)), null, f"Null model: {title}")
