"""Compiled inner loops of TV-L1. Imported on first use only, as numba costs 0.2 s.

All arrays are float32 and C-contiguous. The dual fields carry one row of zeros above and one column of zeros at the
left, so that backward differences need no branch. Every loop over x writes at most two arrays and reads few: LLVM
vectorises it behind a run-time overlap check, which it gives up on for the one big loop that a C compiler would like.

The kernels may reorder and contract float operations but not assume finite values ("nnan" and "ninf" are left out):
images are checked before, and if a NaN came about all the same it would come out as a NaN instead of anything.
"""

import math

import numpy as np
from numba import njit

_FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}
_ZERO, _ONE, _TINY = np.float32(0), np.float32(1), np.float32(1e-9)  # a plain 1 would make float64 of it all
_IMAGE = "float32[:, ::1]"


@njit(
    f"void({', '.join([_IMAGE] * 8)})",
    cache=True,
    nogil=True,
    fastmath=_FASTMATH,
    error_model="numpy",
)
def linearise(first, warped, gx, gy, u, v, inverse, rho):
    """Brightness residual around the present flow: `rho` its constant part, `inverse` 1 / squared gradient."""
    height, width = first.shape
    for y in range(height):
        for x in range(width):
            inverse[y, x] = _ONE / (gx[y, x] * gx[y, x] + gy[y, x] * gy[y, x] + _TINY)
        for x in range(width):
            rho[y, x] = warped[y, x] - gx[y, x] * u[y, x] - gy[y, x] * v[y, x] - first[y, x]


@njit(fastmath=_FASTMATH, error_model="numpy", inline="always")
def _dual_row(y, below, width, ratio, u, px, py):
    for x in range(width - 1):
        dx = u[y, x + 1] - u[y, x]
        dy = u[below, x] - u[y, x]
        scale = _ONE / (_ONE + ratio * math.sqrt(dx * dx + dy * dy))
        px[y + 1, x + 1] = (px[y + 1, x + 1] + ratio * dx) * scale
        py[y + 1, x + 1] = (py[y + 1, x + 1] + ratio * dy) * scale
    dy = u[below, width - 1] - u[y, width - 1]
    scale = _ONE / (_ONE + ratio * abs(dy))
    px[y + 1, width] *= scale
    py[y + 1, width] = (py[y + 1, width] + ratio * dy) * scale


@njit(
    f"float64({', '.join([_IMAGE] * 10)}, float32[::1], float32, float32, float32, int64, float64)",
    cache=True,
    nogil=True,
    fastmath=_FASTMATH,
    error_model="numpy",
)
def iterate(u, v, gx, gy, inverse, rho, pux, puy, pvx, pvy, step, limit, theta, ratio, iterations, stop):
    """Run up to `iterations` primal-dual steps in place; return the last mean squared change of the flow.

    One pass over the rows for each step: row y of the flow first, then row y - 1 of the dual fields, whose forward
    differences need it. `step` is scratch for one row, `limit` lambda * theta, `ratio` tau / theta.
    """
    height, width = u.shape
    change = 0.0
    for _ in range(iterations):
        total = 0.0
        for y in range(height):
            for x in range(width):
                k = -(rho[y, x] + gx[y, x] * u[y, x] + gy[y, x] * v[y, x]) * inverse[y, x]
                k = limit if k > limit else k
                step[x] = -limit if k < -limit else k
            row = _ZERO
            for x in range(width):
                divergence = pux[y + 1, x + 1] - pux[y + 1, x] + puy[y + 1, x + 1] - puy[y, x + 1]
                delta = step[x] * gx[y, x] + theta * divergence
                u[y, x] += delta
                row += delta * delta
            for x in range(width):
                divergence = pvx[y + 1, x + 1] - pvx[y + 1, x] + pvy[y + 1, x + 1] - pvy[y, x + 1]
                delta = step[x] * gy[y, x] + theta * divergence
                v[y, x] += delta
                row += delta * delta
            total += row
            if y > 0:
                _dual_row(y - 1, y, width, ratio, u, pux, puy)
                _dual_row(y - 1, y, width, ratio, v, pvx, pvy)
        _dual_row(height - 1, height - 1, width, ratio, u, pux, puy)
        _dual_row(height - 1, height - 1, width, ratio, v, pvx, pvy)
        change = total / (height * width)
        if change <= stop:
            break
    return change
