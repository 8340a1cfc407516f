"""Flips, rotations, crops, colours and mirrored halves of a batch, on whatever device it lies; each clip draws its own.

- `flip_rotate_crop`: the order, nearest-neighbour sampling and zeros outside are those of torchvision's
  RandomHorizontalFlip, RandomRotation and RandomCrop with padding, one after the other on tensors, as MEMix and MMNet
  have them; one look-up for each input.
- `colour_jitter`: torchvision's ColorJitter, as CapsuleNet has it.
- `decalcomanie`, `rotate_resize_flip`, `resize`: of Décalcomanie (Sensors 22(17):6671), as in its released code.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np


def flip_rotate_crop(
    inputs: Mapping,
    rng: np.random.Generator,
    *,
    degrees: float,
    padding: int,
    flip: float = 0.5,
    joint: bool = True,
    margin: int = 0,
) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the inputs {name: (B, ..., S, S)} augmented, and {name: which clips were flipped, (B,) bool}.

    Parameters
    ----------
    degrees, padding : rotations are uniform in +-degrees, shifts are whole px, uniform in +-padding.
    flip : probability of a horizontal flip.
    joint : one draw for all inputs of a clip, which must be equally large; else one for each.
    margin : px that are left out at each edge of what is returned.
    """
    augmented, flips, draw = {}, {}, None
    for name, x in inputs.items():
        if draw is None or not joint:
            draw = _draw(rng, len(x), degrees, padding, flip)
        flips[name] = draw[0]
        augmented[name] = _apply(x, *draw, margin)
    return augmented, flips


def _draw(rng, count: int, degrees: float, padding: int, flip: float):
    flipped = rng.random(count) < flip
    angles = np.deg2rad(rng.uniform(-degrees, degrees, count))
    shifts = rng.integers(-padding, padding + 1, (count, 2))
    return flipped, angles, shifts


def _apply(x, flipped: np.ndarray, angles: np.ndarray, shifts: np.ndarray, margin: int = 0):
    """Look up every pixel's source, on a CPU in one compiled pass: the step of a small network waited for the many."""
    import torch

    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.uint8):
        return _apply_anywhere(x, flipped, angles, shifts, margin)
    from apexbench.methods.networks.look_up_kernel import look_up

    side = x.shape[-1] - 2 * margin
    found = x.new_empty((*x.shape[:-2], side, side))
    cos, sin = (f(angles).astype(np.float32) for f in (np.cos, np.sin))
    pictures = x.contiguous().flatten(1, -3).flatten(2).numpy()
    look_up(pictures, cos, sin, shifts, flipped, margin, found.flatten(1, -3).numpy())
    return found


def _apply_anywhere(x, flipped: np.ndarray, angles: np.ndarray, shifts: np.ndarray, margin: int = 0):
    """Look up every pixel's source: through the crop to the rotated picture, from there to the flipped original."""
    import torch

    side = x.shape[-1]
    given = torch.from_numpy(np.column_stack([np.cos(angles), np.sin(angles), shifts, flipped]).astype(np.float32))
    cos, sin, down, right, flipped_ = given.to(x.device).T[..., None, None]
    place = torch.arange(margin, side - margin, device=x.device, dtype=torch.float32)
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
    return flat.gather(2, wanted).view(*x.shape[:-2], *index.shape[1:])


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
        x.mul_(drawn(1, brightness))

    def from_mean(x):
        mean = _gray(x).mean((2, 3), keepdim=True)
        x.sub_(mean).mul_(drawn(1, contrast)).add_(mean)

    def from_gray(x):
        gray = _gray(x)
        x.sub_(gray).mul_(drawn(1, saturation)).add_(gray)

    def turned(x):
        _turn_hue(x, drawn(0, hue))

    frames = frames.clone()  # changed in place from here on: memory is what such a step waits for
    changes = [from_zero, from_mean, from_gray, turned]
    for place in rng.permutation(len(changes)):
        changes[place](frames)
        frames.clamp_(0, 1)
    return frames


def _gray(x):
    red, green, blue = x.split(1, 1)
    return (red * 0.2989).add_(green * 0.587).add_(blue * 0.114)


def _turn_hue(x, turn):
    """Turn the hue of x (B, 3, H, W) by `turn` (B, 1, 1, 1) of a circle, in place; value and saturation stay."""
    import torch

    red, green, blue = x.split(1, 1)
    high, low = torch.maximum(red, green), torch.minimum(red, green)
    torch.maximum(high, blue, out=high)
    reach = high - torch.minimum(low, blue, out=low)
    # 1. or 0., and a choice between two by lerp: on a CPU bool tensors cost four times as much
    is_red, is_green = red.clone().eq_(high), green.clone().eq_(high)
    x.div_(reach.clamp(min=1e-30))  # of gray, whose sixths do not matter, a finite number
    sixths = (4 + red).sub_(green).lerp_((2 + blue).sub_(red), is_green).lerp_(green - blue, is_red)
    torch.add(x.new_tensor([5, 3, 1])[:, None, None], sixths.add_(6 * turn), out=x)
    x.sub_((x / 6).floor_(), alpha=6)
    torch.minimum(x, 4 - x, out=x).clamp_(0, 1).mul_(reach)
    torch.sub(high, x, out=x)


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
    height, width = frames.shape[-2:]
    y, x = (_met(length, side, scale) for length in (height, width))
    y, x = y[None], np.where(flipped[:, None], x[::-1], x)
    # for grid_sample the outer pixels' centres are at -1 and 1
    to = _rotated(y, x, angles, frames.device)
    for one, length in zip(to, (width, height), strict=True):
        one.div_(max(length - 1, 1)).mul_(2)
    flat = frames.reshape(len(frames), -1, height, width)
    turned = torch.nn.functional.grid_sample(flat, to.movedim(0, -1), padding_mode="zeros", align_corners=True)
    return turned.view(*frames.shape[:-2], side, side)


def _rotated(y: np.ndarray, x: np.ndarray, angles: np.ndarray, device):
    """Return x and y (2, B, H, W) float32 of all places (y, x), (B, H) and (B, W) float32, turned by angles (B,).

    What is of a row or a column alone is found by NumPy, whose calls cost less.
    """
    import torch

    cos, sin = (f(angles).astype(np.float32)[:, None] for f in (np.cos, np.sin))
    by_x, by_y = (torch.from_numpy(np.stack(both)).to(device) for both in ([cos * x, sin * x], [-sin * y, cos * y]))
    return by_x[:, :, None] + by_y[..., None]


@cache
def _met(length: int, side: int, scale: float) -> np.ndarray:
    """Return which of `length` pixels are met, (side,) float32 from their centre, where they are resized twice."""
    between = max(1, int(length * scale))
    return (np.arange(side) * between // side * length // between).astype(np.float32) - np.float32((length - 1) / 2)
