"""Histograms of flow directions, compiled. Imported on first use only, as numba costs 0.2 s."""

import math

import numpy as np
from numba import njit


@njit("float64[:, :, ::1](float32[::1], float32[::1], int64[::1], int64, boolean)", cache=True, nogil=True)
def direction_sums(u, v, place, places, centred):
    """Sum vectors by their place and the eighth of the circle that they point to, (places, 8, 4) float64.

    The last axis has their number, their lengths, u and v. A vector without length has no direction and is left out.

    Parameters
    ----------
    u, v : (N,) float32 components in x and y. Angles grow from +x to +y: in pictures, whose y points down, clockwise.
    place : (N,) int64 below `places`, where each vector counts.
    places : their number.
    centred : whether eighth k is centred on 45 k degrees; else it begins there, that angle included.

    Examples
    --------
    >>> u, v = np.float32([1, 1, 0, -1, -1, -1, 0, 1, 1]), np.float32([0, 1, 1, 1, 0, -1, -1, -1, -0.1])
    >>> direction_sums(u, v, np.zeros(9, np.int64), 1, False)[0, :, 0].astype(int).tolist()
    [1, 1, 1, 1, 1, 1, 1, 2]
    >>> direction_sums(u, v, np.zeros(9, np.int64), 1, True)[0, :, 0].astype(int).tolist()
    [2, 1, 1, 1, 1, 1, 1, 1]
    """
    cos, sin = (math.cos(math.pi / 8), math.sin(math.pi / 8)) if centred else (1.0, 0.0)
    sums = np.zeros((places, 8, 4))
    for n in range(len(u)):  # without a branch, as no processor foresees where noise points
        a, b, where = u[n], v[n], place[n]
        x, y = cos * a - sin * b, sin * a + cos * b  # turned by half an eighth
        half = (y < 0) | ((y == 0) & (x < 0))  # 180 degrees and more, turned to below
        x, y = -x if half else x, abs(y)
        eighth = 4 * half + (y >= x) + (x <= 0) + (y <= -x)
        sums[where, eighth, 0] += (a != 0) | (b != 0)
        sums[where, eighth, 1] += math.sqrt(a * a + b * b)
        sums[where, eighth, 2] += a
        sums[where, eighth, 3] += b
    return sums
