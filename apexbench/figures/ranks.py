"""Mean ranks of runs over protocols, with the critical difference."""

import math
import os
import textwrap
from collections.abc import Iterable, Mapping

import matplotlib
from matplotlib.figure import Figure

from apexbench.figures.style import INK, OKABE_ITO, QUIET, STYLE, WIDTH, head, save


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


def rank_diagram(ranks: Mapping[str, float], cd: float, title: str, note: str = "") -> Figure:
    """Ranks on a line from 1 to the number of methods; the better half is named on the left, the rest on the right."""
    named = sorted(ranks.items(), key=lambda item: item[1])
    count, half = len(named), math.ceil(len(named) / 2)
    groups = rank_groups(ranks.values(), cd)
    step, base = 0.34, 0.26 * len(groups) + 0.42  # of the names, and of the first name below the line
    height = base + step * half
    figure = Figure(figsize=(WIDTH, 1.1 + 0.8 * height), layout="constrained")
    head(figure, title)
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
        figure.supxlabel(textwrap.fill(note, int(13.5 * WIDTH)), fontsize=8, color=QUIET)
    return figure


def critical_difference_figure(
    ranks: Mapping[str, float], cd: float, path: str | os.PathLike, title: str, note: str = ""
) -> None:
    """Draw mean ranks, {method: rank}, after Demsar (2006): a bar joins methods that differ by less than `cd`.

    cd : Nemenyi's critical difference; nan where there are too few protocols for one.
    note : a line below, such as what other tests say.
    """
    with matplotlib.rc_context(STYLE):
        save(rank_diagram(ranks, cd, title, note), path)
