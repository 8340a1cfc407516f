"""Frames -> optical flow between them, and its strain."""

import cv2
import numpy as np

from apexbench.config.recipes import FlowRecipe, MagnificationRecipe
from apexbench.motion import flow_of_pairs, pairs
from apexbench.oracles import warps_by
from apexbench.store.tensors import read_tensors, write_tensors
from apexbench.taken_over import Before, forget, made_of_row, say


def gray(image: np.ndarray) -> np.ndarray:
    """Return (H, W, 1 or 3) RGB uint8 as (H, W) uint8."""
    return image[..., 0] if image.shape[-1] == 1 else cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)


def flow(*, shard: str, recipe: dict, output: str, code: str = "") -> None:
    """Write u and v in px of the frames, and strain, for every clip of a shard, float16.

    Maps are (H, W, 3) between onset and apex, (P, H, W, 3) for the pairs of a sequence, and (M, H, W, 3) or (P, M, H,
    W, 3) of frames that were magnified by several factors. `circular` in the record says whether this same flow
    magnified them. With the `code`'s hash, clips of an output that was put aside are taken over where nothing has
    changed.
    """
    card = FlowRecipe(**recipe)
    file = read_tensors(shard, kind="shard")
    axes = file.meta["axes"]
    tensors, keys, before, taken = {}, {}, Before(output), 0
    for name in file:
        keys[name] = made_of_row(code, recipe, file, name)
        if kept := before.row(name, keys[name]):
            tensors[name], taken = kept[0], taken + 1
            continue
        record = file.meta["clips"][name]
        frames = file[name] if "factor" in axes else file[name][:, None]
        where = [record["frames"].index(record[key]) if record[key] in record["frames"] else None for key in _KEYS]
        chosen = pairs(card.pairs, len(frames), where[0] or 0, where[1])
        maps = [
            flow_of_pairs(np.stack([*map(gray, of_factor)]), chosen, card.algorithm, strain=card.strain, **card.options)
            for of_factor in np.moveaxis(frames, 1, 0)
        ]
        x = np.stack(maps, axis=1)  # (P, M, H, W, 3)
        x = x if "factor" in axes else x[:, 0]
        tensors[name] = (x[0] if card.pairs == "onset-apex" else x).astype(np.float16)
    say(taken, len(keys))
    sequence = [] if card.pairs == "onset-apex" else ["pair"]
    given = [*sequence, *(["factor"] if "factor" in axes else []), "y", "x", "motion"]
    clips = {name: {key: record[key] for key in _KEYS} for name, record in file.meta["clips"].items()}
    meta = {"kind": "shard", "axes": given, "recipe": recipe, "units": "px", "clips": clips, "made_of": keys}
    write_tensors(output, tensors, meta | {"circular": _circular(card, file.meta.get("recipe", {}))})
    forget(output)


def _circular(card: FlowRecipe, of: dict) -> bool:
    """Tell whether the frames were magnified by this very flow."""
    return "arm" in of and warps_by(MagnificationRecipe(**of), card.algorithm)


_KEYS = ("onset", "apex")
