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
    scores: str,
    protocol: str,
    classes: Sequence[str],
    title: str,
    confusion: str,
    curves: str,
    null: str,
) -> None:
    """Draw the confusion matrices (rule `last`) of some runs, their learning curves, and what the null model scores."""
    whole = read_scores(scores)
    whole = whole[(whole["slice"] == "") & whole["run"].isin(runs)]
    confusion_figure(whole, classes, confusion, title)
    curves_figure(pd.concat([learning_curves(paths) for paths in runs.values() if paths]), curves, title)
    table = read_protocol(protocol)
    null_figure(null_curves(table["fold"], table["label"], len(classes)), null, title)
