"""A published table -> the figure of its rows over the number in their names."""

from collections.abc import Mapping

from apexbench.config.tables import Table
from apexbench.evaluation.selection import LEAKING
from apexbench.figures.sweep import sweep_figure
from apexbench.numbers import PRINTED
from apexbench.tables.curve import read_curve


def curve_figure(*, table: str, name: str, card: Mapping, title: str, printed: bool, output: str) -> None:
    """Draw a published table, as CSV, over the number in its rows' names; `name` and `card` are the table's.

    printed : whether the printed numbers are drawn, which are of real clips.
    """
    card = Table(**card)
    points, column = read_curve(table, name, card)
    if not printed:
        points["published"] = float("nan")
    score = PRINTED.get(column.metric, column.metric)
    sweep_figure(points, output, title, card.curve, score, column.rule in LEAKING)
