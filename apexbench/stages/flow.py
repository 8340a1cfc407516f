"""Magnified crops -> onset-to-apex flow and optical strain."""

import cv2
import numpy as np

from apexbench.config.recipes import FlowRecipe
from apexbench.motion import FLOWS, optical_strain
from apexbench.stages.shards import onset_and_apex
from apexbench.store import read_tensors, write_tensors


def gray(image: np.ndarray, size: int | None = None) -> np.ndarray:
    """Return (H, W, 1 or 3) RGB uint8 as (H, W) uint8, first resized to (size, size) if given."""
    if size:  # bilinear, which is what MEMix has: areas are not averaged
        image = cv2.resize(image, (size, size)).reshape(size, size, -1)
    return image[..., 0] if image.shape[-1] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def flow_subject(magnified: str, recipe: dict, output: str) -> None:
    """Write {clip id: (H, W, 3) float16}: u and v in px of the map, and strain, for every clip of a shard.

    A map has the size of the crop, or (size, size) if the recipe has one.
    """
    card = FlowRecipe(**recipe)
    shard = read_tensors(magnified, kind="clips")
    tensors = {}
    for name in shard:
        onset, apex = (gray(frame, card.size) for frame in onset_and_apex(shard, name))
        flow = FLOWS[card.algorithm](onset, apex, **card.options)
        strain = optical_strain(flow, derivative=card.strain)
        tensors[name] = np.dstack([flow, strain]).astype(np.float16)
    record = {name: {"onset": r["onset"], "apex": r["apex"]} for name, r in shard.meta["clips"].items()}
    meta = {"kind": "flow", "subject": shard.meta["subject"], "recipe": recipe, "units": "px", "clips": record}
    write_tensors(output, tensors, meta)
