"""Pixels of flipped, turned and shifted pictures, for one CPU core: `augmentation.flip_rotate_crop` in one pass.

A step of a small network waits longer for the thirty operations of PyTorch that this takes than for their arithmetic.
The float operations are the same, one by one and in the same order, and so are the pixels: without `fastmath` none is
fused or moved. Import this module late, as numba takes half a second.
"""

import numpy as np
from numba import njit


@njit(
    [
        f"void({kind}[:, :, ::1], float32[::1], float32[::1], int64[:, ::1], boolean[::1], int64, {kind}[:, :, :, ::1])"
        for kind in ("float32", "uint8")
    ],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def look_up(pictures, cos, sin, shifts, flipped, margin, found):
    """Fill `found` (B, C, S', S') from `pictures` (B, C, S * S); what comes from outside of a picture is 0.

    Of each clip: cosine and sine of its angle, by how many px the crop lies further down and right, whether it is
    flipped. `margin` px are left out at each edge.
    """
    new = found.shape[2]
    side = new + 2 * margin
    centre = np.float32((side - 1) / 2)
    source = np.empty(new, np.int32)
    for n in range(len(pictures)):
        c, s = cos[n], sin[n]
        for i in range(new):
            row = i + margin + shifts[n, 0]  # in the rotated picture
            y = np.float32(row) - centre
            to_x, to_y = s * y, c * y
            row_inside = (row >= 0) & (row < side)
            for j in range(new):
                column = j + margin + shifts[n, 1]
                x = np.float32(column) - centre
                source_x = np.int32(np.rint(c * x - to_x + centre))
                source_y = np.int32(np.rint(s * x + to_y + centre))
                inside = row_inside & (column >= 0) & (column < side)
                inside &= (source_x >= 0) & (source_x < side) & (source_y >= 0) & (source_y < side)
                source_x = side - 1 - source_x if flipped[n] else source_x
                source[j] = source_y * side + source_x if inside else -1
            for channel in range(pictures.shape[1]):
                for j in range(new):
                    found[n, channel, i, j] = pictures[n, channel, source[j]] if source[j] >= 0 else 0
