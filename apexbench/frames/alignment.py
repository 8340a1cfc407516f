"""From a frame to a face crop: one similarity transform per clip, applied to all of its frames.

The transform comes from three anchors of one frame (`detection.anchor_points`). Frames are never aligned one by one:
an alignment that follows the landmarks of each frame removes or invents motion of the size of a micro-expression.
"""

import math

import cv2
import numpy as np

# Canonical places, in interocular distances from the midpoint between the eyes: the crop reaches from above the brows
# (0.33 above the eyes, more when raised) to below the chin (about 1.65), and as wide as the face (about 1.05 each way).
_TOP, _SIDE = -0.65, 2.4
_ANCHORS = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.96]])


def canonical_anchors(size: int) -> np.ndarray:
    """Where right eye, left eye and mouth (3, 2) px lie in a size x size crop."""
    unit = (_ANCHORS - [0, _TOP]) / _SIDE + [0.5, 0]
    return size * unit - 0.5


def alignment(anchors: np.ndarray, size: int) -> np.ndarray:
    """The similarity transform (2, 3) float64, frame px to crop px, that best carries the anchors to their places.

    Least squares over rotation, scale and shift; no shear and no reflection.

    >>> alignment(canonical_anchors(128), 128).round(6) + 0.0
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    source = np.asarray(anchors, np.float64).reshape(3, 2)
    target = canonical_anchors(size)
    a, b = source - source.mean(0), target - target.mean(0)
    spread = (a**2).sum()
    if not np.isfinite(spread) or spread < 1e-6:
        raise ValueError(f"the three anchors coincide or are not finite: {source.tolist()}")
    cos = (a * b).sum() / spread
    sin = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / spread
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turn, target.mean(0) - turn @ source.mean(0)])


def crop(frames: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Carry frames (T, H, W[, C]) uint8 through `matrix` into crops (T, size, size[, C]) uint8.

    Each pixel is interpolated once, by bicubic kernels: bilinear ones cost flow a tenth more error. Where the
    transform shrinks by more than 2, the warp goes to a finer grid that is then averaged, so that no pixel of the
    frame is skipped; below that, averaging loses more texture than it saves. Beyond the frame its border is repeated.
    """
    if frames.dtype != np.uint8 or frames.ndim not in (3, 4):
        raise ValueError(f"expected uint8 frames (T, H, W) or (T, H, W, C), got {frames.dtype} {frames.shape}")
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    finer = math.ceil(1 / scale) if 1 / scale > 2 else 1
    # the centre of a fine cell block is the centre of the crop's pixel
    fine = np.asarray(matrix, np.float64) * finer
    fine[:, 2] += (finer - 1) / 2
    crops = np.empty((len(frames), size, size, *frames.shape[3:]), np.uint8)
    for frame, out in zip(frames, crops, strict=True):
        warped = cv2.warpAffine(
            frame, fine, (size * finer, size * finer), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        if finer > 1:
            warped = cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA)
        out[...] = warped.reshape(out.shape)
    return crops
