"""Onset, apex, flow and strain of one clip."""

import os

import matplotlib
import numpy as np

from apexbench.figures.style import INK, STYLE, WIDTH, panel_figure, save

_BORDER = 1 / 28  # of a side: differences across the border of the crop are none of the face's


def flow_figure(onset: np.ndarray, apex: np.ndarray, flow: np.ndarray, path: str | os.PathLike, title: str) -> None:
    """Draw onset, apex, the flow as arrows over its magnitude, and the strain, its border left blank.

    onset, apex: (H, W) gray or (H, W, 3) RGB, uint8. flow: (H, W, 3) u, v in px, and strain.
    """
    with matplotlib.rc_context(STYLE):
        figure, panels = panel_figure(4, 4, (WIDTH / 4, WIDTH / 4 + 0.3), title)
        for panel, image, name in zip(panels, (onset, apex), ("onset", "apex"), strict=False):
            panel.imshow(image, cmap="gray", vmin=0, vmax=255)
            panel.set_title(name)
        height, width = flow.shape[:2]
        size = np.hypot(flow[..., 0], flow[..., 1])
        for panel, values, cmap, name in (
            (panels[2], size, "viridis", "flow (px)"),
            (panels[3], inner(flow[..., 2]), "magma", "optical strain"),
        ):
            # One wild pixel must not darken the rest.
            top = max(float(np.quantile(np.ma.compressed(values), 0.995)), 1e-6)
            image = panel.imshow(values, cmap=cmap, vmin=0, vmax=top, interpolation="none")
            inset = panel.inset_axes((0.06, -0.1, 0.88, 0.05))  # takes no room of its panel: all four are as large
            bar = figure.colorbar(image, cax=inset, orientation="horizontal")
            bar.outline.set_visible(False)
            bar.locator.set_params(nbins=4)
            panel.set_title(name)
        step = max(height, width) / 14
        y, x = np.meshgrid(
            *(np.arange(step / 2, length, step).astype(int) for length in (height, width)), indexing="ij"
        )
        longest = max(float(np.quantile(size, 0.995)), 1e-6)
        y, x = (part[size[y, x] > longest / 8] for part in (y, x))
        arrows = {"angles": "xy", "scale_units": "xy", "scale": longest / (1.4 * step), "width": 0.011}
        panels[2].quiver(x, y, flow[y, x, 0], flow[y, x, 1], color="white", edgecolor=INK, linewidth=0.4, **arrows)
        for panel in panels:
            panel.axis("off")
        save(figure, path)


def inner(strain: np.ndarray) -> np.ma.MaskedArray:
    """Return strain (H, W) with its border masked, one row of 28."""
    mask = np.ones(strain.shape, bool)
    down, across = (max(1, round(length * _BORDER)) for length in strain.shape)
    mask[down:-down, across:-across] = False
    return np.ma.masked_where(mask, strain)
