"""Linear Eulerian magnification (Wu et al., SIGGRAPH 2012): changes of brightness, level by level, times a factor.

It is covered by patents of MIT and Quanta. What it can do is bounded: factor * displacement < wavelength / 8.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import cv2
import numpy as np
from pydantic import Field, model_validator

from apexbench.frames.magnifying.base import Arm, Options

_FINEST_WAVELENGTH = 3.0  # px; the band of pyramid level i is around 3 * 2^i px
_SMALLEST_SIDE = 4
_FILTER_ORDER = 2


class EVMOptions(Options):
    """What linear magnification leaves open.

    Attributes
    ----------
    mode : "onset" magnifies each frame against the onset frame. "video" magnifies what a temporal band-pass leaves of
        each pixel: a second-order Butterworth filter, run forwards and backwards so that the apex stays in its place
        (its gain is thus squared: one half at both ends of the band).
    band : pass band of mode "video" in Hz, 0 < low < high < fps / 2.
    displacement : largest motion to expect, in px. The factor of a level ends where linear magnification does: at 0.5
        px nothing is gained from factors above about 11. The setting "cut-off wavelength L" of other implementations is
        displacement = L / 8 / factor.
    levels : band-pass levels of the pyramid at most. The finest, mostly noise, and the low-pass rest, mostly light, are
        left alone.
    """

    mode: Literal["onset", "video"] = "onset"
    band: tuple[float, float] | None = None
    displacement: float = Field(default=0.5, gt=0, allow_inf_nan=False)
    levels: int = Field(default=5, ge=2)

    @model_validator(mode="after")
    def _video_has_a_band(self):
        if self.mode == "video" and self.band is None:
            raise ValueError("mode 'video' needs band: [low, high] in Hz")
        if self.band and not 0 < self.band[0] < self.band[1]:
            raise ValueError(f"band: expected 0 < low < high in Hz, got {self.band}")
        return self


class EVM(Arm):
    """The Laplacian pyramid of each change, each level times its own factor, added to the frame."""

    Options = EVMOptions
    smallest = 4 * _SMALLEST_SIDE - 1  # of which two levels can be made; the finest alone would change nothing

    def check(self, fps: float | None) -> None:
        if self.options.mode == "video":
            self._band(fps)

    def __call__(self, frames, factors: Sequence[float], onset: int, fps: float | None) -> Iterator[np.ndarray]:
        if self.options.mode == "video":
            # The filter over time and the pyramid over space are linear and commute: one filter over the frames does.
            changes = _band_pass(frames, self._band(fps))
        else:
            changes = (np.subtract(frame, frames[onset], dtype=np.float32) for frame in frames)
        for frame, change in zip(frames, changes, strict=True):
            bands, rest = _pyramid(change, self.options.levels)
            yield np.stack(
                [frame + _collapsed(bands, rest, x, self.options.displacement).reshape(frame.shape) for x in factors]
            )

    def _band(self, fps: float | None) -> tuple[float, float]:
        """The pass band in units of half the frame rate."""
        if fps is None:
            raise ValueError("mode 'video' needs fps, frames per second")
        low, high = self.options.band
        if high >= fps / 2:
            raise ValueError(
                f"band: expected 0 < low < high < {fps / 2:g} Hz (half of {fps:g} fps), got ({low}, {high})"
            )
        return low / (fps / 2), high / (fps / 2)


def _pyramid(change: np.ndarray, levels: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The Laplacian pyramid of `change`: band-pass levels, the finest first, and the low-pass rest."""
    bands, smooth = [], change
    while len(bands) < levels and min(smooth.shape[:2]) >= 2 * _SMALLEST_SIDE:
        smaller = cv2.pyrDown(smooth)
        bands.append(smooth - _enlarged(smaller, smooth))
        smooth = smaller
    return bands, smooth


def _collapsed(bands: list[np.ndarray], rest: np.ndarray, factor: float, displacement: float) -> np.ndarray:
    """What to add to the frame: the sum of the inner levels, each times what its factor adds."""
    added = np.zeros_like(rest)
    for level, band in reversed(list(enumerate(bands))):
        added = _enlarged(added, band)
        if level > 0:
            bound = _FINEST_WAVELENGTH * 2**level / (8 * displacement)
            added += max(0.0, min(factor, bound) - 1) * band
    return added


def _enlarged(image: np.ndarray, like: np.ndarray) -> np.ndarray:
    return cv2.pyrUp(image, dstsize=like.shape[1::-1]).reshape(like.shape)


def _band_pass(frames: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """Filter each pixel over time; `band` in units of half the frame rate."""
    from scipy import signal  # takes most of a second, and only this mode needs it

    sections = signal.butter(_FILTER_ORDER, band, btype="bandpass", output="sos")
    padding = min(len(frames) - 1, 3 * (2 * len(sections) + 1))
    return signal.sosfiltfilt(sections, frames.astype(np.float32), axis=0, padlen=padding).astype(np.float32)
