"""Scores of the runs of a protocol: confusion matrices, learning curves, and what the null model scores."""

import json
import os
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from apexbench.figures.style import (
    BESIDE,
    DASHES,
    INK,
    OKABE_ITO,
    QUIET,
    STYLE,
    WIDTH,
    below,
    head,
    line_style,
    panel_figure,
    save,
    wrapped,
)
from apexbench.numbers import fraction

_PER_ROW, _SIDE = 4, 1.3  # confusion matrices, and inches of one: the rest is names of classes
_RULES = {
    "last": ("last epoch: the honest rule", INK),
    "global-oracle": ("best epoch of all folds together (leaks)", OKABE_ITO[0]),
    "fold-oracle": ("best epoch of each test fold (leaks)", OKABE_ITO[1]),
}
LEAKS = "Diagnostic only: looks at the test subjects at every epoch"


def confusion_figure(
    scores: pd.DataFrame, classes: Sequence[str], titles: Mapping[str, str], path: str | os.PathLike, title: str
) -> None:
    """Draw the confusion matrix of every run of one protocol under the rule `last`: row fractions, with counts.

    scores : as `evaluation.score_files` has them. titles : {run: what the figure calls it}.
    """
    with matplotlib.rc_context(STYLE):
        save(confusion_panels(scores[scores["rule"] == "last"], classes, titles, title), path)


def confusion_panels(rows: pd.DataFrame, classes: Sequence[str], titles: Mapping[str, str], title: str) -> Figure:
    """Return the figure of a matrix for each row of scores that has one; the head names the others."""
    without, rows = rows[rows["confusion"].isna()], rows.dropna(subset="confusion")
    for status, some in without.groupby("status", sort=False):
        title = below(title, f"{str(status).capitalize()}: {'; '.join(titles.get(run, run) for run in some['run'])}")
    heads = [wrapped(titles.get(row.run, row.run), _SIDE) for row in rows.itertuples()]
    tallest = max((text.count("\n") for text in heads), default=0)
    last_row = max(len(rows) - 1, 0) // _PER_ROW
    # so high that the width decides how large a panel is: heads above each, the names of the classes below the last
    height = _SIDE + 0.16 * (tallest + 2) + 0.15 + 1.2 / (last_row + 1)
    figure, panels = panel_figure(len(rows), _PER_ROW, (WIDTH / min(_PER_ROW, len(rows) or 1), height), title)
    image, ticks = None, range(len(classes))
    for number, (panel, row, text) in enumerate(zip(panels, rows.itertuples(), heads, strict=True)):
        counts = np.array(json.loads(row.confusion))
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (y, x), count in np.ndenumerate(counts):
            panel.text(x, y, count, ha="center", va="center", color="white" if shares[y, x] > 0.55 else INK)
        panel.set_title(f"{text}\nUF1 {fraction(row.uf1)}")
        panel.set_xticks(ticks, [""] * len(classes))
        panel.set_yticks(ticks, classes if number % _PER_ROW == 0 else [""] * len(classes))
        panel.set_ylabel("true class" if number % _PER_ROW == 0 else "")
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
    for number, panel in list(enumerate(panels))[-_PER_ROW:]:
        if number // _PER_ROW == last_row:
            panel.set_xticks(ticks, classes, rotation=90)
            panel.set_xlabel("predicted class")
            continue
        for tick, name in zip(ticks, classes, strict=True):  # no panel is below: the names hang into what is left blank
            panel.text(tick, len(classes) - 0.4, name, rotation=90, ha="center", va="top").set_in_layout(False)
    if image is not None:
        bar = figure.colorbar(image, ax=panels.tolist(), fraction=0.03, shrink=1 / (1 + 0.4 * last_row), pad=0.02)
        bar.set_label("share of the true class")
        bar.outline.set_visible(False)
    return figure


def curves_figure(curves: pd.DataFrame, titles: Mapping[str, str], path: str | os.PathLike, title: str) -> None:
    """Draw pooled UF1 over the share of a run's own epochs, a line for each run that has epochs.

    curves : columns run, epoch, uf1. titles : {run: what the figure calls it}, of all runs of the study that may be
    drawn, so that a run has the same colour under every protocol.
    """
    with matplotlib.rc_context(STYLE):
        save(curves_diagram(curves, titles, title), path)


def curves_diagram(curves: pd.DataFrame, titles: Mapping[str, str], title: str) -> Figure:
    """Return the figure of learning curves."""
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    head(figure, title, LEAKS)
    axes = figure.subplots()
    drawn = {run: part for run, part in curves.groupby("run", sort=False) if run in titles and len(part) > 1}
    for number, run in enumerate(titles):
        if run in drawn:
            part, last = drawn[run], int(drawn[run]["epoch"].max())
            label = wrapped(f"{titles[run]}, {last} epochs", 2.7, 8)
            axes.plot(100 * part["epoch"] / last, part["uf1"], lw=1.5, label=label, gid=run, **line_style(number))
    axes.set(xlabel="share of each run's own epochs (%)", ylabel="pooled UF1", ylim=(0, 1), xlim=(0, 100))
    axes.grid(axis="y")
    if drawn:
        axes.legend(**BESIDE)
    else:
        axes.text(50, 0.5, "no run of this protocol has epochs", ha="center", va="center", color=QUIET)
    return figure


def null_figure(curves: pd.DataFrame, path: str | os.PathLike, title: str, metric: str = "uf1") -> None:
    """Draw what a model that learns nothing scores by the number of epochs, one line per selection rule.

    curves : columns rule (last, global-oracle, fold-oracle), epochs, `metric`; with `metric`_low and `metric`_high a
        band is drawn between them.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
        head(figure, title, "No learning at all: random labels, the epoch chosen as the rule says")
        axes = figure.subplots()
        for number, (rule, part) in enumerate(curves.groupby("rule", sort=False)):
            part = part.sort_values("epochs")
            label, colour = _RULES[rule]
            style = {"color": colour, "ls": DASHES[number % len(DASHES)], "label": wrapped(label, 1.6, 8)}
            axes.plot(part["epochs"], part[metric], lw=1.8, marker="o", ms=3.5, **style)
            if {f"{metric}_low", f"{metric}_high"} <= set(part.columns):
                axes.fill_between(
                    part["epochs"], part[f"{metric}_low"], part[f"{metric}_high"], color=colour, alpha=0.15, lw=0
                )
        ticks = sorted(set(curves["epochs"]))
        axes.set_xscale("log")
        axes.set_xticks(ticks, ticks)
        axes.minorticks_off()
        axes.set(xlabel="epochs to choose from", ylabel=f"pooled {metric.upper()}", ylim=(0, 1))
        axes.grid(axis="y")
        axes.legend(**BESIDE)
        save(figure, path)
