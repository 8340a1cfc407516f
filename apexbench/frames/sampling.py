"""Which frames of a clip go on, before anything else is made of them (magnification, flow, features).

A choice either knows from the frame numbers alone what it takes, or it has to see the pixels:

- `rows` is for the former (`all`, `key-frames`, `near-keys`, `around-apex`, `first`, `uniform`): it gives the rows of
  the frames, so that no other frame is read from the disk, let alone cropped;
- `resample` is for the latter (`most-moving`, `tim`): it takes the crops of all frames and gives frames.

`CHOICES[kind].pixels` tells which. A number whose frame is missing is replaced by the nearest that exists, the earlier
of two, but for `around-apex`, which interpolates. The options of a kind are the keyword-only arguments of its function,
whose defaults are those of its source.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from apexbench.errors import nearest

_EXACT = 2.0**40  # weights of TIM are multiples of 1 / _EXACT: then float64 sums of grey levels have no rounding at all
_NUMBERS = 1 << 22  # float64, that TIM has in memory at a time


class Rows(NamedTuple):
    """What `rows` gives.

    Attributes
    ----------
    rows : (K,), or (2, K) near the keys, int64: positions among the numbers that were given. Around the apex float64: a
        frame may lie between two of them, and `take` interpolates it.
    lengths : (2,) int64 how many of each key's rows hold, the rest repeats the last of them; None: all hold.
    """

    rows: np.ndarray
    lengths: np.ndarray | None = None


class Resampled(NamedTuple):
    """What `resample` gives.

    Attributes
    ----------
    frames : (K, H, W[, C]) uint8.
    places : (K,) float64, where each lies among the rows of the clip; whole numbers if frames are only chosen.
    """

    frames: np.ndarray
    places: np.ndarray


@dataclass(frozen=True)
class Choice:
    """A kind of choice.

    Attributes
    ----------
    choose : (numbers (T,), onset, apex, *, options) -> Rows, or of pixels: (frames, *, options) -> Resampled.
    axes : the axes of what it gives, before the pixel's.
    pixels : whether it has to see the pixels of all frames.
    """

    choose: Callable
    axes: tuple[str, ...]
    pixels: bool = False


def rows(kind: str, numbers: Sequence[int], onset: int, apex: int, **options) -> Rows:
    """Choose frames by their numbers.

    Parameters
    ----------
    kind : a kind of `CHOICES` that needs no pixels.
    numbers : (T,) numbers of the frames that exist, onset to offset, ascending; the last one stands for the offset.
    onset, apex : numbers of the key frames.
    options : of the kind.

    Returns
    -------
    Rows

    Raises ValueError for an unknown kind, one that needs pixels, numbers that are none or not ascending, or an option
    out of its range.

    Examples
    --------
    >>> rows("key-frames", [10, 11, 13, 14], onset=10, apex=12).rows  # 12 is missing
    array([0, 1])
    >>> rows("first", [10, 11, 12], 10, 12, count=5).rows
    array([0, 1, 2, 2, 2])
    """
    choice = _choice(kind)
    if choice.pixels:
        raise ValueError(f"the choice {kind!r} needs the pixels of all frames: call resample")
    numbers = np.asarray(numbers)
    if numbers.ndim != 1 or not len(numbers) or (np.diff(numbers) <= 0).any():
        raise ValueError(f"numbers: expected one or more frame numbers, ascending, got {numbers.tolist()}")
    return choice.choose(numbers, onset, apex, **options)


def resample(kind: str, frames: np.ndarray, **options) -> Resampled:
    """Choose or interpolate frames by their pixels.

    Parameters
    ----------
    kind : a kind of `CHOICES` that needs pixels.
    frames : (T, H, W) or (T, H, W, C) uint8, all frames of the clip from onset to offset; C is 1 or 3 (RGB).
    options : of the kind.

    Returns
    -------
    Resampled

    Raises ValueError for an unknown kind, one that needs no pixels, other arrays, or an option out of its range.

    Examples
    --------
    >>> ramp = np.arange(0, 50, 10, dtype=np.uint8).reshape(5, 1, 1)
    >>> resample("tim", ramp, count=3).frames.ravel()
    array([ 0, 20, 40], dtype=uint8)
    """
    choice = _choice(kind)
    if not choice.pixels:
        raise ValueError(f"the choice {kind!r} needs frame numbers, not pixels: call rows")
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim < 3 or frames.shape[3:] not in ((), (1,), (3,)) or 0 in frames.shape:
        raise ValueError(f"expected uint8 frames (T, H, W) or (T, H, W, 1 or 3), got {frames.dtype} {frames.shape}")
    return choice.choose(frames, **options)


def check_choice(kind: str, **options) -> None:
    """Raise what `rows` or `resample` would raise for this kind and these options, without any clip.

    ValueError for a kind or a value, TypeError for an option that the kind does not have.
    """
    if _choice(kind).pixels:
        resample(kind, np.zeros((2, 1, 1), np.uint8), **options)
    else:
        rows(kind, [0, 1], 0, 1, **options)


def take(frames: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the frames at some places, which may lie between two of them.

    Parameters
    ----------
    frames : (T, H, W) or (T, H, W, C) uint8.
    places : any shape, 0..T-1: whole numbers, or floats, where both neighbours are mixed linearly and rounded to uint8.

    Examples
    --------
    >>> ramp = np.uint8([0, 10, 40]).reshape(3, 1, 1)
    >>> take(ramp, np.array([0.5, 2.0])).ravel()
    array([ 5, 40], dtype=uint8)
    """
    low = np.floor(places).astype(int)
    taken, between = frames[low], low != places
    if between.any():
        part = np.float32(places - low)[between].reshape(-1, *(1,) * (frames.ndim - 1))
        mixed = (1 - part) * frames[low[between]] + part * frames[low[between] + 1]
        taken[between] = np.rint(mixed)
    return taken


def all_frames(numbers: np.ndarray, onset: int, apex: int) -> Rows:
    """Take every frame: (T,), as many as the clip has."""
    return Rows(np.arange(len(numbers)))


def key_frames(numbers: np.ndarray, onset: int, apex: int) -> Rows:
    """Take onset and apex: (2,)."""
    return Rows(_nearest_row(numbers, [onset, apex]))


def near_keys(
    numbers: np.ndarray,
    onset: int,
    apex: int,
    *,
    after_onset: float = 0.0,
    before_apex: float = 0.0,
    after_apex: float = 0.0,
    around_apex: int = 0,
) -> Rows:
    """Take all frames that a jitter allows near each key frame: (2, K) and lengths (2,).

    With d1 from onset to apex and d2 from apex to offset, in frames, they are onset .. onset + floor(after_onset d1/4)
    and apex - floor(before_apex d1/4) .. apex + floor(after_apex d2/4): the frames from which MMNet's released code
    (IJCAI 2022) draws in training, with 0.15, 0.15 and 0 for five classes and 0.2, 0.15 and 0.15 for three. With
    around_apex, and those up to so many frames before and after the apex: CapsuleNet's (FG 2019) draws from 2. Each key
    frame comes first, the others by their distance from it, the earlier of two first; shorter rows repeat their last.
    A missing frame is left out, but for the key frame itself, which gives way to the nearest.

    Raises ValueError if a part is not in 0..1, or around_apex is below 0.
    """
    for name, part in (("after_onset", after_onset), ("before_apex", before_apex), ("after_apex", after_apex)):
        if not 0 <= part <= 1:
            raise ValueError(f"{name}: expected a part of a quarter of the rise or fall, 0 to 1, got {part!r}")
    if around_apex < 0:
        raise ValueError(f"around_apex: expected a whole number of frames from 0 up, got {around_apex!r}")
    rise, fall = max(apex - onset, 0), max(int(numbers[-1]) - apex, 0)
    later, earlier, past = int(after_onset * rise / 4), int(before_apex * rise / 4), int(after_apex * fall / 4)
    earlier, past = max(earlier, around_apex), max(past, around_apex)
    groups = []
    for key, low, high in ((onset, onset, onset + later), (apex, apex - earlier, apex + past)):
        first = _nearest_row(numbers, [key])
        allowed = np.flatnonzero((numbers >= low) & (numbers <= high))
        others = allowed[allowed != first]
        groups.append(np.concatenate([first, others[np.abs(numbers[others] - key).argsort(kind="stable")]]))
    lengths = np.array([len(group) for group in groups])
    return Rows(np.stack([np.pad(group, (0, lengths.max() - len(group)), "edge") for group in groups]), lengths)


def around_apex(numbers: np.ndarray, onset: int, apex: int, *, reach: int = 5) -> Rows:
    """Take the onset, then the frames from `reach` before the apex to `reach` after it: (1 + 2 reach + 1,).

    SLSTT (TAFFC 2022): flow from the onset to 11 frames, none before the one after the onset, none after the offset.
    What such a clip lacks, its released code makes by a network that interpolates video (RIFE). Which, is not known;
    ours: as many places, spread evenly from the first to the last frame that is left, and `take` mixes neighbours
    linearly. A frame whose file is missing is interpolated likewise. A clip of one frame repeats it.

    Raises ValueError if `reach` is below 0.
    """
    if isinstance(reach, bool) or not isinstance(reach, int | np.integer) or reach < 0:
        raise ValueError(f"reach: expected a whole number of frames from 0 up, got {reach!r}")
    last = int(numbers[-1])
    earliest = min(max(apex - reach, onset + 1), last)
    wanted = np.linspace(earliest, max(min(apex + reach, last), earliest), 2 * reach + 1)
    return Rows(np.interp([onset, *wanted], numbers, np.arange(len(numbers))))


def first(numbers: np.ndarray, onset: int, apex: int, *, count: int = 30) -> Rows:
    """Take the first `count` frames that exist: (count,); a shorter clip repeats its last frame.

    MLSP-2024's released code: 30 frames of SAMM and CASME II, 10 of SMIC. What it does with a shorter clip is not
    known.

    Raises ValueError if `count` is below 1.
    """
    return Rows(np.minimum(np.arange(_count(count)), len(numbers) - 1))


def uniform(numbers: np.ndarray, onset: int, apex: int, *, count: int = 30) -> Rows:
    """Take `count` frames evenly from onset to offset: (count,), linspace(0, offset - onset, count) rounded down.

    The dual-branch code after MLSP-2024 does so on SAMM. In a shorter clip the rounding repeats frames, evenly; of
    one frame it is the onset.

    Raises ValueError if `count` is below 1.
    """
    steps = np.linspace(0, numbers[-1] - numbers[0], _count(count)).astype(np.int64)
    return Rows(_nearest_row(numbers, numbers[0] + steps))


def most_moving(frames: np.ndarray, *, count: int = 30) -> Resampled:
    """Take the `count` frames before the largest changes, in their order: (count, H, W[, C]).

    The dual-branch code after MLSP-2024 does so on CASME II and CAS(ME)^3: the absolute difference of each frame and
    the next, made gray, summed over all pixels; of a pair it takes the earlier frame, so never the last of the clip.
    Ours, where that is not known: of equal changes the earlier frames are taken; a clip of `count` pairs or fewer gives
    all its earlier frames, repeated evenly as `uniform` repeats; a single frame is repeated.

    Raises ValueError if `count` is below 1.
    """
    pairs = len(frames) - 1
    if pairs <= _count(count):
        chosen = np.linspace(0, max(pairs - 1, 0), count).astype(np.int64)
    else:
        changes = np.array([_change(*pair) for pair in pairwise(frames)])
        chosen = np.sort((-changes).argsort(kind="stable")[:count])
    return Resampled(frames[chosen], chosen.astype(np.float64))


def tim(frames: np.ndarray, *, count: int = 10) -> Resampled:
    """Interpolate to `count` frames, evenly from the first to the last: (count, H, W[, C]), rounded to uint8.

    The temporal interpolation model of Zhou, Zhao and Pietikäinen (CVPR 2011), ten frames in most micro-expression
    work (after Pfister et al., ICCV 2011). Frames less their mean are laid, by an SVD and least squares, on a curve
    whose components are the eigenvectors of a path graph, cos(pi k (i - 1/2) / n). These are a basis of all that has
    no mean, so the fit is exact, and the whole is one matrix that depends on n and `count` alone (`tim_weights`): no
    SVD is needed, and repeated frames, which the original cannot have, do no harm. A shorter clip is interpolated too;
    a clip of `count` frames stays as it is; a single frame is repeated.

    The sums are exact, so the same on every processor. Raises ValueError if `count` is below 1.
    """
    weights = tim_weights(len(frames), _count(count))
    flat = frames.reshape(len(frames), -1)
    out = np.empty((count, flat.shape[1]), np.uint8)
    step = max(_NUMBERS // len(frames), 1)
    for start in range(0, flat.shape[1], step):
        part = slice(start, start + step)
        out[:, part] = np.clip(np.rint(weights @ flat[:, part].astype(np.float64)), 0, 255)
    return Resampled(out.reshape(count, *frames.shape[1:]), np.linspace(0, len(frames) - 1, count))


@lru_cache(maxsize=64)
def tim_weights(length: int, count: int) -> np.ndarray:
    """Return what each of `length` frames gives to each of `count` interpolated ones, (count, length) float64.

    Component k = 1 .. n - 1 of the curve at time t in [1/n, 1] is sin(pi k t + pi (n - k) / (2 n)).
    """
    k = np.arange(1, length)

    def curve(time: np.ndarray) -> np.ndarray:
        return np.sin(np.pi * np.outer(time, k) + np.pi * (length - k) / (2 * length))

    wanted = curve(np.linspace(1 / length, 1, count))
    given = np.array_split(np.arange(1, length + 1) / length, math.ceil(length * length / _NUMBERS))
    sums = np.concatenate([wanted @ curve(part).T for part in given], axis=1)
    weights = np.rint((1 + 2 * sums) / length * _EXACT) / _EXACT
    weights.flags.writeable = False
    return weights


CHOICES = {
    "all": Choice(all_frames, ("frame",)),
    "key-frames": Choice(key_frames, ("key",)),
    "near-keys": Choice(near_keys, ("key", "near")),
    "around-apex": Choice(around_apex, ("frame",)),
    "first": Choice(first, ("frame",)),
    "uniform": Choice(uniform, ("frame",)),
    "most-moving": Choice(most_moving, ("frame",), pixels=True),
    "tim": Choice(tim, ("frame",), pixels=True),
}


def _choice(kind: str) -> Choice:
    if kind not in CHOICES:
        raise ValueError(f"unknown choice of frames {kind!r}; {nearest(kind, CHOICES)}")
    return CHOICES[kind]


def _count(count: int) -> int:
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise ValueError(f"count: expected a whole number of frames from 1 up, got {count!r}")
    return int(count)


def _nearest_row(numbers: np.ndarray, wanted: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.abs(np.asarray(wanted)[:, None] - numbers).argmin(-1)  # the first of two: the earlier


def _change(frame: np.ndarray, following: np.ndarray) -> int:
    moved = cv2.absdiff(frame, following)
    gray = cv2.cvtColor(moved, cv2.COLOR_RGB2GRAY) if moved.shape[2:] == (3,) else moved
    return int(gray.sum(dtype=np.int64))
