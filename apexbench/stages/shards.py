"""Reading the frames that matter out of a shard of clips."""

import numpy as np

from apexbench.store import Tensors


def onset_and_apex(shard: Tensors, name: str) -> np.ndarray:
    """Return the onset and the apex frame of a clip, (2, H, W, C) uint8."""
    record = shard.meta["clips"][name]
    places = [record["frames"].index(record[key]) for key in ("onset", "apex")]
    return shard[name][places]
