"""What SRMCL reconstructs, and what it remembers."""

import os
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from apexbench.figures.style import INK, OKABE_ITO, QUIET, STYLE, WIDTH, head, save, wrapped


def memory_figure(
    clips: Sequence[Mapping],
    path: np.ndarray,
    points: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    classes: Sequence[str],
    output: str | os.PathLike,
    title: str,
) -> None:
    """Draw reconstructions, one row for each clip, and below them the memory's way in two principal components.

    Parameters
    ----------
    clips : mappings of name; picture (S, S, 3); removed (R, S, S) bool, what each round removes; made (R, S, S, 3).
    path : (E, K, D) prototypes after each epoch.
    points, labels : features (N, D) and classes (N,) of the training clips and of those shown, after the last epoch.
    """
    with matplotlib.rc_context(STYLE):
        rounds = len(clips[0]["made"])
        columns = 1 + 2 * rounds
        side = (WIDTH - 0.2) / columns
        upper = (side + 0.05) * len(clips) + 0.3
        figure = Figure(figsize=(WIDTH, upper + 3.6), layout="constrained")
        head(figure, title)
        above, below = figure.subfigures(2, 1, height_ratios=(upper, 3.6))
        panels = above.subplots(len(clips), columns, squeeze=False)
        for row, clip in zip(panels, clips, strict=True):
            shown = [("input", clip["picture"])]
            masked = np.maximum.accumulate(clip["removed"], axis=0)
            for number in range(rounds):
                left_over = np.where(masked[number][..., None], 0.82, clip["picture"])
                shown += [(f"round {number + 1}: kept", left_over), ("reconstructed", clip["made"][number])]
            for panel, (words, picture) in zip(row, shown, strict=True):
                panel.imshow(picture, interpolation="none")
                panel.set(xticks=[], yticks=[], title=words if clip is clips[0] else "")
                panel.spines[:].set_visible(False)
            row[0].set_ylabel(wrapped(clip["name"], side, 8), fontsize=8)
        _draw_path(below.subplots(), path, points, labels, classes)
        save(figure, output)


def _draw_path(panel, path, points, labels, classes) -> None:
    basis, centre, share = principal(np.concatenate([path.reshape(-1, path.shape[-1]), points[0]]))
    for number, name in enumerate(classes):
        colour = OKABE_ITO[number % len(OKABE_ITO)]
        way = (path[:, number] - centre) @ basis
        panel.plot(*way.T, color=colour, lw=1.2, alpha=0.7)
        panel.scatter(*way[:1].T, color=colour, s=30, marker="o", facecolors="none")
        panel.scatter(*way[-1:].T, color=colour, s=90, marker="*", edgecolors=INK, linewidths=0.6, label=name, zorder=3)
        for side, marker, size in zip((0, 1), (".", "x"), (18, 32), strict=True):
            here = (points[side][labels[side] == number] - centre) @ basis
            panel.scatter(*here.T, color=colour, s=size, marker=marker, alpha=0.6 if side == 0 else 1, linewidths=1.2)
    panel.set_xlabel(f"first component, {share[0]:.0%} of the variance")
    panel.set_ylabel(f"second, {share[1]:.0%}")
    panel.set_title(f"Prototypes over {len(path)} epochs")
    panel.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    words = "ring: after the first epoch\nstar: after the last\ndots: training clips\ncrosses: the clips above"
    panel.text(1.03, 0, words, transform=panel.transAxes, color=QUIET, va="bottom")


def principal(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first two principal directions (D, 2), the mean (D,), and their shares of the variance (2,)."""
    centre = rows.mean(0)
    _, lengths, directions = np.linalg.svd(rows - centre, full_matrices=False)
    signs = np.sign(directions[:2, np.abs(directions[:2]).argmax(1)].diagonal())  # else the sign is anybody's
    return (directions[:2] * signs[:, None]).T, centre, (lengths**2 / max((lengths**2).sum(), 1e-12))[:2]
