"""Optical strain: how strongly a flow deforms the skin, blind to a shift of the whole head."""

import cv2
import numpy as np

_KERNELS = {  # smoothing across and derivative along, to be correlated with the flow
    "sobel": np.array([[0.25, 0.5, 0.25], [-0.5, 0, 0.5]]),
    "forward": np.array([[0, 1, 0], [0.0, -1, 1]]),
    "central": np.array([[0, 1, 0], [-0.5, 0, 0.5]]),
}


def optical_strain(flow: np.ndarray, derivative: str = "sobel") -> np.ndarray:
    """Norm of the symmetric strain tensor, sqrt(ux^2 + vy^2 + (uy + vx)^2 / 2), u horizontal and v vertical.

    The formula is that of STSTNet. Published codes differ in the derivative: the Benchmark-MER code takes 3 x 3 Sobel,
    SKD-TSTSAN and the PyTorch port of DSSN the forward difference. Here all are true derivatives per px, so their
    strains compare (a raw 3 x 3 Sobel gives eight times as much), and the flow is continued linearly over the border.
    The MEB library weights another way, sqrt(ux^2 + vy^2 + (uy^2 + vx^2) / 2), which is not blind to rotation.

    Parameters
    ----------
    flow : (H, W, 2) array
        Horizontal and vertical displacement in px.
    derivative : {"sobel", "forward", "central"}
        How derivatives are taken.

    Returns
    -------
    (H, W) float32 array
        Strain, without unit, 0 or more.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:4, :5].astype(np.float32)
    >>> stretch = np.dstack([0.1 * x, 0 * y])
    >>> round(float(optical_strain(stretch).mean()), 6)
    0.1
    """
    flow = np.asarray(flow)
    if flow.ndim != 3 or flow.shape[2] != 2 or min(flow.shape) < 2:
        raise ValueError(f"flow: expected (H, W, 2) with at least 2 x 2 px, got {flow.shape}")
    if derivative not in _KERNELS:
        raise ValueError(f"derivative: expected one of {', '.join(_KERNELS)}, got {derivative!r}")
    across, along = _KERNELS[derivative]
    padded = np.pad(flow.astype(np.float32), ((1, 1), (1, 1), (0, 0)), mode="reflect", reflect_type="odd")
    d_dx = cv2.sepFilter2D(padded, -1, along, across)[1:-1, 1:-1]
    d_dy = cv2.sepFilter2D(padded, -1, across, along)[1:-1, 1:-1]
    shear = d_dy[..., 0] + d_dx[..., 1]
    return np.sqrt(d_dx[..., 0] ** 2 + d_dy[..., 1] ** 2 + shear**2 / 2)
