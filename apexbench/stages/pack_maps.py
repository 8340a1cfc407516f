"""Flow maps that a data set is given as -> the pack that training jobs read."""

from pathlib import Path

import numpy as np

from apexbench.clips import clip_ids, read_index
from apexbench.config.recipes import FlowRecipe
from apexbench.errors import InputError
from apexbench.frames.pictures import read_frame
from apexbench.stages.pack import resized
from apexbench.store.packs import pack_rows


def pack_maps(*, index: str, maps: str, recipe: dict, axes: list[str], output: str) -> None:
    """Write a pack of flow maps that are given as pictures, x (N, 3, map, map) float16 in 0..1.

    The pictures hold u, v and strain, each stretched to 0..255 for itself: magnitudes, and where zero lies, are
    lost, and of the recipe only the size of its map means something here.

    Raises InputError if a picture cannot be read, has other than three channels, or if the recipe has no map size.
    """
    card = FlowRecipe(**recipe)
    if card.map is None:
        raise InputError("config/recipes.yaml: a flow recipe for given maps needs the field 'map', their size in px")
    frame = read_index(index)
    ids, folders = [str(clip_id) for clip_id in clip_ids(frame)], frame["frames_dir"].tolist()
    order = np.argsort(ids, kind="stable")
    meta = {"recipe": recipe, "axes": list(axes), "given": True}
    with pack_rows(output, [ids[i] for i in order], (3, card.map, card.map), np.float16, meta) as rows:
        for row, i in enumerate(order):
            image = read_frame(Path(maps) / folders[i])
            if image.shape[2] != 3:
                raise InputError(
                    f"{Path(maps) / folders[i]}: a flow map has three channels (u, v, strain), not {image.shape[2]}"
                )
            rows[row] = resized(image.astype(np.float32) / 255, card.map).transpose(2, 0, 1)
