"""From a frame to a face crop: one similarity transform per clip, applied to all of its frames.

The transform comes from three anchors of one frame (`detection.anchor_points`). Frames are never aligned one by one:
an alignment that follows the landmarks of each frame removes or invents motion of the size of a micro-expression.
"""

import math

import cv2
import numpy as np
from PIL import Image

from apexbench.errors import nearest

INTERPOLATIONS = ("cubic", "bilinear", "pil-bilinear")

# Canonical places, in interocular distances from the midpoint between the eyes: the crop reaches from above the brows
# (0.33 above the eyes, more when raised) to below the chin (about 1.65), and as wide as the face (about 1.05 each way).
_TOP, _SIDE = -0.65, 2.4
_ANCHORS = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.96]])


def canonical_anchors(size: int, margin: float = 0.0) -> np.ndarray:
    """Where right eye, left eye and mouth (3, 2) px lie in a size x size crop.

    `margin` is the share of `size` added on each side of the face.
    """
    if not 0 <= margin < 0.5:
        raise ValueError(f"margin is a share of the crop on each side, 0 <= margin < 0.5, got {margin}")
    unit = (_ANCHORS - [0, _TOP]) / _SIDE + [0.5, 0]
    return size * (margin + (1 - 2 * margin) * unit) - 0.5


def alignment(anchors: np.ndarray, size: int, margin: float = 0.0) -> np.ndarray:
    """The similarity transform (2, 3) float64, frame px to crop px, that best carries the anchors to their places.

    Least squares over rotation, scale and shift; no shear and no reflection.

    >>> alignment(canonical_anchors(128), 128).round(6) + 0.0
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    source = np.asarray(anchors, np.float64).reshape(3, 2)
    target = canonical_anchors(size, margin)
    a, b = source - source.mean(0), target - target.mean(0)
    spread = (a**2).sum()
    if not np.isfinite(spread) or spread < 1e-6:
        raise ValueError(f"the three anchors coincide or are not finite: {source.tolist()}")
    cos = (a * b).sum() / spread
    sin = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / spread
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turn, target.mean(0) - turn @ source.mean(0)])


def crop(frames: np.ndarray, matrix: np.ndarray, size: int, interpolation: str = "cubic") -> np.ndarray:
    """Carry frames through a transform into square crops; each pixel is interpolated once, from the frame.

    Parameters
    ----------
    frames : (T, H, W) or (T, H, W, C) uint8.
    matrix : (2, 3), frame px to crop px, as `alignment` gives it; a margin is in it.
    size : side of the crops in px.
    interpolation : one of `INTERPOLATIONS`.
        "cubic": bicubic, as bilinear costs flow a tenth more error. Where the transform shrinks by more than 2, the
        warp goes to a finer grid that is then averaged, so that no pixel of the frame is skipped; below that, averaging
        loses more texture than it saves.
        "bilinear": OpenCV's INTER_LINEAR, which averages nothing: pixels are skipped where it shrinks by more than 2.
        "pil-bilinear": what Pillow's BILINEAR does to a whole frame, which averages wherever it shrinks. Pillow's own
        Image.transform does not, so the warp is bilinear, to the next finer grid of a whole number of cells for each
        pixel, and Pillow's Image.resize shrinks that: by whole factors without rotation it is Image.resize itself.

    Returns
    -------
    (T, size, size[, C]) uint8; beyond the frame its border is repeated.

    Raises ValueError for other arrays or an unknown interpolation.
    """
    _check(frames, interpolation)
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    most = {"cubic": 2, "bilinear": math.inf, "pil-bilinear": 1}[interpolation]
    finer = math.ceil(1 / scale - 1e-9) if 1 / scale > most else 1
    # the centre of a fine cell block is the centre of the crop's pixel
    fine = np.asarray(matrix, np.float64) * finer
    fine[:, 2] += (finer - 1) / 2
    flags = cv2.INTER_CUBIC if interpolation == "cubic" else cv2.INTER_LINEAR
    crops = np.empty((len(frames), size, size, *frames.shape[3:]), np.uint8)
    for frame, out in zip(frames, crops, strict=True):
        warped = cv2.warpAffine(frame, fine, (size * finer,) * 2, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        if finer > 1 and interpolation == "pil-bilinear":
            warped = _pillow(warped.reshape(size * finer, size * finer, *frames.shape[3:]), size)
        elif finer > 1:
            warped = cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA)
        out[...] = warped.reshape(out.shape)
    return crops


def resize(frames: np.ndarray, size: int, interpolation: str = "cubic") -> np.ndarray:
    """Resize whole frames to squares, once, for releases whose frames are faces already.

    Parameters
    ----------
    frames : (T, H, W) or (T, H, W, C) uint8.
    size : side of the result in px; the aspect is not kept.
    interpolation : one of `INTERPOLATIONS`.
        "cubic": areas are averaged (OpenCV's INTER_AREA) unless a side grows; then OpenCV's INTER_CUBIC.
        "bilinear": cv2.resize with INTER_LINEAR, its default, which averages nothing.
        "pil-bilinear": Image.resize with BILINEAR, which averages where it shrinks; torchvision does so to pictures.

    Returns
    -------
    (T, size, size[, C]) uint8

    Raises ValueError for other arrays or an unknown interpolation.
    """
    _check(frames, interpolation)
    out = np.empty((len(frames), size, size, *frames.shape[3:]), np.uint8)
    flags = {
        "bilinear": cv2.INTER_LINEAR,
        "cubic": cv2.INTER_AREA if size <= min(frames.shape[1:3]) else cv2.INTER_CUBIC,
    }
    for frame, place in zip(frames, out, strict=True):
        if interpolation == "pil-bilinear":
            small = _pillow(frame, size)
        else:
            small = cv2.resize(frame, (size, size), interpolation=flags[interpolation])
        place[...] = small.reshape(place.shape)
    return out


def _pillow(image: np.ndarray, size: int) -> np.ndarray:
    """Resize (H, W[, C]) uint8 by Pillow's BILINEAR, each channel for itself, as Pillow does too."""
    planes = image.reshape(*image.shape[:2], -1)
    planes = [planes[..., i] for i in range(planes.shape[2])]
    return np.stack(
        [np.asarray(Image.fromarray(p).resize((size, size), Image.Resampling.BILINEAR)) for p in planes], -1
    )


def _check(frames: np.ndarray, interpolation: str) -> None:
    if frames.dtype != np.uint8 or frames.ndim not in (3, 4):
        raise ValueError(f"expected uint8 frames (T, H, W) or (T, H, W, C), got {frames.dtype} {frames.shape}")
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"unknown interpolation {interpolation!r}; {nearest(interpolation, INTERPOLATIONS)}")
