"""LBP-SIP: local binary patterns with six intersection points (Wang, See, Phan and Oh, ACCV 2014).

Of LBP-TOP's neighbours only those on the three axes through a voxel are left: two in x, two in y and two in t, where
the planes of LBP-TOP with four points count each of them twice. Four make a spatial code, two a temporal one: 20 bins
a block instead of 48. No code of the authors is known; programs of others have 20 bins a block and 500 a clip too.

Ours, where sources say nothing: a voxel needs all six neighbours, and levels of the pyramid are OpenCV's `pyrDown`.
"""

import cv2
import numpy as np
from pydantic import Field

from apexbench.features.base import Extractor, Options
from apexbench.features.lbp_top import Count, Radius, block_histograms, gray, inner_lengths


class LBPSIPOptions(Options):
    """Parameters of LBP-SIP.

    Attributes
    ----------
    radii : distances of the neighbours, px in x, px in y and frames in t.
    strict : whether a bit is set by a neighbour that is brighter, as in a program of others; else also by one that is
        as bright, as in all LBP.
    blocks : how many in rows, columns and time.
    overlap : share of a block's length that it has in common with the next, in each direction.
    levels : of a Gaussian pyramid, each blurred and of half the size of the one before; 1 is the clip itself.
    joint : whether all six bits are one code of 64 bins, which no paper has.
    normalise : whether the spatial and the temporal histogram of each block sum to 1.
    """

    radii: tuple[Radius, Radius, Radius] = (1, 1, 1)
    strict: bool = False
    blocks: tuple[Count, Count, Count] = (5, 5, 1)
    overlap: float = Field(default=0.0, ge=0, le=0.9, allow_inf_nan=False)
    levels: int = Field(default=1, ge=1, le=6)
    joint: bool = False
    normalise: bool = True


class LBPSIP(Extractor):
    """Histograms of a clip, (T, H, W, 1 or 3) uint8 (RGB) -> (D,) float32.

    D = levels x rows x columns x time x (16 spatial + 4 temporal), or 64 if they are joint, in this order. ValueError
    if the clip is too short or too small for its radii, blocks and levels.
    """

    reads = ("frame", "y", "x", "colour")
    adds = ("feature",)
    Options = LBPSIPOptions

    def __call__(self, clip: np.ndarray) -> np.ndarray:
        volume = gray(clip)
        rows = [self._histograms(volume)]
        for _ in range(1, self.options.levels):
            volume = np.stack([cv2.pyrDown(frame) for frame in volume])
            rows.append(self._histograms(volume))
        return np.concatenate(rows)

    def _histograms(self, volume: np.ndarray) -> np.ndarray:
        options = self.options
        spatial, temporal = sip_codes(volume, options.radii, strict=options.strict)
        kinds = ((spatial | temporal << 4, 64),) if options.joint else ((spatial, 16), (temporal, 4))
        parts = [block_histograms([codes], bins, options.blocks, options.overlap) for codes, bins in kinds]
        if options.normalise:
            parts = [part / part.sum(-1, keepdims=True) for part in parts]
        return np.concatenate(parts, axis=-1).astype(np.float32).ravel()


def sip_codes(
    volume: np.ndarray, radii: tuple[int, int, int] = (1, 1, 1), *, strict: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the spatial codes, of 4 bits, and the temporal ones, of 2, of the voxels that have all six neighbours.

    Parameters
    ----------
    volume : (T, H, W) uint8.
    radii : (rx, ry, rt) px, px, frames.
    strict : whether a neighbour as bright as the voxel leaves its bit at 0.

    Returns
    -------
    two (T - 2 rt, H - 2 b, W - 2 b) uint8, b the larger of rx and ry
        Spatial bits from 0 up are right, above, left and below, as in the plane XY of LBP-TOP with 4 points; temporal
        ones before and after.

    Raises ValueError if no voxel has all its neighbours.

    Examples
    --------
    >>> flat = np.full((3, 4, 5), 7, np.uint8)
    >>> [np.unique(codes).tolist() for codes in (*sip_codes(flat), *sip_codes(flat, strict=True))]
    [[15], [3], [0], [0]]
    """
    (rx, ry, rt), inner = radii, inner_lengths(volume.shape, radii)
    begin = (rt, max(rx, ry), max(rx, ry))
    compare = np.greater if strict else np.greater_equal

    def shifted(t: int, y: int, x: int) -> np.ndarray:
        return volume[tuple(slice(b + s, b + s + n) for b, s, n in zip(begin, (t, y, x), inner, strict=True))]

    centre = shifted(0, 0, 0)
    rings = (((0, 0, rx), (0, -ry, 0), (0, 0, -rx), (0, ry, 0)), ((-rt, 0, 0), (rt, 0, 0)))
    codes = tuple(np.zeros(inner, np.uint8) for _ in rings)
    for code, ring in zip(codes, rings, strict=True):
        for bit, step in enumerate(ring):
            code |= compare(shifted(*step), centre).view(np.uint8) << np.uint8(bit)
    return codes
