"""Flips, rotations, crops, colours and mirrored halves of a batch, on whatever device it lies; each clip draws its own.

- `flip_rotate_crop`: the order, nearest-neighbour sampling and zeros outside are those of torchvision's
  RandomHorizontalFlip, RandomRotation and RandomCrop with padding, one after the other on tensors, as MEMix and MMNet
  have them; one gather for each input.
- `colour_jitter`: torchvision's ColorJitter, as CapsuleNet has it.
- `decalcomanie`, `rotate_resize_flip`, `resize`: of Décalcomanie (Sensors 22(17):6671), as in its released code.
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


def colour_jitter(frames, rng: np.random.Generator, brightness: float, contrast: float, saturation: float, hue: float):
    """Return frames (B, 3, H, W) float RGB in 0..1 of other colours; a frame draws how much, the batch in which order.

    Brightness, contrast and saturation are multiplied by what is uniform in 1 +- the given, the hue is turned by what
    is uniform in +-hue of a circle. Each frame has an order of its own in torchvision, whose formulas these are.
    """
    import torch

    def drawn(least: float, reach: float):
        values = torch.from_numpy(rng.uniform(least - reach, least + reach, len(frames)).astype(np.float32))
        return values.to(frames.device)[:, None, None, None]

    def from_zero(x):
        return x * drawn(1, brightness)

    def from_mean(x):
        mean = _gray(x).mean((2, 3), keepdim=True)
        return (x - mean) * drawn(1, contrast) + mean

    def from_gray(x):
        gray = _gray(x)
        return (x - gray) * drawn(1, saturation) + gray

    def turned(x):
        return _turn_hue(x, drawn(0, hue))

    changes = [from_zero, from_mean, from_gray, turned]
    for place in rng.permutation(len(changes)):
        frames = changes[place](frames).clamp_(0, 1)
    return frames


def _gray(x):
    return x.mul(x.new_tensor([0.2989, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def _turn_hue(x, turn):
    """Turn the hue of x (B, 3, H, W) by `turn` (B, 1, 1, 1) of a circle; value and saturation stay."""
    import torch

    high, low = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    reach = high - low
    red, green, blue = (x / reach.where(reach > 0, 1)).split(1, 1)
    is_red, is_green = x[:, :1] == high, x[:, 1:2] == high
    sixths = torch.where(is_red, green - blue, torch.where(is_green, 2 + blue - red, 4 + red - green))
    places = x.new_tensor([5, 3, 1])[:, None, None] + (sixths + 6 * turn)
    places = places - 6 * (places / 6).floor()
    return high - reach * torch.minimum(places, 4 - places).clamp_(0, 1)


def decalcomanie(frames):
    """Return two faces made of each: its left half beside the mirror image of that, and the right half likewise.

    Parameters
    ----------
    frames : (..., W) tensor of any type, the width last; left and right are those of the picture. The split is at
        W // 2, not at an axis of the face's symmetry.

    Returns
    -------
    left (..., 2 (W // 2)) and right (..., 2 (W - W // 2)): of width 121, 120 and 122. Raises ValueError if W is 1.

    Examples
    --------
    >>> import torch
    >>> [x.tolist() for x in decalcomanie(torch.tensor([1, 2, 3, 4, 5]))]
    [[1, 2, 2, 1], [5, 4, 3, 3, 4, 5]]
    """
    import torch

    half = frames.shape[-1] // 2
    if not half:
        raise ValueError("a picture 1 px wide has no left half")
    left, right = frames[..., :half], frames[..., half:]
    return torch.cat([left, left.flip(-1)], dim=-1), torch.cat([right.flip(-1), right], dim=-1)


def resize(frames, side: int):
    """Return frames (..., H, W) as (..., side, side): of each pixel the nearest, rounded down; no copy if they are."""
    import torch

    for axis in (-2, -1):
        if frames.shape[axis] != side:
            rows = torch.arange(side, device=frames.device) * frames.shape[axis] // side
            frames = frames.index_select(axis, rows)
    return frames


def rotate_resize_flip(
    frames, side: int, rng: np.random.Generator, *, degrees: float, scale: float = 1.0, flip: float = 0.5
):
    """Return frames (B, ..., H, W) float as (B, ..., side, side), each clip rotated by an angle of its own and flipped.

    As Décalcomanie's loader does it: rotated about the centre (bilinear, zeros outside), resized to `scale` times the
    size and then to `side` (both nearest, rounded down, so that `scale` only decides which pixels are met), and
    flipped. Here it is one look-up. Angles are uniform in +-degrees, `flip` is the probability of a flip.
    """
    import torch

    angles, flipped = np.deg2rad(rng.uniform(-degrees, degrees, len(frames))), rng.random(len(frames)) < flip
    given = torch.from_numpy(np.column_stack([np.cos(angles), np.sin(angles), flipped]).astype(np.float32))
    cos, sin, flipped = given.to(frames.device).T[..., None, None]
    height, width = frames.shape[-2:]
    y, x = (
        torch.arange(side, device=frames.device)
        * max(1, int(length * scale))
        // side
        * length
        // max(1, int(length * scale))
        for length in (height, width)
    )
    y, x = (y - (height - 1) / 2)[:, None], (x - (width - 1) / 2)[None]
    x = torch.where(flipped > 0, x.flip(-1), x)
    # for grid_sample the outer pixels' centres are at -1 and 1
    to = [(cos * x - sin * y) / max(width - 1, 1) * 2, (sin * x + cos * y) / max(height - 1, 1) * 2]
    grid = torch.stack(torch.broadcast_tensors(*to), dim=-1)
    flat = frames.reshape(len(frames), -1, height, width)
    turned = torch.nn.functional.grid_sample(flat, grid, padding_mode="zeros", align_corners=True)
    return turned.view(*frames.shape[:-2], side, side)
