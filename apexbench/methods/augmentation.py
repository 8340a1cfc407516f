"""Flip, small rotation and shifted crop of a batch, on whatever device it lies: one gather for each input.

The order, nearest-neighbour sampling and zeros outside are those of torchvision's RandomHorizontalFlip, RandomRotation
and RandomCrop with padding, one after the other on tensors, as MEMix and MMNet have them; each clip draws its own.
"""

from collections.abc import Mapping

import numpy as np


def flip_rotate_crop(
    inputs: Mapping,
    rng: np.random.Generator,
    *,
    degrees: float,
    padding: int,
    flip: float = 0.5,
    joint: bool = True,
) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the inputs {name: (B, ..., S, S)} augmented, and {name: which clips were flipped, (B,) bool}.

    Parameters
    ----------
    degrees, padding : rotations are uniform in +-degrees, shifts are whole px, uniform in +-padding.
    flip : probability of a horizontal flip.
    joint : one draw for all inputs of a clip, which must be equally large; else one for each.
    """
    augmented, flips, draw = {}, {}, None
    for name, x in inputs.items():
        if draw is None or not joint:
            draw = _draw(rng, len(x), degrees, padding, flip)
        flips[name] = draw[0]
        augmented[name] = _apply(x, *draw)
    return augmented, flips


def _draw(rng, count: int, degrees: float, padding: int, flip: float):
    flipped = rng.random(count) < flip
    angles = np.deg2rad(rng.uniform(-degrees, degrees, count))
    shifts = rng.integers(-padding, padding + 1, (count, 2))
    return flipped, angles, shifts


def _apply(x, flipped: np.ndarray, angles: np.ndarray, shifts: np.ndarray):
    """Look up every pixel's source: through the crop to the rotated picture, from there to the flipped original."""
    import torch

    side = x.shape[-1]
    given = torch.from_numpy(np.column_stack([np.cos(angles), np.sin(angles), shifts, flipped]).astype(np.float32))
    cos, sin, down, right, flipped_ = given.to(x.device).T[..., None, None]
    place = torch.arange(side, device=x.device, dtype=torch.float32)
    centre = (side - 1) / 2
    rows, columns = place[:, None] + down, place[None, :] + right  # in the rotated picture
    inside = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
    y, x_ = rows - centre, columns - centre
    source_x = (cos * x_ - sin * y + centre).round()
    source_y = (sin * x_ + cos * y + centre).round()
    inside &= (source_x >= 0) & (source_x < side) & (source_y >= 0) & (source_y < side)
    source_x = torch.where(flipped_ > 0, side - 1 - source_x, source_x)
    index = torch.where(inside, source_y * side + source_x, side * side).long()
    flat = torch.nn.functional.pad(x.flatten(1, -3).flatten(2), (0, 1))  # the added pixel is the zero outside
    wanted = index.flatten(1)[:, None].expand(-1, flat.shape[1], -1)
    return flat.gather(2, wanted).view(x.shape)
