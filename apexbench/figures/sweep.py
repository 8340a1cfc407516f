"""Scores over a hyper-parameter."""

import os

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from apexbench.figures.style import BESIDE, INK, OKABE_ITO, QUIET, STYLE, WIDTH, head, save


def sweep_figure(points: pd.DataFrame, path: str | os.PathLike, title: str, axis: str, score: str, leaks: bool) -> None:
    """Draw scores over a hyper-parameter: printed, ours as published, ours honest with intervals; nan is left out.

    points : columns x, published, as_published, honest, ci_low, ci_high, and null, what the null model scores as
        published with as many epochs.
    axis, score : names of the axes.
    leaks : whether the scores as published do.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
        head(figure, title)
        axes = figure.subplots()
        mark = " (leaks)" if leaks else ""
        lines = {
            "published": ("published", {"color": INK, "ls": "--", "marker": "s"}),
            "as_published": (f"as-published{mark}", {"color": OKABE_ITO[1], "ls": "-", "marker": "^"}),
        }
        for column, (label, style) in lines.items():
            part = points.dropna(subset=column)
            if len(part):
                axes.plot(part["x"], part[column], lw=1.6, ms=5, label=label, gid=column, **style)
        honest = points.dropna(subset="honest")
        if len(honest):
            colour = OKABE_ITO[0]
            ends = (honest["honest"] - honest["ci_low"], honest["ci_high"] - honest["honest"])
            axes.errorbar(
                honest["x"], honest["honest"], yerr=ends, color=colour, lw=1.6, marker="o", ms=5, capsize=3,
                elinewidth=1, label="honest, 95 % interval",
            )  # fmt: skip
        if len(null := points.dropna(subset="null")):
            axes.plot(null["x"], null["null"], color=QUIET, lw=1.6, ls=":", label=f"null model{mark}", gid="null")
        axes.set(xlabel=axis, ylabel=score, ylim=(0, 1))
        axes.set_xticks(sorted(set(points["x"])))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(axis="y")
        axes.legend(**BESIDE)
        save(figure, path)
