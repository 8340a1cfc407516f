"""TV-L1 optical flow (Zach, Pock, Bischof 2007), in the formulation and with the defaults of OpenCV's DualTVL1.

"TV-L1 with default parameters" is not one algorithm: the IPOL 2013 code smooths and rescales its images, halves the
pyramid and has no median filter. Released micro-expression code nearly always calls OpenCV, so this follows OpenCV.
TV-L1 shrinks sub-pixel motion, and a smaller `epsilon` makes that worse: lambda, epsilon and scales are experimental
factors and belong into the record of a run.
"""

import cv2
import numpy as np

from apexbench.motion.images import gray_pair

_SMALLEST_SIDE = 16


def tvl1_flow(
    first: np.ndarray,
    second: np.ndarray,
    *,
    tau: float = 0.25,
    lambda_: float = 0.15,
    theta: float = 0.3,
    scales: int = 5,
    scale_step: float = 0.8,
    warps: int = 5,
    epsilon: float = 0.01,
    inner_iterations: int = 30,
    outer_iterations: int = 10,
    median: int = 5,
    backend: str = "numba",
) -> np.ndarray:
    """Estimate the flow u with first(x) = second(x + u(x)).

    Parameters
    ----------
    first, second : (H, W) arrays
        Gray images, uint8 or float in [0, 1].
    tau, lambda_, theta : float
        Time step, weight of the data term (smaller is smoother) and tightness of the coupling.
    scales, scale_step : int, float
        Levels of the pyramid at most, and the size of each against the one below. No level gets a side under 16 px.
    warps : int
        Linearisations per level.
    epsilon : float
        A warp ends when the flow changes less than this, root mean square in px per iteration.
    inner_iterations, outer_iterations : int
        Iterations between two median filters, and number of such blocks, per warp at most.
    median : int
        Side of the median filter of the flow: 1 (none), 3 or 5.
    backend : {"numba", "opencv"}
        Compiled loops of this package, about ten times faster on a core, or OpenCV itself.

    Returns
    -------
    (H, W, 2) float32 array
        Horizontal and vertical displacement in px.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:40, :48] / 3
    >>> first, second = (0.5 + 0.2 * (np.sin(x + s / 3) + np.cos(y)) for s in (0.0, -1.0))  # moves right by 1 px
    >>> flow = tvl1_flow(first, second)
    >>> flow.shape, flow.dtype.name
    ((40, 48, 2), 'float32')
    >>> bool(abs(flow[8:-8, 8:-8, 0].mean() - 1) < 0.2)
    True
    """
    first, second = gray_pair(first, second)
    _check(
        scale_step,
        median,
        backend,
        positive={"tau": tau, "lambda_": lambda_, "theta": theta, "epsilon": epsilon},
        counts={
            "scales": scales,
            "warps": warps,
            "inner_iterations": inner_iterations,
            "outer_iterations": outer_iterations,
        },
    )
    if backend == "opencv":
        # A new object for each call: it lowers its own number of scales for good after one small image, and its
        # buffers are shared between threads.
        solver = cv2.optflow.DualTVL1OpticalFlow_create(
            tau=tau,
            lambda_=lambda_,
            theta=theta,
            nscales=scales,
            warps=warps,
            epsilon=epsilon,
            innnerIterations=inner_iterations,  # spelt so in OpenCV
            outerIterations=outer_iterations,
            scaleStep=scale_step,
            medianFiltering=median,
        )
        return solver.calc(first / 255, second / 255, None)

    levels = [(first, second)]
    while len(levels) < scales:
        level = tuple(cv2.resize(image, None, fx=scale_step, fy=scale_step) for image in levels[-1])
        if min(level[0].shape) < _SMALLEST_SIDE:
            break
        levels.append(level)
    u, v = np.zeros((2, *levels[-1][0].shape), np.float32)
    for first, second in reversed(levels):
        height, width = first.shape
        if u.shape != first.shape:
            u, v = (cv2.resize(part, (width, height)) * np.float32(1 / scale_step) for part in (u, v))
        u, v = _solve_level(
            first, second, u, v, tau, lambda_, theta, warps, epsilon, inner_iterations, outer_iterations, median
        )
    return np.dstack([u, v])


def _solve_level(first, second, u, v, tau, lambda_, theta, warps, epsilon, inner, outer, median):
    from apexbench.motion import tvl1_kernels as kernels

    height, width = first.shape
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    second_x, second_y = _gradient(second)
    dual = np.zeros((4, height + 1, width + 1), np.float32)
    inverse, rho = np.empty_like(first), np.empty_like(first)
    step = np.empty(width, np.float32)
    limit, ratio = lambda_ * theta, tau / theta
    for _ in range(warps):
        map_x, map_y = columns + u, rows + v
        warped, gx, gy = (cv2.remap(image, map_x, map_y, cv2.INTER_CUBIC) for image in (second, second_x, second_y))
        kernels.linearise(first, warped, gx, gy, u, v, inverse, rho)
        for _ in range(outer):
            if median > 1:
                u, v = cv2.medianBlur(u, median), cv2.medianBlur(v, median)
            change = kernels.iterate(
                u, v, gx, gy, inverse, rho, *dual, step, limit, theta, ratio, inner, epsilon * epsilon
            )
            if change <= epsilon * epsilon:
                break
    return u, v


def _gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Central differences, one-sided and halved at the border."""
    return tuple(
        cv2.Sobel(image, cv2.CV_32F, dx, 1 - dx, ksize=1, scale=0.5, borderType=cv2.BORDER_REPLICATE) for dx in (1, 0)
    )


def _check(scale_step, median, backend, positive, counts):
    for name, value in positive.items():
        if not value > 0:
            raise ValueError(f"{name}: expected a number above 0, got {value!r}")
    for name, value in counts.items():
        if value < 1 or value != int(value):
            raise ValueError(f"{name}: expected a whole number from 1 up, got {value!r}")
    if not 0 < scale_step < 1:
        raise ValueError(f"scale_step: expected a number between 0 and 1, got {scale_step!r}")
    if median not in (1, 3, 5):
        raise ValueError(f"median: expected 1 (no filter), 3 or 5, got {median!r}")
    if backend not in ("numba", "opencv"):
        raise ValueError(f"backend: expected 'numba' or 'opencv', got {backend!r}")
