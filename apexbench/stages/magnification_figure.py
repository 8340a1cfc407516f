"""One clip -> its apex magnified by several arms and factors, beside the truth where the clip is rendered."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from apexbench.clips import clip_ids, read_index
from apexbench.config.recipes import CropRecipe, MagnificationRecipe
from apexbench.datasets.synthetic import retake
from apexbench.errors import InputError
from apexbench.figures.magnification import arms_figure
from apexbench.figures.style import below
from apexbench.frames.alignment import crop, resize
from apexbench.frames.magnification import check_arm, magnify_clip
from apexbench.frames.magnifying import create
from apexbench.stages.faces import read_faces
from apexbench.stages.frames import crop_clip
from apexbench.stages.render import layout_name

MOST = 12  # frames that are shown of the clip: a network takes a tenth of a second for each and factor


def magnification_figure(
    *,
    dataset: str,
    index: str,
    clips: str,
    faces: Sequence[str],
    frames: Mapping,
    arms: Mapping[str, Mapping],
    truth: Mapping,
    output: str,
    title: str,
) -> None:
    """Draw the first clip of a data set whose face was found, magnified by each of `arms`.

    Parameters
    ----------
    index, clips : index CSV and the folder that its `frames_dir` starts from.
    faces : where the faces are, see stages/faces.py; none: frames are faces already, and taken whole.
    frames : values of a `FramesRecipe` that holds onset and apex, with those of its `CropRecipe` under `crop`.
    arms : {title: values of a `MagnificationRecipe`}; one that cannot take such frames is left out, the log says
        why.
    truth : of synthetic clips release, plan, scale and seed that they are rendered by: then the clip is rendered again,
        its motion larger, as a last column; of others empty.
    title : a head.

    Raises InputError if no clip has a face, or no arm can take it.
    """
    row, face = _first_clip(index, faces)
    card = CropRecipe(**frames["crop"])
    whole, record = crop_clip(row, Path(clips) / row.frames_dir, card, frames, face)
    apex = record["frames"].index(record["apex"])
    shown = evenly(len(whole), apex, MOST)
    numbers, some = [record["frames"][place] for place in shown], whole[shown]
    fps = record["fps"] * (len(shown) - 1) / max(numbers[-1] - numbers[0], 1)
    made = {}
    for name, values in arms.items():
        recipe = MagnificationRecipe(**values)
        arm = create(recipe.arm, recipe.options)
        try:
            check_arm(arm, recipe.factors, fps, card.size)
        except ValueError as error:
            logging.warning("%s is left out: %s", name, error)
            continue
        pictures = magnify_clip(some, arm, factors=recipe.factors, fps=fps)
        made[name] = dict(zip(recipe.factors, np.moveaxis(pictures, 1, 0), strict=True))
    if not made:
        raise InputError(f"{output}: no arm of 'pictured_magnification' can take the clip; the log says why")
    if truth:
        factors = sorted({factor for clip in made.values() for factor in clip})
        made |= _truth(dataset, row, numbers, factors, card, record, truth)
    count = f"{len(shown)} of its {len(whole)}" if len(shown) < len(whole) else f"all {len(whole)}"
    who = f"Subject {row.subject}, clip {row['clip']}: {count} frames from onset to offset"
    arms_figure(some, shown.index(apex), made, output, below(title, who))


def evenly(count: int, apex: int, most: int) -> list[int]:
    """Return `most` places at most of 0..count - 1, evenly before the apex and after it, ends and apex among them.

    >>> evenly(30, 10, 7)
    [0, 5, 10, 15, 20, 24, 29]
    """
    if count <= most:
        return list(range(count))
    before = min(max(round((most - 1) * apex / (count - 1)), int(apex > 0)), most - 1 - int(apex < count - 1))
    parts = np.linspace(0, apex, before + 1), np.linspace(apex, count - 1, most - before)
    return np.unique(np.concatenate(parts).round().astype(int)).tolist()


def _first_clip(index: str, faces: Sequence[str]) -> tuple[pd.Series, tuple[np.ndarray, str] | None]:
    """The first clip with a face, and where that is."""
    frame = read_index(index)
    where = {name: face for path in faces for name, face in read_faces(path).items()}
    for (_, row), clip_id in zip(frame.iterrows(), clip_ids(frame), strict=True):
        if not faces or where.get(str(clip_id)) is not None:
            return row, where.get(str(clip_id))
    raise InputError(f"{index}: no clip is left to draw; see the logs of the rule 'faces'")


def _truth(
    dataset: str,
    row: pd.Series,
    numbers: Sequence[int],
    factors: Sequence[float],
    card: CropRecipe,
    record: Mapping,
    render: Mapping,
) -> dict[str, dict[float, np.ndarray]]:
    """The clip with larger motion as it would have been cropped, {"truth": {factor: (T, S, S, C)}}."""
    layout, clip = layout_name(dataset, render["release"]), (int(row.subject), str(row["clip"]), int(row.onset))
    plan = [tuple(each) for each in render["plan"]]
    played = retake(layout, plan, clip, factors, seed=render["seed"], scale=render["scale"])
    if played is None or not played.keys() >= set(numbers):
        logging.warning("the sheet has another onset than was rendered: no truth is drawn")
        return {}
    found = {}
    for place, factor in enumerate(factors):
        pictures = np.stack([played[number][place] for number in numbers])
        if "matrix" in record:
            pictures = crop(pictures, np.array(record["matrix"]), card.size, card.interpolation)
        else:
            pictures = resize(pictures, card.size, card.interpolation)
        found[factor] = pictures.reshape(*pictures.shape[:3], -1)
    return {"truth": found}
