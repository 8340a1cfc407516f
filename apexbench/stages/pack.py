"""Shards of many subjects -> one pack for each data set: what a training job reads, row by row."""

from collections.abc import Sequence

import cv2
import numpy as np

from apexbench.errors import InputError
from apexbench.store.packs import pack_rows
from apexbench.store.tensors import Tensors, read_tensors


def resized(image: np.ndarray, size: int | None) -> np.ndarray:
    """Return a map (H, W, C) as (size, size, C); area interpolation, which averages what it merges."""
    if size is None or image.shape[:2] == (size, size):
        return image
    way = cv2.INTER_AREA if size < image.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(image, (size, size), interpolation=way).reshape(size, size, image.shape[2])


def pack(*, shards: Sequence[str], recipe: dict, axes: Sequence[str], output: str) -> None:
    """Write the pack of a recipe: the rows of its shards, by clip id, in memory one at a time.

    Parameters
    ----------
    recipe : a flow recipe with `map` has its maps shrunk to that size; pictures stay as they are.
    axes : names of a row's axes. Pictures and maps get their channels before y and x; gray clips repeat theirs.

    Where clips differ in length, shorter ones repeat their last frame, and `lengths` says how many hold; near
    key frames it always does.

    Raises InputError if there is no clip, or if clips differ in shape elsewhere than along the axes that may.
    """
    files = [read_tensors(path, kind="shard") for path in shards]
    owner = {name: file for file in files for name in file}
    if not owner:
        raise InputError(f"{output}: no clip is left to pack; see the logs of the rule 'faces'")
    ids = sorted(owner)
    rows_of = _Rows(recipe.get("map"), axes)
    shapes = {name: rows_of.shape(owner[name], name) for name in ids}
    shape = tuple(map(max, zip(*shapes.values(), strict=True)))
    ragged = _ragged(axes)
    for name, its in shapes.items():
        if any(a != b for place, (a, b) in enumerate(zip(its, shape, strict=True)) if place != ragged):
            raise InputError(f"{output}: clip {name} has the shape {its}, others {shape}; axes {', '.join(axes)}")
    lengths = None
    if ragged is not None:
        lengths = np.stack([rows_of.lengths(owner[name], name, shapes[name], ragged) for name in ids])
        if (lengths == shape[ragged]).all() and axes[ragged] != "near":
            lengths = None
    meta = {"recipe": recipe, "axes": list(axes)}
    if "extractor" in recipe:  # whose shards are deleted now
        meta["made_of"] = {name: owner[name].meta.get("made_of", {}).get(name, "") for name in ids}
    dtype = owner[ids[0]].dtype(ids[0])
    with pack_rows(output, ids, shape, dtype, meta, lengths) as rows:
        for row, name in enumerate(ids):
            x = rows_of.read(owner[name], name)
            if ragged is not None and x.shape != shape:
                last = np.take(x, [-1], axis=ragged)
                x = np.concatenate([x, np.repeat(last, shape[ragged] - x.shape[ragged], axis=ragged)], axis=ragged)
            rows[row] = x


def _ragged(axes: Sequence[str]) -> int | None:
    """The axis along which clips may differ in length: `near`, else the first of frames or pairs."""
    return next((place for name in ("near", "frame", "pair") for place, axis in enumerate(axes) if axis == name), None)


class _Rows:
    """A shard's arrays as the rows of a pack."""

    def __init__(self, size: int | None, axes: Sequence[str]):
        self.size = size
        self.pictures = len(axes) >= 3 and tuple(axes[-2:]) == ("y", "x") and axes[-3] in ("colour", "motion")
        self.colour = self.pictures and axes[-3] == "colour"

    def shape(self, file: Tensors, name: str) -> tuple[int, ...]:
        shape = file.shape(name)
        if not self.pictures:
            return shape
        *others, height, width, channels = shape
        height, width = (self.size or height, self.size or width)
        return (*others, 3 if self.colour else channels, height, width)

    def lengths(self, file: Tensors, name: str, shape: tuple[int, ...], ragged: int) -> np.ndarray:
        """How many places of the ragged axis hold, for every place of the axes before it."""
        given = file.meta["clips"][name].get("lengths")
        return np.array(shape[ragged] if given is None else given, np.int32)

    def read(self, file: Tensors, name: str) -> np.ndarray:
        x = file[name]
        if not self.pictures:
            return x
        if self.size:
            flat = x.reshape(-1, *x.shape[-3:]).astype(np.float32)
            x = np.stack([resized(image, self.size) for image in flat]).reshape(*x.shape[:-3], self.size, self.size, -1)
        x = np.moveaxis(x, -1, -3)
        return np.broadcast_to(x, (*x.shape[:-3], 3, *x.shape[-2:])) if self.colour else x
