"""Motion magnification arms: how a recipe makes small motion larger before flow or features are taken.

Factor convention: a factor is the total. A displacement d becomes factor * d, and 1 changes nothing. MagNet's ports
count so too; the Eulerian literature counts what is added, factor - 1.

A magnifier that learns must never see test subjects; the arms here learn nothing. Linear Eulerian magnification (Wu
et al. 2012) is covered by patents of MIT and Quanta.
"""

import difflib
from collections.abc import Sequence

import cv2
import numpy as np

ARMS = ("none", "evm")
MODES = ("onset", "video")
_FINEST_WAVELENGTH = 3.0  # px; the band of pyramid level i is around 3 * 2^i px
_SMALLEST_SIDE = 4
_FILTER_ORDER = 2


def magnify(
    reference: np.ndarray,
    target: np.ndarray,
    arm: str,
    factor: float | None = None,
    *,
    displacement: float = 0.5,
    levels: int = 5,
) -> np.ndarray:
    """Magnify the motion from `reference` (the onset frame) to `target`.

    Parameters
    ----------
    reference, target : (H, W) or (H, W, C) arrays
        Images of one size and type, uint8 or float in [0, 1].
    arm : {"none", "evm"}
        "none" hands `target` back. "evm" is linear Eulerian magnification of two frames: the Laplacian pyramid of
        target - reference, each level times its own factor, added to the target.
    factor : float
        Total magnification, 1 or more: displacement d becomes factor * d. Needed by "evm".
    displacement : float
        Largest motion to expect, in px. Linear magnification holds only while factor * d < wavelength / 8, so the
        factor of a level ends there: at 0.5 px nothing is gained from factors above about 11. The setting "cut-off
        wavelength L" of other implementations is displacement = L / 8 / factor.
    levels : int
        Band-pass levels of the pyramid. The finest, mostly noise, and the low-pass rest, mostly light, are left alone.

    Returns
    -------
    array like `target`
        Clipped to the range of its type.

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
    _check_arm(arm, factor, displacement, levels)
    _check_image(target, "target", dims=(2, 3))
    if reference.shape != target.shape or reference.dtype != target.dtype:
        raise ValueError(
            f"reference and target differ: {reference.shape} {reference.dtype} and {target.shape} {target.dtype}; "
            "bring them to one size and type"
        )
    if arm == "none":
        return target
    _check_image(reference, "reference", dims=(2, 3))
    change = np.subtract(target, reference, dtype=np.float32)
    return _add(target, _collapsed(*_pyramid(change, levels), factor, displacement))


def magnify_clip(
    frames: np.ndarray,
    arm: str,
    factor: float | None = None,
    fps: float | None = None,
    factors: Sequence[float] | None = None,
    *,
    mode: str = "onset",
    band: Sequence[float] | None = None,
    onset: int = 0,
    displacement: float = 0.5,
    levels: int = 5,
) -> np.ndarray:
    """Magnify the motion in a clip, by one factor or by several at the price of one pyramid.

    Parameters
    ----------
    frames : (T, H, W) or (T, H, W, C) array
        The clip, uint8 or float in [0, 1].
    arm, factor, displacement, levels
        As in `magnify`.
    fps : float
        Frames per second. Needed by mode "video".
    factors : M floats
        In place of `factor`: the result gets an axis for them, each as `factor` alone would give it.
    mode : {"onset", "video"}
        "onset" magnifies each frame against the onset frame. "video" magnifies what a temporal band-pass leaves of
        each pixel: a second-order Butterworth filter, run forwards and backwards so that the apex stays in its place
        (its gain is thus squared: one half at both ends of the band).
    band : (low, high)
        Pass band of mode "video" in Hz, 0 < low < high < fps / 2.
    onset : int
        Index of the onset frame in `frames`, for mode "onset".

    Returns
    -------
    array like `frames`, or with `factors` (T, M, H, W[, C]); arm "none" hands `frames` itself back, without that axis.

    Raises ValueError for options out of their range, both `factor` and `factors`, or other arrays.

    Examples
    --------
    >>> import numpy as np
    >>> clip = np.full((30, 32, 32), 100, np.uint8)
    >>> bool((magnify_clip(clip, "evm", 10, fps=100, mode="video", band=(5, 20)) == clip).all())
    True
    """
    frames = np.asarray(frames)
    check_clip_options(arm, factor, fps, factors, mode=mode, band=band, displacement=displacement, levels=levels)
    _check_image(frames, "frames", dims=(3, 4))
    if mode == "onset" and not -len(frames) <= onset < len(frames):
        raise ValueError(f"onset: expected the index of one of {len(frames)} frames, got {onset}")
    if arm == "none":
        return frames
    if mode == "video":
        # The filter over time and the pyramid over space are linear and commute: one filter over the frames does.
        changes = _band_pass(frames, _check_band(band, fps))
    else:
        changes = (np.subtract(frame, frames[onset], dtype=np.float32) for frame in frames)
    chosen = [factor] if factors is None else list(factors)
    magnified = np.empty((len(frames), len(chosen), *frames.shape[1:]), frames.dtype)
    for frame, change, out in zip(frames, changes, magnified, strict=True):
        pyramid = _pyramid(change, levels)
        for each, place in zip(chosen, out, strict=True):
            place[...] = _add(frame, _collapsed(*pyramid, each, displacement))
    return magnified[:, 0] if factors is None else magnified


def check_clip_options(
    arm: str,
    factor: float | None = None,
    fps: float | None = None,
    factors: Sequence[float] | None = None,
    *,
    mode: str = "onset",
    band: Sequence[float] | None = None,
    onset: int = 0,
    displacement: float = 0.5,
    levels: int = 5,
) -> None:
    """Raise the ValueError that `magnify_clip` would raise for these options, without any clip."""
    if factors is None:
        _check_arm(arm, factor, displacement, levels)
    elif factor is not None:
        raise ValueError(f"give either factor or factors, not both: {factor!r} and {factors!r}")
    elif not len(factors):
        raise ValueError("factors: expected one or more numbers, got none")
    else:
        for each in factors:
            _check_arm(arm, each, displacement, levels)
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}{_nearest(mode, MODES)}; known: {', '.join(MODES)}")
    if arm != "none" and mode == "video":
        _check_band(band, fps)


def _pyramid(change: np.ndarray, levels: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The Laplacian pyramid of `change`: band-pass levels, the finest first, and the low-pass rest."""
    bands, smooth = [], change
    while len(bands) < levels and min(smooth.shape[:2]) >= 2 * _SMALLEST_SIDE:
        smaller = cv2.pyrDown(smooth)
        bands.append(smooth - _enlarged(smaller, smooth))
        smooth = smaller
    return bands, smooth


def _collapsed(bands: list[np.ndarray], rest: np.ndarray, factor: float, displacement: float) -> np.ndarray:
    """What to add to the target: the sum of the inner levels, each times its factor."""
    added = np.zeros_like(rest)
    for level, band in reversed(list(enumerate(bands))):
        added = _enlarged(added, band)
        if level > 0:
            bound = _FINEST_WAVELENGTH * 2**level / (8 * displacement) - 1
            added += max(0.0, min(factor - 1, bound)) * band
    return added


def _enlarged(image: np.ndarray, like: np.ndarray) -> np.ndarray:
    return cv2.pyrUp(image, dstsize=like.shape[1::-1]).reshape(like.shape)


def _add(image: np.ndarray, added: np.ndarray) -> np.ndarray:
    added = added.reshape(image.shape)
    if image.dtype == np.uint8:
        return np.clip(np.rint(image + added), 0, 255).astype(np.uint8)
    return np.clip(image + added, 0, 1).astype(image.dtype)


def _band_pass(frames: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """Filter each pixel over time; `band` in units of half the frame rate."""
    from scipy import signal  # takes most of a second, and only this mode needs it

    sections = signal.butter(_FILTER_ORDER, band, btype="bandpass", output="sos")
    padding = min(len(frames) - 1, 3 * (2 * len(sections) + 1))
    return signal.sosfiltfilt(sections, frames.astype(np.float32), axis=0, padlen=padding).astype(np.float32)


def _check_band(band: Sequence[float] | None, fps: float | None) -> tuple[float, float]:
    if band is None or fps is None:
        raise ValueError("mode 'video' needs band=(low, high) in Hz and fps")
    if len(band) != 2 or not 0 < band[0] < band[1] < fps / 2:
        raise ValueError(f"band: expected 0 < low < high < {fps / 2:g} Hz (half of {fps:g} fps), got {tuple(band)}")
    return band[0] / (fps / 2), band[1] / (fps / 2)


def _check_arm(arm: str, factor: float | None, displacement: float, levels: int) -> None:
    if arm not in ARMS:
        raise ValueError(f"unknown magnification arm {arm!r}{_nearest(arm, ARMS)}; known: {', '.join(ARMS)}")
    if arm == "none":
        return
    if factor is None or not 1 <= factor < np.inf:
        raise ValueError(
            f"arm {arm!r} needs a factor, 1 or more, got {factor!r}: a displacement d becomes factor * d, and 1 changes "
            f"nothing (papers that count what is added have one less)"
        )
    if not displacement > 0:
        raise ValueError(f"displacement: expected px above 0, got {displacement!r}")
    if levels < 2:
        raise ValueError(f"levels: expected 2 or more, as the finest is left out, got {levels!r}")


def _check_image(image: np.ndarray, name: str, dims: tuple[int, int]) -> None:
    if image.ndim not in dims or 0 in image.shape:
        raise ValueError(f"{name}: expected {dims[0]} dimensions, or {dims[1]} with colour, got shape {image.shape}")
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


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
    return f", did you mean {close[0]!r}?" if close else ""
