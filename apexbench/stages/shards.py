"""Reading the frames that matter out of a shard of clips."""

import numpy as np

from apexbench.store.tensors import Tensors


def first_frame(file: Tensors, name: str) -> np.ndarray:
    """Return the first of a clip's frames, (H, W, C) uint8: the onset, unless motion chose them."""
    frames = file[name]
    return frames.reshape(-1, *frames.shape[-3:])[0]


def onset_and_apex(file: Tensors, name: str) -> np.ndarray:
    """Return the onset and the apex frame of a clip, (2, H, W, C) uint8; of magnified ones by the first factor."""
    record = file.meta["clips"][name]
    frames = file[name] if "factor" not in file.meta["axes"] else file[name][:, 0]
    if "near" in file.meta["axes"]:
        return frames[:, 0]  # near frames begin with the key frame itself
    return frames[[record["frames"].index(record[key]) for key in ("onset", "apex")]]
