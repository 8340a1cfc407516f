"""What AMAN weighs: magnification factors within a frame, and frames within a clip."""

import os
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from apexbench.figures.style import OKABE_ITO, QUIET, STYLE, WIDTH, head, save, wrapped

_LARGEST, _LEAST = 1.0, 0.72  # inch, of a picture: a weight of three digits has room below the least


def attention_figure(clips: Sequence[Mapping], output: str | os.PathLike, title: str) -> None:
    """Draw two strips of each clip, each picture with its weight as a bar under it; dashed: all weigh alike.

    Parameters
    ----------
    clips : mappings of name; factors (M, H, W, 1 or 3) uint8, one frame at each factor, factor_names (M) and
        factor_weights (M,); frames (T, H, W, 1 or 3) uint8, frame_names (T) and frame_weights (T,).
    """
    counts = [len(clips[0][kind]) for kind in ("factors", "frames")]
    side = min(_LARGEST, max((WIDTH - 0.6) / sum(counts), _LEAST))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(side * sum(counts) + 0.6, (side + 0.95) * len(clips)))
        figure.set_layout_engine("constrained", h_pad=0.03, w_pad=0.06, hspace=0)
        head(figure, title)
        panels = figure.subplots(
            2 * len(clips), 2, squeeze=False, width_ratios=counts, height_ratios=[side, 0.45] * len(clips)
        )
        for row, clip in enumerate(clips):
            for column, kind in enumerate(("factor", "frame")):
                strip, bars = panels[2 * row : 2 * row + 2, column]
                _draw(strip, bars, clip[f"{kind}s"], clip[f"{kind}_weights"], clip[f"{kind}_names"])
            panels[2 * row, 0].set_ylabel(wrapped(clip["name"], side, 8), fontsize=8)
        for panel, words in zip(panels[0], ("attention by magnification", "attention by frame number"), strict=True):
            panel.set_title(words)
        save(figure, output)


def _draw(strip, bars, pictures: np.ndarray, weights: np.ndarray, names: Sequence[str]) -> None:
    count = len(pictures)
    row = np.concatenate(list(pictures), axis=1)
    strip.imshow(np.repeat(row, 3, -1) if row.shape[-1] == 1 else row, extent=(0, count, 0, 1), aspect="auto")
    strip.set(xticks=[], yticks=[])
    strip.spines[:].set_visible(False)
    bars.bar(np.arange(count) + 0.5, weights, width=0.7, color=OKABE_ITO[0])
    bars.axhline(1 / count, color=QUIET, lw=0.8, ls="--")
    bars.set(xlim=(0, count), ylim=(0, 1.1 * max(max(weights), 1 / count)), yticks=[])
    words = [f"{name}\n{weight:.3f}" for name, weight in zip(names, weights, strict=True)]
    bars.set_xticks(np.arange(count) + 0.5, words)
    bars.spines["left"].set_visible(False)
    bars.tick_params(length=0)
