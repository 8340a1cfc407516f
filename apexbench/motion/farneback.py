"""Farnebäck's polynomial-expansion flow (2003) as OpenCV has it, with the settings of MMNet, SLSTT and HTNet."""

import cv2
import numpy as np

from apexbench.motion.images import gray_pair


def farneback_flow(
    first: np.ndarray,
    second: np.ndarray,
    *,
    scale_step: float = 0.5,
    scales: int = 3,
    window: int = 15,
    iterations: int = 3,
    poly_n: int = 5,
    poly_sigma: float = 1.2,
) -> np.ndarray:
    """Estimate the flow u with first(x) = second(x + u(x)).

    Parameters
    ----------
    first, second : (H, W) arrays
        Gray images, uint8 or float in [0, 1].
    scale_step, scales : float, int
        Size of each pyramid level against the one below, and their number.
    window, iterations : int
        Side of the averaging window in px, and refinements per level.
    poly_n, poly_sigma : int, float
        Neighbourhood in px of the polynomial expansion, and its Gaussian weight.

    Returns
    -------
    (H, W, 2) float32 array
        Horizontal and vertical displacement in px.

    Examples
    --------
    >>> import numpy as np
    >>> farneback_flow(np.zeros((32, 32), np.uint8), np.zeros((32, 32), np.uint8)).any()
    np.False_
    """
    first, second = gray_pair(first, second)
    return cv2.calcOpticalFlowFarneback(
        first, second, None, scale_step, scales, window, iterations, poly_n, poly_sigma, 0
    )
