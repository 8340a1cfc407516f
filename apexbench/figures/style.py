"""What the figures of the report share. Equal input gives equal bytes; colours are safe for the colour-blind."""

import math
import os

from matplotlib.figure import Figure

from apexbench.store import atomic

STYLE = {
    "svg.hashsalt": "apexbench",
    "text.parse_math": False,  # titles and names of folders may hold a $
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
}
INK, QUIET = "#1c2733", "#5b6b7b"
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")


def save(figure: Figure, path: str | os.PathLike) -> None:
    with atomic(path) as part:
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(part.suffix, {"Software": None})
        figure.savefig(part, metadata=metadata, bbox_inches="tight", dpi=150)


def panel_figure(count: int, per_row: int, size: tuple[float, float], title: str):
    """Return a figure and `count` axes in rows, the rest of the last row left blank."""
    columns = min(count, per_row) or 1
    rows = math.ceil(count / columns) or 1
    figure = Figure(figsize=(size[0] * columns, size[1] * rows + 0.5), layout="compressed")
    figure.suptitle(title, fontsize=11, fontweight="bold")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in axes[count:]:
        unused.axis("off")
    return figure, axes[:count]
