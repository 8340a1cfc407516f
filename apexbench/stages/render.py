"""Synthetic clips in a release's own layout, with their ground truth beside."""

from collections.abc import Sequence

from apexbench.datasets.synthetic import render
from apexbench.datasets.synthetic.expressions import OBJECTIVE_CLASSES
from apexbench.datasets.synthetic.layouts import LAYOUTS
from apexbench.errors import InputError, nearest


def render_dataset(
    *,
    dataset: str,
    release: str,
    plan: Sequence[tuple[int, str, int, str]],
    root: str,
    truth: str,
    seed: int,
    scale: str,
) -> None:
    """Render the clips of `plan`, rows (subject, emotion, clips, objective class or ""), below `root`.

    The layout is the one named after the data set, else that of its release. `root` must not exist or be empty.

    Raises InputError for a release without a layout, and for names in the plan that the release does not have.
    """
    layout = layout_name(dataset, release)
    if layout not in LAYOUTS:
        raise InputError(
            f"config/datasets.yaml: entry {dataset!r}: there are no synthetic clips of {release!r}; put a licensed "
            f"copy into its folder, or take another data set ({nearest(release, LAYOUTS)})"
        )
    known = LAYOUTS[layout].emotions
    for subject, emotion, _, objective in plan:
        place = f"config/synthetic/{scale}.csv: {dataset} subject {subject}"
        if emotion not in known:
            raise InputError(f"{place}, field 'emotion': unknown name {emotion!r}; {nearest(emotion, known)}")
        if objective and objective not in OBJECTIVE_CLASSES:
            raise InputError(
                f"{place}, field 'objective': unknown class {objective!r}; expected one of "
                f"{', '.join(OBJECTIVE_CLASSES)}, or nothing"
            )
    render(layout, plan, root, truth, seed=seed, scale=scale)


def layout_name(dataset: str, release: str) -> str:
    """Return the layout that a data set is rendered in."""
    return dataset if dataset in LAYOUTS else release
