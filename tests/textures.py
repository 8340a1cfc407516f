"""Image pairs with analytic motion: skin-like 1/f textures moved by Gaussian blobs, without any interpolation."""

from typing import NamedTuple

import numpy as np


class Pair(NamedTuple):
    """first(x) = second(x + flow(x)), both uint8; flow (H, W, 2) float64 in px."""

    first: np.ndarray
    second: np.ndarray
    flow: np.ndarray


class Texture:
    """A sum of 160 sinusoids, wavelengths log-uniform from 5 px to the image's longer side."""

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator):
        size = max(shape)
        wavelength = np.exp(rng.uniform(np.log(5), np.log(size), 160))
        angle = rng.uniform(0, 2 * np.pi, 160)
        self._fx, self._fy = (2 * np.pi / wavelength * part for part in (np.cos(angle), np.sin(angle)))
        self._phase = rng.uniform(0, 2 * np.pi, 160)
        self._amplitude = wavelength / size + 0.03
        self._y, self._x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
        still = self._raw(self._x, self._y)
        self._mean, self._std = still.mean(), still.std()

    def _raw(self, x, y):
        waves = zip(self._amplitude, self._fx, self._fy, self._phase, strict=True)
        return sum(a * np.sin(fx * x + fy * y + p) for a, fx, fy, p in waves)

    def at(self, displacement: np.ndarray) -> np.ndarray:
        """Grey levels T(x + displacement(x)), mean 128 and standard deviation 40, float."""
        moved = self._raw(self._x + displacement[..., 0], self._y + displacement[..., 1])
        return 128 + 40 * (moved - self._mean) / self._std


def blobs(shape: tuple[int, int], peak: float, rng: np.random.Generator, count: int = 4) -> np.ndarray:
    """A displacement (H, W, 2) of `count` Gaussian blobs in random directions, at most `peak` px long."""
    size = min(shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    field = np.zeros((*shape, 2))
    for _ in range(count):
        cy, cx = rng.uniform(0.2, 0.8, 2) * shape
        sigma, angle = rng.uniform(0.06, 0.14) * size, rng.uniform(0, 2 * np.pi)
        weight = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2))
        field += weight[..., None] * [np.cos(angle), np.sin(angle)]
    return field * peak / np.linalg.norm(field, axis=2).max()


def to_uint8(image: np.ndarray, noise: float = 0.0, rng: np.random.Generator | None = None) -> np.ndarray:
    """Round and clip to uint8 after adding Gaussian noise of that many grey levels."""
    if noise:
        image = image + rng.normal(0, noise, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def pair(shape: tuple[int, int], peak: float = 1.0, noise: float = 1.0, seed: int = 0) -> Pair:
    """A texture pair with known motion of at most `peak` px."""
    rng = np.random.default_rng(seed)
    texture, flow = Texture(shape, rng), blobs(shape, peak, rng)
    return Pair(to_uint8(texture.at(flow), noise, rng), to_uint8(texture.at(0 * flow), noise, rng), flow)


def end_point_error(flow: np.ndarray, truth: np.ndarray, border: int = 8) -> float:
    """Mean length in px of the difference, `border` px away from the border."""
    inside = (slice(border, -border),) * 2
    return float(np.linalg.norm(flow[inside] - truth[inside], axis=2).mean())
