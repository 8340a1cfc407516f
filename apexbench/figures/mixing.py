"""What a run mixes, and where its model looks."""

import os
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np

from apexbench.figures.style import STYLE, WIDTH, panel_figure, save, wrapped

_HEADS = {"onset": "onset", "flow": "flow", "mixed": "mixed where bright", "blend": "mixed flow"}
_HEADS["attention"] = "attention, unmixed clip"


def mixing_figure(clips: Sequence[Mapping], path: str | os.PathLike, title: str) -> None:
    """Draw what is mixed and where the model looks, one row for each clip.

    clips : mappings of name; onset, (H, W, 3) RGB uint8 or None; flow and blend, (H, W) sizes of the normalised flow
        before and after mixing; mixed, (H, W) whether a pixel changed; attention, (g, g).
    """
    with matplotlib.rc_context(STYLE):
        shown = [key for key in ("onset", "flow", "mixed", "blend", "attention") if clips[0][key] is not None]
        side = (WIDTH - 0.2) / len(shown)
        figure, panels = panel_figure(len(clips) * len(shown), len(shown), (side, side), title)
        for number, panel in enumerate(panels):
            clip, key = clips[number // len(shown)], shown[number % len(shown)]
            top = max(float(np.quantile([clip["flow"], clip["blend"]], 0.995)), 1e-6)
            if key in ("flow", "mixed", "blend"):
                values = clip["blend" if key == "blend" else "flow"]
                panel.imshow(values, cmap="viridis", vmin=0, vmax=top, interpolation="none")
            else:
                panel.imshow(clip[key], cmap="magma" if key == "attention" else None, interpolation="none")
            if key == "mixed":
                kept = np.ma.masked_where(clip["mixed"], np.zeros(clip["mixed"].shape))
                panel.imshow(kept, cmap="gray", vmin=0, vmax=1, alpha=0.75, interpolation="none")
            if number < len(shown):
                panel.set_title(_HEADS[key])
            if key == shown[0]:
                panel.set_ylabel(wrapped(clip["name"], side, 8), fontsize=8)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        save(figure, path)
