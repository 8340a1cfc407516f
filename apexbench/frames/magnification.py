"""Motion magnification: how a recipe makes small motion larger before flow or features are taken.

Factor convention: a factor is the total. A displacement d becomes factor * d, and 1 changes nothing. MagNet's ports
count so too; the Eulerian literature counts what is added, factor - 1.

The arms are in `frames/magnifying`. None of them may see test subjects: what is learned, was learned elsewhere.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from apexbench.frames.magnifying import Arm, create


def magnify(
    reference: np.ndarray,
    target: np.ndarray,
    arm: str | Arm,
    factor: float | None = None,
    *,
    device: str = "cpu",
    **options: Any,
) -> np.ndarray:
    """Magnify the motion from `reference` (the onset frame) to `target`.

    Parameters
    ----------
    reference, target : (H, W) or (H, W, 1 or 3) arrays
        Images of one size and type, uint8 or float in [0, 1].
    arm : str or Arm
        A module of `frames/magnifying`: "none" hands `target` back, "evm", "phase", "flow-warp", "magnet".
    factor : float
        Total magnification, 1 or more: displacement d becomes factor * d. Needed by all arms but "none".
    device, options
        As in `frames.magnifying.create`.

    Returns
    -------
    array like `target`
        Clipped to the range of its type.

    Raises InputError for an unknown arm or option, ValueError for a factor below 1 and for other arrays.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.tile(np.arange(64, dtype=np.uint8) * 2, (64, 1))
    >>> bool((magnify(ramp, ramp + 1, "none") == ramp + 1).all())
    True
    >>> bool((magnify(ramp, ramp, "evm", 5) == ramp).all())
    True
    """
    reference, target = np.asarray(reference), np.asarray(target)
    arm = create(arm, options, device=device) if isinstance(arm, str) else arm
    _check_image(target, "target", dims=(2, 3))
    if reference.shape != target.shape or reference.dtype != target.dtype:
        raise ValueError(
            f"reference and target differ: {reference.shape} {reference.dtype} and {target.shape} {target.dtype}; "
            "bring them to one size and type"
        )
    if not arm.changes:
        return target
    _check_image(reference, "reference", dims=(2, 3))
    return magnify_clip(np.stack([reference, target]), arm, factor)[1]


def magnify_clip(
    frames: np.ndarray,
    arm: str | Arm,
    factor: float | None = None,
    fps: float | None = None,
    factors: Sequence[float] | None = None,
    *,
    onset: int = 0,
    device: str = "cpu",
    **options: Any,
) -> np.ndarray:
    """Magnify the motion in a clip, by one factor or by several at the price of one pyramid, flow or encoding.

    Parameters
    ----------
    frames : (T, H, W) or (T, H, W, 1 or 3) array
        The clip, uint8 or float in [0, 1].
    arm, factor, device, options
        As in `magnify`. An `Arm` may be given for its name, so that many clips share its network.
    fps : float
        Frames per second. Needed by EVM's mode "video".
    factors : M floats
        In place of `factor`: the result gets an axis for them, each as `factor` alone would give it.
    onset : int
        Index in `frames` of the onset frame, against which each frame is magnified.

    Returns
    -------
    array like `frames`, or with `factors` (T, M, H, W[, C]); arm "none" hands `frames` itself back, without that axis.

    Raises InputError for an unknown arm or option; ValueError for both `factor` and `factors`, a factor below 1, frames
    that are too small for the arm, and other arrays.

    Examples
    --------
    >>> import numpy as np
    >>> clip = np.full((30, 32, 32), 100, np.uint8)
    >>> bool((magnify_clip(clip, "evm", 11, fps=100, mode="video", band=(5, 20)) == clip).all())
    True
    """
    frames = np.asarray(frames)
    arm = create(arm, options, device=device) if isinstance(arm, str) else arm
    _check_image(frames, "frames", dims=(3, 4))
    if not -len(frames) <= onset < len(frames):
        raise ValueError(f"onset: expected the index of one of {len(frames)} frames, got {onset}")
    if not arm.changes:
        return frames
    if factors is not None and factor is not None:
        raise ValueError(f"give either factor or factors, not both: {factor!r} and {factors!r}")
    chosen = [factor] if factors is None else list(factors)
    check_arm(arm, chosen, fps, min(frames.shape[1:3]))
    whole = frames if frames.ndim == 4 else frames[..., None]
    magnified = np.empty((len(whole), len(chosen), *whole.shape[1:]), frames.dtype)
    for pictures, out in zip(arm(whole, chosen, onset, fps), magnified, strict=True):
        if frames.dtype == np.uint8:
            pictures = np.clip(np.rint(pictures), 0, 255)
        out[...] = pictures if frames.dtype == np.uint8 else np.clip(pictures, 0, 1)
    magnified = magnified.reshape(len(frames), len(chosen), *frames.shape[1:])
    return magnified[:, 0] if factors is None else magnified


def check_arm(arm: Arm, factors: Sequence[float | None], fps: float | None, size: int) -> None:
    """Raise the ValueError that `magnify_clip` would raise for factors, a frame rate, and frames of `size` px."""
    if not arm.changes:
        return
    check_factors(factors)
    if size < arm.smallest:
        fewer = ", or fewer levels" if "levels" in type(arm.options).model_fields else ""
        raise ValueError(
            f"frames of {size} px are too small for {type(arm).__name__} as it is set, {arm.smallest} px is the least: "
            f"take a larger crop{fewer}"
        )
    arm.check(fps)


def check_factors(factors: Sequence[float | None]) -> None:
    """Raise ValueError if there are no factors, or one is below 1."""
    if not len(factors):
        raise ValueError("factors: expected one or more numbers, got none")
    for factor in factors:
        if factor is None or not 1 <= factor < np.inf:
            raise ValueError(
                f"a factor is a total magnification, 1 or more, got {factor!r}: a displacement d becomes factor * d, "
                f"and 1 changes nothing (papers that count what is added have one less)"
            )


def _check_image(image: np.ndarray, name: str, dims: tuple[int, int]) -> None:
    if image.ndim not in dims or 0 in image.shape:
        raise ValueError(f"{name}: expected {dims[0]} dimensions, or {dims[1]} with colour, got shape {image.shape}")
    if image.ndim == dims[1] and image.shape[-1] not in (1, 3):
        raise ValueError(f"{name}: expected 1 or 3 colours, got shape {image.shape}")
    if image.dtype == np.uint8:
        return
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"{name}: expected uint8 or float in [0, 1], got {image.dtype}; convert to uint8")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):  # false for NaN too
        raise ValueError(
            f"{name}: expected float values in [0, 1], got {low:g} to {high:g}; "
            "divide 0..255 images by 255 and replace NaN before"
        )
