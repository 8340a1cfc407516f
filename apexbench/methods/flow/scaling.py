"""How flow maps are scaled before a network reads them."""

from typing import Literal

Scaling = Literal["0-255", "0-1", "px"]
"""Each map of each clip stretched to 0..255 or 0..1, or left in px of the frames that the flow is between."""


def scale(maps, scaling: Scaling):
    """Return flow maps (B, C, H, W) as float32, scaled in one of the three ways."""
    return maps.float() if scaling == "px" else stretch(maps, 255 if scaling == "0-255" else 1)


def stretch(maps, top: float = 255):
    """Return maps (B, C, H, W) as float32, each map of each clip stretched to 0..top; a constant map becomes 0.

    Examples
    --------
    >>> import torch
    >>> stretch(torch.tensor([[[[-1.0, 0.0, 3.0]], [[7.0, 7.0, 7.0]]]])).tolist()
    [[[[0.0, 63.75, 255.0]], [[0.0, 0.0, 0.0]]]]
    """
    x = maps.float().flatten(2)
    low = x.amin(2, keepdim=True)
    reach = x.amax(2, keepdim=True) - low
    return (x - low).div_(reach.where(reach > 0, reach.new_ones(()))).mul_(top).view(maps.shape)
