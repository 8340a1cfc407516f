"""Onset crops on a sheet."""

import math
import os
from collections.abc import Iterable

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from apexbench.figures.style import STYLE, WIDTH, head, save

_COLUMNS = 8


def sheet_figure(crops: Iterable[tuple[str, np.ndarray]], path: str | os.PathLike, title: str) -> None:
    """Draw a contact sheet of (label, image): gray (H, W), (H, W, 1) or RGB, uint8, all as large, eight in a row."""
    with matplotlib.rc_context(STYLE):
        labels, images = zip(*crops, strict=True)
        columns = min(_COLUMNS, len(images))
        rows = math.ceil(len(images) / columns)
        height, width = images[0].shape[:2]
        down, across = height + height // 5, width + width // 24  # room for a label, and a gap
        sheet = np.full((rows * down, columns * across, 3), 255, np.uint8)
        side = WIDTH / _COLUMNS
        figure = Figure(figsize=(side * columns, side * rows * down / across))
        axes = figure.add_axes((0, 0, 1, 1))
        for number, (label, image) in enumerate(zip(labels, images, strict=True)):
            y, x = number // columns * down + down - height, number % columns * across
            sheet[y : y + height, x : x + width] = image.reshape(height, width, -1)
            axes.text(x + width / 2, y - height / 30, label, fontsize=8, ha="center", va="bottom")
        axes.imshow(sheet, aspect="auto")  # one picture: forty axes take eight times as long
        axes.axis("off")
        head(figure, title)
        save(figure, path)
