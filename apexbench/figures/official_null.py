"""What a method that learns nothing scores on MEGC2019 by the number of epochs, beside the printed scores.

Left, curves by selection rule. Right, on the same scale, the printed numbers by the epoch that the released code takes;
a line joins the two numbers of one network that was scored both ways.
"""

import os
from collections.abc import Sequence

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from apexbench.evaluation.official_null import (
    BEST,
    LAST,
    SPOKEN,
    UNKNOWN,
    WHOLE,
    below,
    null_at,
    paper_run,
)
from apexbench.figures.style import INK, OKABE_ITO, QUIET, STYLE, save
from apexbench.numbers import digits, fraction

RED, BLUE, GREY, HERE = OKABE_ITO[1], OKABE_ITO[0], "#8593a1", OKABE_ITO[2]
COLOURS = {LAST: INK, BEST: RED, UNKNOWN: GREY}
_RULES = {
    "fold-oracle": ("best test epoch of each subject", RED, "-"),
    "global-oracle": ("best test epoch, one for all", BLUE, "-"),
    "last": ("last epoch: the honest rule", INK, "-"),
}
_ALSO = {"meb-early-stopping": ", by MEB", "ststnet-torch": ", PyTorch"}  # tables that run another's method anew


def spread_out(values: Sequence[float], gap: float) -> list[float]:
    """Return places for labels near their values, in the same order, at least `gap` apart.

    >>> spread_out([0.1, 0.1, 0.5], 0.2)
    [0.0, 0.2, 0.5]
    """
    groups: list[list[float]] = []  # [sum of wanted first places, labels], each a run of labels that touch
    order = sorted(range(len(values)), key=lambda place: values[place])
    for place in order:
        groups.append([values[place], 1])
        while len(groups) > 1:
            (low, few), (high, more) = groups[-2:]
            if low / few + few * gap <= high / more + 1e-12:
                break
            groups[-2:] = [[low + high - more * few * gap, few + more]]
    placed = [total / count + gap * number for total, count in groups for number in range(count)]
    out = [0.0] * len(values)
    for place, value in zip(order, placed, strict=True):
        out[place] = round(value, 9)
    return out


def official_null_figure(
    curves: pd.DataFrame,
    printed: pd.DataFrame,
    measured: pd.DataFrame,
    parts: dict[str, str],
    path: str | os.PathLike,
) -> None:
    """Draw the composite, large, and its parts, small.

    Parameters
    ----------
    curves : of `official_curves`.
    printed : of `printed_scores`.
    measured : of `read_measured`; the run at paper budget stands among the printed numbers.
    parts : {slice: its title}, the whole first.
    path : as of `save`.
    """
    with matplotlib.rc_context(STYLE | {"font.size": 8.5, "axes.edgecolor": QUIET, "xtick.color": QUIET}):
        figure = Figure(figsize=(8.65, 7.7))
        sides = {"left": 0.06, "right": 0.995, "top": 0.82, "bottom": 0.06}
        outer = figure.add_gridspec(2, 1, height_ratios=(1.85, 1), hspace=0.5, **sides)
        _headline(figure, curves, printed)
        main = outer[0].subgridspec(1, 2, width_ratios=(1, 1.72), wspace=0.02)
        axes = figure.add_subplot(main[0])
        _curves(axes, curves, WHOLE, (0.27, 0.9))
        _label_curves(axes, curves)
        _named(figure.add_subplot(main[1], sharey=axes), curves, printed, measured)
        figure.text(0.008, 0.334, "Its three parts, each scored for itself", fontsize=10, fontweight="bold", color=INK)
        small = outer[1].subgridspec(1, len(parts) - 1, wspace=0.16)
        first = None
        for place, (part, title) in enumerate(list(parts.items())[1:]):
            pair = small[place].subgridspec(1, 2, width_ratios=(1.25, 1), wspace=0.03)
            axes = figure.add_subplot(pair[0], sharey=first)
            first = first or axes
            _curves(axes, curves, part, (0.15, 1.0), small=True)
            if place:
                axes.tick_params(labelleft=False)
                axes.set_ylabel("")
            axes.set_title(title, loc="left", fontsize=8.5, fontweight="normal", color=INK, pad=5)
            _unnamed(figure.add_subplot(pair[1], sharey=axes), curves, printed, part)
        save(figure, path)


def _headline(figure, curves, printed) -> None:
    number, every = below(curves, printed, SPOKEN[0])
    figure.text(
        0.008, 0.985, f"A method that learns nothing scores UF1 {fraction(null_at(curves, SPOKEN[0]))} on MEGC2019",
        fontsize=14, fontweight="bold", color=INK, va="top",
    )  # fmt: skip
    figure.text(
        0.008, 0.945,
        f"It guesses at random after each of {SPOKEN[0]} epochs. All it takes is a rule that keeps the best test epoch "
        f"of each subject:\nthat lifts it above {number} of {every} published scores. After its last epoch it scores "
        f"{fraction(null_at(curves, SPOKEN[0], rule='last'))}.",
        fontsize=9, color=QUIET, va="top", linespacing=1.35,
    )  # fmt: skip


def _curves(axes, curves, part, limits, small=False) -> None:
    """Draw the three rules, with a band of one standard deviation, and mark the epochs that are spoken of."""
    for rule, (_, colour, style) in _RULES.items():
        some = curves[(curves["part"] == part) & (curves["rule"] == rule)]
        axes.fill_between(some["epochs"], some["uf1_low"], some["uf1_high"], color=colour, alpha=0.14, lw=0)
        axes.plot(some["epochs"], some["uf1"], color=colour, ls=style, lw=1.4 if small else 2.0)
    for epochs in SPOKEN[:1] if small else SPOKEN:
        value = null_at(curves, epochs, part)
        axes.plot(
            [epochs], [value], "o", ms=4.5 if small else 6, color=RED, mec="white", mew=0.9, zorder=5, clip_on=False
        )
        if small:
            axes.annotate(
                fraction(value), (epochs, value), (-3, 5), textcoords="offset points", ha="right", color=RED,
                fontweight="bold", fontsize=8.5,
            )  # fmt: skip
    axes.set_xscale("log")
    ticks = [1, 10, 100] if small else [1, 10, 100, 500]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set(xlim=(1, 500), ylim=limits)
    axes.set_xlabel("epochs to choose from", color=QUIET, fontsize=8 if small else 8.5, labelpad=2)
    axes.set_ylabel("UF1", color=QUIET, labelpad=2)
    ticks = [tick / 10 for tick in range(2, 10 + small) if limits[0] <= tick / 10 <= limits[1]]
    axes.set_yticks(ticks, [fraction(tick, 1) for tick in ticks], color=QUIET)
    axes.grid(axis="y", color="#e8edf2", lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)


def _label_curves(axes, curves) -> None:
    axes.text(
        16, null_at(curves, 10) + 0.005, "best test epoch\nof each subject:\nwhat most code keeps", color=RED,
        fontweight="bold", fontsize=9, va="top", linespacing=1.25,
    )  # fmt: skip
    axes.text(7.5, 0.405, "best test epoch, one for all", color=BLUE, fontweight="bold", fontsize=9, va="bottom")
    axes.text(7.5, 0.303, "last epoch", color=INK, fontweight="bold", fontsize=9, va="top")
    for epochs, shift in zip(SPOKEN, ((-8, 5), (-8, 6)), strict=True):
        value = null_at(curves, epochs)
        axes.annotate(
            f"{epochs} epochs: {fraction(value)}", (epochs, value), shift, textcoords="offset points", ha="right",
            color=RED, fontweight="bold", fontsize=9.5,
        )  # fmt: skip


def _floor(axes, value: float) -> None:
    """Tint what lies below the null model."""
    axes.axhspan(0, value, color=RED, alpha=0.055, lw=0)
    axes.axhline(value, color=RED, lw=1.1, ls=(0, (4, 2)))
    axes.tick_params(left=False, labelleft=False, bottom=False)
    axes.spines[:].set_visible(False)


def _dots(axes, x, scores, selects, size) -> None:
    hollow, colour = selects == UNKNOWN, COLOURS[selects]
    axes.plot(
        [x] * len(scores), scores, marker="o", ms=size, mfc="white" if hollow else colour,
        mec=colour if hollow else "white", mew=1.4 if hollow else 0.7, ls="", zorder=4,
    )  # fmt: skip


def _named(axes, curves, printed, measured) -> None:
    """Draw the printed numbers of the whole composite, each with its name."""
    _floor(axes, null_at(curves, SPOKEN[0]))
    axes.set_xlim(0, 1.08)
    axes.set_xticks([])
    columns = {LAST: (0.37, -1), BEST: (0.47, 1), UNKNOWN: (0.8, 1)}
    heads = {
        LAST: "last epoch\n(or there is none)",
        BEST: "best test epoch\nof each subject",
        UNKNOWN: "not known\nwhich",
    }
    some = printed[printed["part"] == WHOLE].assign(here=False)
    axes.set_title(
        "Published scores, by the epoch that the released code takes",
        fontsize=9.5,
        fontweight="bold",
        color=INK,
        pad=30,
    )
    axes.text(
        0.025, 0.44, f"Below the dashed line: no better than {SPOKEN[0]} epochs of guessing\n"
        "of which the best test epoch of each subject is kept", color=RED, fontsize=9, va="center", linespacing=1.3,
    )  # fmt: skip
    run = paper_run(measured)
    if run is not None:
        ours = [
            {"uf1": run["uf1_last"], "selects": LAST, "title": "STSTNet, run here"},
            {"uf1": run["uf1_best_test_epoch"], "selects": BEST, "title": "the same run"},
        ]
        ours = [one | {"printed": f"{one['uf1']:.3f}", "method": "", "table": "", "here": True} for one in ours]
        axes.plot([0.04], [0.375], marker="D", ms=6, color=HERE, mec="white", mew=0.7)
        axes.text(
            0.065, 0.375, f"STSTNet as run here on given flow maps: {run['epochs']:.0f} epochs, {run['seeds']} seeds",
            color=HERE, fontsize=8.5, va="center",
        )  # fmt: skip
        some = pd.concat([some, pd.DataFrame(ours)], ignore_index=True)
    for _, pair in some.groupby(["table", "method"]):
        if set(pair["selects"]) == {LAST, BEST} and len(pair) == 2:
            ends = pair.set_index("selects")["uf1"]
            colour = HERE if pair["here"].all() else GREY
            axes.plot([columns[LAST][0], columns[BEST][0]], [ends[LAST], ends[BEST]], color=colour, lw=1.2, zorder=3)
    for selects, (x, side) in columns.items():
        part = some[some["selects"] == selects].sort_values("uf1")
        _dots(axes, x, part.loc[~part["here"], "uf1"], selects, 6)
        for value in part.loc[part["here"], "uf1"]:
            axes.plot([x], [value], marker="D", ms=6.5, color=HERE, mec="white", mew=0.7, zorder=5)
        for line, y in zip(part.itertuples(), spread_out(part["uf1"].tolist(), 0.0245), strict=True):
            score = fraction(line.uf1, digits(line.uf1, line.printed))
            name = f"{line.title}{_ALSO.get(line.table, '')} {score}"
            worked = line.here or (line.table == "ststnet-paper" and line.method == "ststnet")
            axes.annotate(
                name, (x + 0.012 * side, line.uf1), (x + 0.035 * side, y), va="center",
                ha="right" if side < 0 else "left", fontsize=8, fontweight="bold" if worked else "normal",
                color=HERE if line.here else INK, zorder=6,
                bbox={"fc": "white", "ec": "none", "pad": 0.2, "alpha": 0.8},
                arrowprops={"arrowstyle": "-", "color": "#b9c3cd", "lw": 0.6, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
        align = "right" if side < 0 else "left"
        axes.text(
            x - 0.015 * side, 0.905, heads[selects], ha=align, ma=align, va="bottom", fontsize=8.5, fontweight="bold",
            color=COLOURS[selects] if selects != UNKNOWN else QUIET, linespacing=1.2,
        )  # fmt: skip


def _unnamed(axes, curves, printed, part) -> None:
    """Draw the printed numbers of a part; the highest is named."""
    _floor(axes, null_at(curves, SPOKEN[0], part))
    axes.set_xlim(0, 1)
    some = printed[printed["part"] == part]
    places = {LAST: 0.2, BEST: 0.5, UNKNOWN: 0.8}
    for selects, x in places.items():
        _dots(axes, x, some.loc[some["selects"] == selects, "uf1"], selects, 4.6)
    axes.set_xticks(list(places.values()), ["last", "best", "?"], fontsize=8)
    for tick, selects in zip(axes.get_xticklabels(), places, strict=True):
        tick.set_color(COLOURS[selects])
    number, every = below(curves, printed, SPOKEN[0], part)
    axes.set_title(f"above {number} of {every}", fontsize=8.5, fontweight="normal", color=RED, loc="center", pad=5)
