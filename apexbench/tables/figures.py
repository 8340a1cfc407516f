"""Figures of the report. Equal input gives equal bytes; colours are safe for the colour-blind."""

import json
import math
import os
from collections.abc import Iterable, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from apexbench.store import atomic
from apexbench.tables.render import fraction

STYLE = {
    "svg.hashsalt": "apexbench",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
}
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")


def _save(figure: Figure, path: str | os.PathLike) -> None:
    with atomic(path) as part:
        metadata = {"Date": None} if part.suffix == ".svg" else {"Software": None}
        figure.savefig(part, metadata=metadata, bbox_inches="tight", dpi=150)


def _panels(count: int, per_row: int, size: tuple[float, float], title: str):
    """Return a figure and `count` axes in rows, the rest of the last row left blank."""
    columns = min(count, per_row) or 1
    rows = math.ceil(count / columns) or 1
    figure = Figure(figsize=(size[0] * columns, size[1] * rows + 0.5), layout="compressed")
    figure.suptitle(title, fontsize=11, fontweight="bold")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in axes[count:]:
        unused.axis("off")
    return figure, axes[:count]


def confusion_figure(scores: pd.DataFrame, classes: Sequence[str], path: str | os.PathLike, title: str) -> None:
    """Draw the confusion matrix of every run of one protocol under the rule `last`: row fractions, with counts."""
    with matplotlib.rc_context(STYLE):
        honest = scores[scores["rule"] == "last"]
        side = 1.1 + 0.42 * len(classes)
        figure, panels = _panels(len(honest), 4, (side, side), title)
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
        _save(figure, path)


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
        _save(figure, path)


def flow_figure(onset: np.ndarray, apex: np.ndarray, flow: np.ndarray, path: str | os.PathLike, title: str) -> None:
    """Draw onset, apex, the flow as arrows over its magnitude, and the strain.

    onset, apex: (H, W) gray or (H, W, 3) RGB, uint8. flow: (H, W, 3) u, v in px, and strain.
    """
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels(4, 4, (2.7, 2.7), title)
        for panel, image, name in zip(panels, (onset, apex), ("onset", "apex"), strict=False):
            panel.imshow(image, cmap="gray", vmin=0, vmax=255)
            panel.set_title(name)
        height, width = flow.shape[:2]
        size = np.hypot(flow[..., 0], flow[..., 1])
        for panel, values, cmap, name in (
            (panels[2], size, "viridis", "flow (px)"),
            (panels[3], flow[..., 2], "magma", "optical strain"),
        ):
            # One wild pixel must not darken the rest.
            top = max(float(np.quantile(values, 0.995)), 1e-6)
            bar = figure.colorbar(panel.imshow(values, cmap=cmap, vmin=0, vmax=top), ax=panel, shrink=0.75, pad=0.03)
            bar.outline.set_visible(False)
            panel.set_title(name)
        step = max(height, width) / 14
        y, x = np.meshgrid(
            *(np.arange(step / 2, length, step).astype(int) for length in (height, width)), indexing="ij"
        )
        longest = max(float(np.quantile(size, 0.995)), 1e-6)
        y, x = (part[size[y, x] > longest / 8] for part in (y, x))
        arrows = {"angles": "xy", "scale_units": "xy", "scale": longest / (1.4 * step), "width": 0.009}
        panels[2].quiver(
            x, y, flow[y, x, 0], flow[y, x, 1], color="white", edgecolor="#1c2733", linewidth=0.4, **arrows
        )
        for panel in panels:
            panel.axis("off")
        _save(figure, path)


def sheet_figure(crops: Iterable[tuple[str, np.ndarray]], path: str | os.PathLike, title: str) -> None:
    """Draw a contact sheet of (label, image): gray (H, W) or RGB (H, W, 3), uint8, eight in a row."""
    with matplotlib.rc_context(STYLE):
        crops = list(crops)
        figure, panels = _panels(len(crops), 8, (1.3, 1.5), title)
        for panel, (label, image) in zip(panels, crops, strict=True):
            panel.imshow(image, cmap="gray", vmin=0, vmax=255)
            panel.set_title(label, fontsize=7)
            panel.axis("off")
        _save(figure, path)
