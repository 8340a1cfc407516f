"""Synthetic clips in a release's own layout, with their ground truth beside."""

from collections.abc import Sequence

from apexbench.datasets.synthetic import render
from apexbench.datasets.synthetic.layouts import LAYOUTS
from apexbench.errors import InputError, nearest


def render_dataset(
    dataset: str, plan: Sequence[tuple[int, str, int]], root: str, truth: str, seed: int, scale: str
) -> None:
    """Render the clips of `plan`, rows (subject, emotion, clips), below `root`; `root` must not exist or be empty.

    Raises InputError for an emotion that the release does not have.
    """
    known = LAYOUTS[dataset].emotions
    for subject, emotion, _ in plan:
        if emotion not in known:
            raise InputError(
                f"config/synthetic/{scale}.csv: {dataset} subject {subject}, field 'emotion': unknown name "
                f"{emotion!r}; {nearest(emotion, known)}"
            )
    render(dataset, plan, root, truth, seed=seed, scale=scale)
