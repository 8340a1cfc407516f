"""Onset crops on a sheet."""

import math
import os
from collections.abc import Iterable

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from apexbench.figures.style import STYLE, save


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
        save(figure, path)
