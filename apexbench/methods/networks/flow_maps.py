"""Flow maps as small networks are given them: of the size that they take, stretched for each clip."""

import numpy as np
from torch import Tensor


def check_maps(maps: np.ndarray, method: str, side: int = 28) -> np.ndarray:
    """Return the maps. Raises ValueError unless they are (N, 3, side, side); `method` is whose they are."""
    if maps.shape[1:] != (3, side, side):
        raise ValueError(f"{method} reads flow maps (N, 3, {side}, {side}); the pack holds {maps.shape}")
    return maps


def stretch(maps: Tensor, low: float, high: float) -> Tensor:
    """Return maps (B, C, H, W) of any type as float32, each map of each clip from `low` to `high`.

    A constant map becomes `low`.

    >>> import torch
    >>> stretch(torch.tensor([[[[1.0, 2.0, 5.0]], [[7.0, 7.0, 7.0]]]]), 0, 255).flatten(2).tolist()
    [[[0.0, 63.75, 255.0], [0.0, 0.0, 0.0]]]
    """
    flat = maps.float().flatten(2)
    least = flat.amin(2, keepdim=True)
    reach = flat.amax(2, keepdim=True) - least
    scaled = (flat - least).div_(reach.where(reach > 0, reach.new_ones(()))).mul_(high - low)
    return (scaled.add_(low) if low else scaled).view(maps.shape)
