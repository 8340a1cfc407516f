"""An apex magnified by several arms and factors, each picture with its time slice."""

import os
import textwrap
from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from apexbench.figures.style import QUIET, STYLE, WIDTH, head, save, wrapped

_LABELS = 0.42  # inches at the left, for the factors
_LINE = 0.16  # inches, of a title above a row
_WIDEST = 1.6  # inches of a picture with its slice
_GAP = 4  # px
_HOW = (
    "Above: onset and apex as they are. Below: the apex by each arm; a displacement d becomes factor * d. At the right "
    "of a picture is its time slice, the dotted column of pixels in every frame from onset to offset: motion bends its "
    "lines."
)


def arms_figure(
    frames: np.ndarray,
    apex: int,
    made: Mapping[str, Mapping[float, np.ndarray]],
    path: str | os.PathLike,
    title: str,
) -> None:
    """Draw onset and apex, and the apex of each of `made` in a column of its own, the factors below each other.

    frames : (T, S, S, 1 or 3) uint8, the onset first; `apex` is an index in them.
    made : {title: {factor: magnified frames, an array like `frames`}}; a place whose factor was not made stays blank.
    """
    factors = sorted({factor for clips in made.values() for factor in clips})
    column = telling_column(frames, [clips[max(clips)] for clips in made.values()])
    rows = [[_plain(frames[0], column), with_slice(frames, apex, column)]]
    rows += [
        [with_slice(clips[factor], apex, column) if factor in clips else None for clips in made.values()]
        for factor in factors
    ]
    with matplotlib.rc_context(STYLE):
        _drawn(rows, ["as it is", *(f"factor {factor:g}" for factor in factors)], list(made), path, title)


def telling_column(frames: np.ndarray, magnified: list[np.ndarray]) -> int:
    """Return the column of pixels that magnification changes most, an eighth of the side away from the border."""
    border = frames.shape[2] // 8
    change = np.mean([np.abs(np.subtract(clip, frames, dtype=np.float32)).mean((0, 1, 3)) for clip in magnified], 0)
    return int(change[border : len(change) - border].argmax()) + border


def time_slice(frames: np.ndarray, column: int) -> np.ndarray:
    """Return a column of pixels over time: (H, T, C) of frames (T, H, W, C).

    >>> time_slice(np.arange(8).reshape(2, 2, 2, 1), 1)[..., 0]
    array([[1, 5],
           [3, 7]])
    """
    return frames[:, :, column].swapaxes(0, 1)


def with_slice(frames: np.ndarray, shown: int, column: int) -> np.ndarray:
    """Return one of the frames (T, S, S, C), a white line, and a third as wide the slice of its dotted column."""
    side = frames.shape[1]
    wide = np.repeat(time_slice(frames, column), max(1, round(side / 3 / len(frames))), axis=1)
    return np.concatenate([_plain(frames[shown], column), np.full((side, 2, 3), 255, np.uint8), _rgb(wide)], axis=1)


def _plain(frame: np.ndarray, column: int) -> np.ndarray:
    """A frame in colour, the column dotted."""
    frame = _rgb(frame).copy()
    frame[::4, column] = 255
    return frame


def _rgb(image: np.ndarray) -> np.ndarray:
    return np.broadcast_to(image, (*image.shape[:2], 3))


def _drawn(rows: list[list], labels: list[str], titles: list[str], path: str | os.PathLike, title: str) -> None:
    """Draw rows of pictures of one height, the first apart, as one sheet: many axes take eight times as long."""
    side, width = rows[0][1].shape[:2]
    across, columns = width + _GAP, max(2, len(titles))
    inch = min(_WIDEST, (WIDTH - _LABELS) / columns) / across  # of a px
    line, names = _LINE / inch, [wrapped(title, inch * width) for title in titles]
    above = [round(line), round(line * (1.2 + max(name.count("\n") + 1 for name in names)))]
    tops = [above[0], *(sum(above) + side + number * (side + _GAP) for number in range(len(rows) - 1))]
    sheet = np.full((tops[-1] + side, columns * across - _GAP, 3), 255, np.uint8)
    figure = Figure(figsize=(WIDTH, inch * len(sheet)))
    axes = figure.add_axes((_LABELS / WIDTH, 0, inch * sheet.shape[1] / WIDTH, 1))
    for top, label, pictures in zip(tops, labels, rows, strict=True):
        axes.text(-_GAP, top + side / 2, label, rotation=90, ha="right", va="center", fontsize=8.5)
        for number, picture in enumerate(pictures):
            if picture is not None:
                left = number * across
                sheet[top : top + side, left : left + picture.shape[1]] = picture
    for top, of_row in zip(tops, (("onset", "apex"), names), strict=False):
        for number, name in enumerate(of_row):
            place = number * across + side / 2
            axes.text(place, top - _GAP, name, ha="center", va="bottom", fontsize=8.5, fontweight="bold")
    room = WIDTH - _LABELS - inch * (2 * across + 3 * _GAP)
    told = textwrap.fill(_HOW, int(room * 72 / (0.55 * 8)))
    axes.text(2 * across + 3 * _GAP, tops[0], told, ha="left", va="top", fontsize=8, color=QUIET)
    axes.imshow(sheet, aspect="auto")
    axes.axis("off")
    head(figure, title)
    save(figure, path)
