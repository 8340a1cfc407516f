"""What the figures share: their style, their heads, and how they are saved. Colours are safe for the colour-blind.

A figure is `WIDTH` wide, a printed page, so that its text, 8 pt or more, is read at that size. Equal input gives equal
bytes.
"""

import math
import os
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, ScaledTranslation

from apexbench.store.writing import atomic

WIDTH = 7.5  # inches
STYLE = {
    "svg.hashsalt": "apexbench",
    "svg.fonttype": "none",  # text stays text: a quarter of the bytes, and it can be searched
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],  # the same widths on other systems
    "pdf.fonttype": 42,  # whole outlines: what publishers ask for
    "text.parse_math": False,  # titles and names of folders may hold a $
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "axes.edgecolor": "#5b6b7b",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e3e8ee",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.handlelength": 2.6,  # two dashes of each style
    "figure.dpi": 100,
}
INK, QUIET, WARNING = "#1c2733", "#5b6b7b", "#a8480a"
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BESIDE = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0.0}  # where a legend stands
DASHES = ("-", "--", "-.", ":")
# no date, so that equal input gives equal bytes
_UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {"Software": None}, ".jpg": None}
# of photographs, which are ten times as large as PNG; as large as the report shows them, the PDF has every pixel
_JPEG = {"dpi": 80, "pil_kwargs": {"quality": 52, "optimize": True}}
_FONT = "'DejaVu Sans', 'Verdana', sans-serif"
_IDLE = re.compile(r' transform="rotate\(-0 [^"]*"|(?<=>)\n\s*(?=<)')  # a fifth of an SVG: no turn, and indents
_PLACES, _DECIMALS = re.compile(r'\b(?:d|x|y)="[^"]*"'), re.compile(r"(?<=\.\d\d)\d+")  # another: below .01 pt


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure as the suffix of `path` says, and as PDF beside it."""
    path = Path(path)
    box = seat_head(figure).padded(0.1)
    figure.set_layout_engine(None)  # laid out once, not for each file anew: most of the time of many panels
    for file in dict.fromkeys((path, path.with_suffix(".pdf"))):
        extra = _JPEG if file.suffix == ".jpg" else {"dpi": 150}
        with atomic(file) as part, _fonts_of_outlines():
            figure.savefig(part, metadata=_UNDATED[file.suffix], bbox_inches=box, **extra)
            if file.suffix == ".svg":
                part.write_text(_smaller(part.read_text("utf-8")), "utf-8")


@contextmanager
def _fonts_of_outlines() -> Iterator[None]:
    """Let a PDF's fonts go without tables that join and move letters: to thin those takes longer than all the rest.

    No reader of a PDF looks at them, for each letter's place is written down.
    """
    from fontTools import subset  # as matplotlib imports it, with its writer of PDFs

    load = subset.load_font

    def load_outlines(file, options, **others):
        options.drop_tables += ["GDEF", "GPOS", "GSUB"]
        return load(file, options, **others)

    with patch.object(subset, "load_font", load_outlines):
        yield


def _smaller(svg: str) -> str:
    """Return an SVG without what nobody sees.

    >>> _smaller('<path d="M 10.123456 2" x="0.5"/>')
    '<path d="M 10.12 2" x="0.5"/>'

    The font is named once, for all of it.
    """
    svg = _PLACES.sub(lambda places: _DECIMALS.sub("", places[0]), _IDLE.sub("", svg))
    return svg.replace(f"font-family: {_FONT}; ", "").replace("<svg ", f'<svg style="font-family: {_FONT}" ', 1)


def line_style(number: int) -> dict:
    """Return colour and dashes of the line of this number: seven colours, then the same with other dashes.

    >>> line_style(0)["linestyle"], line_style(7)["linestyle"]
    ('-', '--')
    """
    return {
        "color": OKABE_ITO[number % len(OKABE_ITO)],
        "linestyle": DASHES[number // len(OKABE_ITO) % len(DASHES)],
    }


def below(head: str, line: str) -> str:
    """Return a head, a title and lines below it, with a further line right below the title.

    >>> below("SMIC-HS\\nStudy default", "First crops")
    'SMIC-HS\\nFirst crops\\nStudy default'
    """
    title, *lines = head.split("\n")
    return "\n".join([title, line, *lines])


def head(figure: Figure, title: str, warning: str = "") -> None:
    """Write a title above a figure, its further lines smaller below it, and last what is to be heeded."""
    first, *rest = title.split("\n")
    kinds = [(text, 8.5, {"color": WARNING}) for text in filter(None, [warning])]
    kinds += [(text, 8.5, {"color": QUIET}) for text in reversed(rest)]
    kinds += [(first, 11, {"color": INK, "fontweight": "bold"})]
    up = 3.0
    for text, size, style in kinds:  # from below; no layout knows of them, the tight box takes them in
        for line in reversed(textwrap.wrap(text, int(figure.get_figwidth() * 72 / (0.6 * size)))):
            place = figure.transFigure + ScaledTranslation(0, up / 72, figure.dpi_scale_trans)
            figure.text(0, 1, line, transform=place, va="bottom", ha="left", fontsize=size, gid="head", **style)
            up += 1.35 * size


def seat_head(figure: Figure) -> Bbox:
    """Lay the figure out, and move its head above its highest part, flush left; return the box of all, in inches."""
    head = [text for text in figure.texts if text.get_gid() == "head"]
    for text in head:
        text.set_visible(False)
    if engine := figure.get_layout_engine():
        engine.execute(figure)
    below = figure.get_tightbbox()
    for text in head:
        text.set(visible=True, x=below.x0 / figure.get_figwidth(), y=below.y1 / figure.get_figheight())
    inches = figure.dpi_scale_trans.inverted()
    return Bbox.union([below, *(text.get_window_extent().transformed(inches) for text in head)])


def panel_figure(count: int, per_row: int, size: tuple[float, float], title: str, layout: str = "compressed"):
    """Return a figure and `count` axes in rows, the rest of the last row left blank; `size` of one in inches."""
    columns = min(count, per_row) or 1
    rows = math.ceil(count / columns) or 1
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout=layout)
    head(figure, title)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in axes[count:]:
        unused.axis("off")
    return figure, axes[:count]


def wrapped(text: str, width: float, size: float = 8.5) -> str:
    """Return a text in lines that are `width` inches long at most, at `size` pt of a sans-serif.

    >>> wrapped("flow pixels + linear SVM", 1.2)
    'flow pixels +\\nlinear SVM'
    """
    return "\n".join(textwrap.wrap(text, max(8, int(width * 72 / (0.7 * size)))))
