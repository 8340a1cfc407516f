"""Synthetic clips in a release's own layout, with their ground truth beside."""

from collections.abc import Sequence

from apexbench.datasets.synthetic import render


def render_dataset(
    dataset: str, plan: Sequence[tuple[int, str, int]], root: str, truth: str, seed: int, scale: str
) -> None:
    """Render the clips of `plan`, rows (subject, emotion, clips), below `root`; `root` must not exist or be empty."""
    render(dataset, plan, root, truth, seed=seed, scale=scale)
