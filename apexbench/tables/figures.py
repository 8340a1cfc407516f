"""Figures of the report. Equal input gives equal bytes; colours are safe for the colour-blind."""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from apexbench.store import atomic
from apexbench.tables.numbers import fraction

STYLE = {
    "svg.hashsalt": "apexbench",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
}
INK, QUIET = "#1c2733", "#5b6b7b"
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


def rank_groups(ranks: Iterable[float], cd: float) -> list[tuple[float, float]]:
    """Return the (lowest, highest) rank of every largest group of methods whose ranks differ by less than `cd`.

    A group of one is none, and a group within another is left out.

    >>> rank_groups([1.0, 1.5, 3.0, 3.4], cd=2.0)
    [(1.0, 1.5), (1.5, 3.4)]
    """
    ranks = sorted(ranks)
    groups: list[tuple[float, float]] = []
    for low in ranks:
        high = max((rank for rank in ranks if rank - low < cd), default=low)
        if high > low and (not groups or high > groups[-1][1]):
            groups.append((low, high))
    return groups


def _rank_diagram(ranks: Mapping[str, float], cd: float, title: str, note: str = "") -> Figure:
    """Ranks on a line from 1 to the number of methods; the better half is named on the left, the rest on the right."""
    named = sorted(ranks.items(), key=lambda item: item[1])
    count, half = len(named), math.ceil(len(named) / 2)
    groups = rank_groups(ranks.values(), cd)
    step, base = 0.34, 0.26 * len(groups) + 0.42  # of the names, and of the first name below the line
    height = base + step * half
    figure = Figure(figsize=(8, 1.5 + 0.8 * height), layout="constrained")
    figure.suptitle(title, fontsize=11, fontweight="bold")
    axes = figure.subplots()
    span = max(count - 1, 1)
    edge = 0.04 * span
    axes.set(xlim=(1 - 0.55 * span, count + 0.55 * span), ylim=(-height, 1.35))
    axes.axis("off")
    line = {"color": INK, "clip_on": False, "solid_capstyle": "butt"}
    axes.plot([1, count], [0, 0], lw=1.4, gid="axis", **line)
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [0, 0.16], lw=1.2, **line)
        axes.text(rank, 0.24, rank, ha="center", va="bottom", color=INK)
    if math.isnan(cd):
        axes.text(1, 0.98, "no critical difference: too few protocols", ha="left", va="bottom", color=QUIET)
    else:
        width = min(cd, count - 1)
        axes.plot([1, 1 + width], [0.86, 0.86], lw=1.4, gid="cd", **line)
        for x in (1, 1 + width):
            axes.plot([x, x], [0.78, 0.94], lw=1.4, **line)
        longer = " (longer than the axis)" if cd > width else ""
        axes.text(1 + width / 2, 0.98, f"critical difference {cd:.2f}{longer}", ha="center", va="bottom", color=INK)
    for number, (low, high) in enumerate(groups, 1):
        axes.plot([low, high], [-0.26 * number] * 2, lw=4, gid="group", color=OKABE_ITO[0], solid_capstyle="round")
    for place, (name, rank) in enumerate(named):
        left = place < half
        y = -(base + step * (place if left else count - 1 - place))
        x = 1 - edge if left else count + edge
        axes.plot([rank, rank, x], [0, y, y], lw=0.9, gid=f"method {name}", **(line | {"color": QUIET}))
        text, side = (f"{name}  {rank:.2f}", "right") if left else (f"{rank:.2f}  {name}", "left")
        axes.text(x + (-0.02 if left else 0.02) * span, y, text, ha=side, va="center", color=INK)
    axes.text(count + edge, 0, "mean rank, 1 is best", ha="left", va="center", color=QUIET)
    if note:
        figure.supxlabel(note, fontsize=8.5, color=QUIET)
    return figure


def critical_difference_figure(
    ranks: Mapping[str, float], cd: float, path: str | os.PathLike, title: str, note: str = ""
) -> None:
    """Draw mean ranks, {method: rank}, after Demsar (2006): a bar joins methods that differ by less than `cd`.

    cd : Nemenyi's critical difference; nan where there are too few protocols for one.
    note : a line below, such as what other tests say.
    """
    with matplotlib.rc_context(STYLE):
        _save(_rank_diagram(ranks, cd, title, note), path)


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
        _save(figure, path)


def sweep_figure(
    points: pd.DataFrame, null: float, path: str | os.PathLike, title: str, axis: str, score: str, leaks: bool
) -> None:
    """Draw scores over a hyper-parameter: printed, ours as published, ours honest with intervals; nan is left out.

    points : columns x, published, as_published, honest, ci_low, ci_high.
    null : what the null model scores as published; nan if unknown.
    axis, score : names of the axes.
    leaks : whether the scores as published do.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 4), layout="constrained")
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
        if not math.isnan(null):
            axes.axhline(null, color=OKABE_ITO[1], lw=1.4, ls=":", label=f"null model{mark}", gid="null")
        axes.set(xlabel=axis, ylabel=score, ylim=(0, 1))
        axes.set_xticks(sorted(set(points["x"])))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(axis="y", color="#e3e8ee", lw=0.8)
        figure.suptitle(title, fontsize=11, fontweight="bold")
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


def mixing_figure(clips: Sequence[Mapping], path: str | os.PathLike, title: str) -> None:
    """Draw what is mixed and where the model looks, one row for each clip.

    clips : mappings of name; onset, (H, W, 3) RGB uint8 or None; flow and blend, (H, W) sizes of the normalised flow
        before and after mixing; mixed, (H, W) whether a pixel changed; attention, (g, g).
    """
    with matplotlib.rc_context(STYLE):
        shown = [key for key in ("onset", "flow", "mixed", "blend", "attention") if clips[0][key] is not None]
        heads = {"onset": "onset", "flow": "flow", "mixed": "mixed where bright", "blend": "mixed flow"}
        heads["attention"] = "attention, unmixed clip"
        figure, panels = _panels(len(clips) * len(shown), len(shown), (1.9, 1.9), title)
        for number, panel in enumerate(panels):
            clip, key = clips[number // len(shown)], shown[number % len(shown)]
            top = max(float(np.quantile([clip["flow"], clip["blend"]], 0.995)), 1e-6)
            if key in ("flow", "mixed", "blend"):
                panel.imshow(clip["blend" if key == "blend" else "flow"], cmap="viridis", vmin=0, vmax=top)
            else:
                panel.imshow(clip[key], cmap="magma" if key == "attention" else None)
            if key == "mixed":
                kept = np.ma.masked_where(clip["mixed"], np.zeros(clip["mixed"].shape))
                panel.imshow(kept, cmap="gray", vmin=0, vmax=1, alpha=0.75)
            if number < len(shown):
                panel.set_title(heads[key])
            if key == shown[0]:
                panel.set_ylabel(clip["name"], fontsize=7)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        _save(figure, path)


def sheet_figure(crops: Iterable[tuple[str, np.ndarray]], path: str | os.PathLike, title: str) -> None:
    """Draw a contact sheet of (label, image): gray (H, W), (H, W, 1) or RGB, uint8, all as large, eight in a row."""
    with matplotlib.rc_context(STYLE):
        labels, images = zip(*crops, strict=True)
        columns = min(8, len(images))
        rows = math.ceil(len(images) / columns)
        height, width = images[0].shape[:2]
        down, across = height + height // 6, width + width // 24  # room for a label, and a gap
        sheet = np.full((rows * down, columns * across, 3), 255, np.uint8)
        figure = Figure(figsize=(1.3 * columns, 1.5 * rows + 0.5), layout="constrained")
        axes = figure.subplots()
        for number, (label, image) in enumerate(zip(labels, images, strict=True)):
            y, x = number // columns * down + down - height, number % columns * across
            sheet[y : y + height, x : x + width] = image.reshape(height, width, -1)
            axes.text(x + width / 2, y - height / 30, label, fontsize=7, ha="center", va="bottom")
        axes.imshow(sheet)  # one picture: forty axes take eight times as long
        axes.axis("off")
        figure.suptitle(title, fontsize=11, fontweight="bold")
        _save(figure, path)
