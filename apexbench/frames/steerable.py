"""Complex steerable pyramid (Simoncelli and Freeman 1995; Portilla and Simoncelli 2000) in the frequency domain.

Each band is complex: its amplitude says how much texture of one orientation and about one wavelength is where, and its
phase where exactly. pyrtools has such a pyramid too, but brings a compiled extension and draws by Matplotlib.
"""

import math

import numpy as np


class SteerablePyramid:
    """The bands of pictures of one size, finest level first.

    Level l = 0, 1, ... of `per_octave` levels an octave is about wavelengths of 4 * 2^(l / per_octave) px. What is
    finer than all bands or coarser is in none: analysis and synthesis give the rest of the picture back. ValueError for
    fewer than two orientations.
    """

    def __init__(self, shape: tuple[int, int], levels: int, orientations: int = 4, per_octave: int = 1):
        if orientations < 2:
            raise ValueError(f"orientations: expected 2 or more, got {orientations}")
        self.shape = shape
        y, x = (np.fft.fftshift(np.fft.fftfreq(n)) for n in shape)  # cycles a px
        radius, angle = np.hypot(y[:, None], x), np.arctan2(y[:, None], x)
        turned = angle - np.arange(orientations)[:, None, None] * np.pi / orientations
        power = orientations - 1
        # of a sum of squares over the orientations that is 2: of a real picture each band holds one half of the plane
        scale = math.sqrt(2 * 4**power / (orientations * math.comb(2 * power, power)))
        oriented = scale * np.where(np.cos(turned) > 1e-9, np.cos(turned), 0) ** power
        self._filters, self._windows = [], []
        for level in range(levels):
            ends = [0.5 * 2 ** (-step / per_octave) for step in (level, level + 1)]
            window = tuple(_middle(n, ends[0]) for n in shape)
            radial = _low(radius, ends[0], per_octave) * np.sqrt(1 - _low(radius, ends[1], per_octave) ** 2)
            self._filters.append((radial * oriented)[(slice(None), *window)].astype(np.float32))
            self._windows.append(window)

    def analyse(self, pictures: np.ndarray) -> list[np.ndarray]:
        """Return the bands (..., orientations, h, w) complex64 of each level of pictures (..., H, W)."""
        spectrum = np.fft.fftshift(np.fft.fft2(pictures.astype(np.float32)), (-2, -1))
        bands = []
        for filters, window in zip(self._filters, self._windows, strict=True):
            part = spectrum[(..., None, *window)] * filters
            size = part.shape[-2] * part.shape[-1] / math.prod(self.shape)
            bands.append(np.fft.ifft2(np.fft.ifftshift(part, (-2, -1))) * np.float32(size))
        return bands

    def synthesise(self, bands: list[np.ndarray]) -> np.ndarray:
        """Return the pictures (..., H, W) float32 that bands add up to."""
        spectrum = np.zeros((*bands[0].shape[:-3], *self.shape), np.complex64)
        for band, filters, window in zip(bands, self._filters, self._windows, strict=True):
            size = band.shape[-2] * band.shape[-1] / math.prod(self.shape)
            part = np.fft.fftshift(np.fft.fft2(band), (-2, -1)) * filters
            spectrum[(..., *window)] += part.sum(-3) / np.float32(size)
        return np.fft.ifft2(np.fft.ifftshift(spectrum, (-2, -1))).real


def _low(radius: np.ndarray, end: float, per_octave: int) -> np.ndarray:
    """1 up to a level below `end`, 0 from there on, and a quarter of a cosine over log frequency between."""
    octaves = np.log2(np.maximum(radius, 1e-9) / end) * per_octave
    return np.cos(np.pi / 2 * np.clip(octaves + 1, 0, 1)) * (octaves < 0)


def _middle(length: int, end: float) -> slice:
    """The frequencies below `end` of a shifted axis, and a few more for the length to have small factors."""
    kept = min(length, _fast(2 * math.floor(length * end) + 1))
    first = length // 2 - kept // 2
    return slice(first, first + kept)


def _fast(length: int) -> int:
    """The first length from here up whose factors are 2, 3 and 5."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1
