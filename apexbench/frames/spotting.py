"""Where the apex is: the frame that differs most from the onset in the parts of the face that expressions move.

The idea is that of the frame-difference spotters used for SMIC (after Liong et al., ACPR 2015, who divide and conquer
over regions of the face); what differs is our own. Before differences are summed, what flicker and head drift explain
is taken out of them: a gain, an offset and the six parameters of an affine motion, fitted to the whole face of each
frame by least squares. On clips with drift that matters more than anything else.
"""

import math

import cv2
import numpy as np

_FACE = 128  # px of the face's height, to which clips are shrunk: finer detail is mostly noise
_PICTURE = 192  # px of the picture's height, where there is no face
_EDGE = 0.05  # of its height and width, which do not count then: drift brings new things in
_GROW = 0.15  # of the distance between the eyes, around each region
_SMOOTH = 0.7  # frames
_STEPS = 2  # of the fit of head drift, for each frame
# landmarks of the mesh, whose hull is the region; eyes in the order right, left
REGIONS = {
    "brows": ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)),
    "eyes": (
        (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
        (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
    ),
    "nose": ((168, 6, 197, 195, 5, 4, 48, 278, 129, 358, 98, 327),),
    "mouth": ((61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),),
}


def spot_apex(frames: np.ndarray, landmarks: np.ndarray | None = None) -> int:
    """Return the index of the apex in a clip whose first frame is the onset.

    Parameters
    ----------
    frames : (T, H, W) or (T, H, W, C) uint8, onset to offset; C is 1 or 3 (RGB).
    landmarks : (468, 2) px of the onset's frame; None where no face was found: then the whole picture counts.

    Returns
    -------
    int in 0..T-1; 0 only if nothing differs from the onset.
    """
    curve = motion_curve(frames, landmarks)
    reach = 3
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * _SMOOTH**2))
    padded = np.pad(curve, reach, mode="edge")
    return int(np.convolve(padded, weights / weights.sum(), "valid").argmax())


def motion_curve(frames: np.ndarray, landmarks: np.ndarray | None = None) -> np.ndarray:
    """Return how far each frame is from the first, (T,) float64 grey levels: RMS of each region, summed over regions.

    Parameters as in `spot_apex`.
    """
    frames = np.asarray(frames)
    channels = frames.shape[3:]
    if frames.dtype != np.uint8 or frames.ndim < 3 or channels not in ((), (1,), (3,)) or not len(frames):
        raise ValueError(f"expected uint8 frames (T, H, W) or (T, H, W, 1 or 3), got {frames.dtype} {frames.shape}")
    tall = _PICTURE / frames.shape[1] if landmarks is None else _FACE / np.ptp(landmarks[:, 1])
    scale = min(1.0, float(tall))
    small = np.stack([_shrunk(frame, scale) for frame in frames])
    shape = small.shape[1:]
    if landmarks is None:
        face = np.zeros(shape, bool)
        edge = [math.ceil(_EDGE * side) for side in shape]
        face[edge[0] : -edge[0], edge[1] : -edge[1]] = True
        regions = [face]
    else:
        landmarks = (np.asarray(landmarks, np.float64) + 0.5) * scale - 0.5
        unit = np.hypot(*(landmarks[[33, 133]].mean(0) - landmarks[[362, 263]].mean(0)))
        face = _hull(landmarks, shape, 0.0)
        regions = [_hull(landmarks[list(part)], shape, _GROW * unit) for parts in REGIONS.values() for part in parts]
    moved = _beyond_drift(small, face)
    levels = (np.sqrt((moved[:, region] ** 2).mean(1)) for region in regions if region.any())
    return sum(levels, np.zeros(len(frames)))


def _shrunk(frame: np.ndarray, scale: float) -> np.ndarray:
    """A frame as smoothed grey levels (h, w) float32."""
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.shape[2:] == (3,) else frame.reshape(frame.shape[:2])
    if scale < 1:
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 1.0)


def _hull(points: np.ndarray, shape: tuple[int, int], grow: float) -> np.ndarray:
    """The convex hull of points (N, 2) px as a mask, grown by `grow` px."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    side = 2 * round(grow) + 1
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))).astype(bool)


def _beyond_drift(frames: np.ndarray, face: np.ndarray) -> np.ndarray:
    """Differences (T, h, w) from the first frame, without what gain, offset and affine motion of the face explain.

    Each frame is carried back by the motion of the one before, then by what is still found (Gauss-Newton).
    """
    first = frames[0]
    height, width = first.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    plane = np.stack([np.ones_like(rows), columns / height - 0.5, rows / height - 0.5], -1)  # (h, w, 3)
    down, across = np.gradient(first)
    explained = np.concatenate(
        [across[..., None] * plane, down[..., None] * plane, first[..., None], plane[..., :1]], -1
    )  # (h, w, 8)
    solve = np.linalg.pinv(explained[face].astype(np.float64))  # (8, pixels)
    motion = np.zeros((2, 3), np.float32)
    differences = np.empty(frames.shape)
    for frame, left in zip(frames, differences, strict=True):
        for _ in range(_STEPS):
            shift = plane @ motion.T
            back = (columns - shift[..., 0], rows - shift[..., 1])
            carried = cv2.remap(frame, *back, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            share = solve @ (carried - first)[face]
            motion += share[:6].reshape(2, 3).astype(np.float32)
        left[...] = carried - first - explained @ share
    return differences
