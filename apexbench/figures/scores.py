"""Scores of the runs of a protocol: confusion matrices, learning curves, and what the null model scores."""

import json
import os
from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from apexbench.figures.style import DASHES, INK, OKABE_ITO, STYLE, panel_figure, save
from apexbench.numbers import fraction


def confusion_figure(scores: pd.DataFrame, classes: Sequence[str], path: str | os.PathLike, title: str) -> None:
    """Draw the confusion matrix of every run of one protocol under the rule `last`: row fractions, with counts."""
    with matplotlib.rc_context(STYLE):
        honest = scores[scores["rule"] == "last"]
        side = 1.1 + 0.42 * len(classes)
        figure, panels = panel_figure(len(honest), 4, (side, side), title)
        image = None
        for number, (panel, row) in enumerate(zip(panels, honest.itertuples(), strict=True)):
            if pd.isna(row.confusion):
                panel.text(0.5, 0.5, row.status, ha="center", va="center", transform=panel.transAxes)
                panel.set(title=row.run, xticks=[], yticks=[])
                continue
            counts = np.array(json.loads(row.confusion))
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            for (y, x), count in np.ndenumerate(counts):
                panel.text(x, y, count, ha="center", va="center", color="white" if shares[y, x] > 0.55 else "#1c2733")
            panel.set_title(f"{row.run}\nUF1 {fraction(row.uf1)}")
            ticks = range(len(classes))
            panel.set_xticks(ticks, classes, rotation=90)
            panel.set_yticks(ticks, classes if number % 4 == 0 else [""] * len(classes))
            panel.set_ylabel("true class" if number % 4 == 0 else "")
            panel.set_xlabel("predicted class" if number + 4 >= len(honest) else "")
            panel.tick_params(length=0)
            panel.spines[:].set_visible(False)
        if image is not None:
            bar = figure.colorbar(image, ax=panels.tolist(), shrink=0.6, aspect=25, pad=0.02)
            bar.set_label("share of the true class")
            bar.outline.set_visible(False)
        save(figure, path)


def curves_figure(curves: pd.DataFrame, path: str | os.PathLike, title: str) -> None:
    """Draw pooled UF1 by epoch, one line per run; a method without epochs is a level line."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 4), layout="constrained")
        axes = figure.subplots()
        for number, (run, part) in enumerate(curves.groupby("run", sort=False)):
            colour = OKABE_ITO[number % len(OKABE_ITO)]
            if len(part) == 1:
                axes.axhline(part["uf1"].iloc[0], color=colour, lw=1.2, ls=":", label=f"{run} (one shot)")
            else:
                axes.plot(part["epoch"], part["uf1"], color=colour, lw=1.6, ls=DASHES[number % 3], label=run)
        epochs = max(int(curves["epoch"].max()), 2)
        axes.set(xlabel="epoch", ylabel="pooled UF1", ylim=(0, 1), xlim=(1, epochs))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", color="#e3e8ee", lw=0.8)
        figure.suptitle(title, fontsize=11, fontweight="bold")
        axes.set_title("Diagnostic only: looks at the test subjects at every epoch", color="#a8480a", fontsize=9)
        figure.legend(loc="outside right center", frameon=False)
        save(figure, path)


def null_figure(curves: pd.DataFrame, path: str | os.PathLike, title: str, metric: str = "uf1") -> None:
    """Draw what a model that learns nothing scores by the number of epochs, one line per selection rule.

    curves : columns rule, leaking, epochs, `metric`; with `metric`_low and `metric`_high a band is drawn between them.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 4.2), layout="constrained")
        axes = figure.subplots()
        for number, (rule, part) in enumerate(curves.groupby("rule", sort=False)):
            part = part.sort_values("epochs")
            leaks = part["leaking"].iloc[0]
            colour, label = (OKABE_ITO[number % (len(OKABE_ITO) - 1)], f"{rule} (leaks)") if leaks else (INK, rule)
            style = DASHES[number % len(DASHES)]
            axes.plot(part["epochs"], part[metric], color=colour, lw=1.8, ls=style, marker="o", ms=3.5, label=label)
            if {f"{metric}_low", f"{metric}_high"} <= set(part.columns):
                axes.fill_between(
                    part["epochs"], part[f"{metric}_low"], part[f"{metric}_high"], color=colour, alpha=0.15, lw=0
                )
        ticks = sorted(set(curves["epochs"]))
        axes.set_xscale("log")
        axes.set_xticks(ticks, ticks)
        axes.minorticks_off()
        axes.set(xlabel="epochs to choose from", ylabel=f"pooled {metric.upper()}", ylim=(0, 1))
        axes.grid(axis="y", color="#e3e8ee", lw=0.8)
        figure.suptitle(title, fontsize=11, fontweight="bold")
        axes.set_title(
            "No learning at all: random labels, the epoch chosen as the rule says", color="#a8480a", fontsize=9
        )
        figure.legend(loc="outside right center", frameon=False)
        save(figure, path)
