"""Brows above mouth, each stretched to half a square: the picture of which Dual-ATME's second flow is computed.

After Zhou et al., Entropy 25(3):460, 2023, whose figure shows the two strips cut from onset and apex and put together
before the flow. The boxes of the paper are not known. Ours are the hulls of both brows and of the lips, grown on each
side by a quarter of the distance between the eyes, by the mesh of the onset frame: the same for all frames of a clip,
so that what moves between them is the face. Its tilt is left as it is.
"""

import cv2
import numpy as np

from apexbench.frames.detection import anchor_points

# points of the mesh: both brows, and the lips' outer edge
BROWS = (
    70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276,
)  # fmt: skip
LIPS = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146,
)  # fmt: skip
MARGIN = 0.25  # of the distance between the eyes


def puzzle_boxes(landmarks: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the boxes (2, 4) int64 px of brows and mouth: left, top, right, bottom, the latter two excluded.

    Parameters
    ----------
    landmarks : (468, 2) px of the frame, as `detect_landmarks` gives them.
    height, width : of the frame, at whose edges boxes are cut; each has one pixel at least.
    """
    right_eye, left_eye, _ = anchor_points(landmarks)
    margin = MARGIN * np.linalg.norm(left_eye - right_eye)
    boxes = []
    for part in (BROWS, LIPS):
        points = landmarks[list(part)]
        low = np.floor(points.min(0) - margin).clip(0, [width - 1, height - 1])
        high = np.ceil(points.max(0) + margin).clip(low + 1, [width, height])
        boxes.append(np.concatenate([low, high]).astype(np.int64))
    return np.stack(boxes)


def puzzle(frames: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Return the brows' box above the mouth's, each resized to the whole width and half of the height.

    Parameters
    ----------
    frames : (T, H, W) or (T, H, W, C) uint8.
    boxes : (2, 4) px, as `puzzle_boxes` gives them.
    size : side of the result in px. A box that is nowhere smaller than its strip is averaged (OpenCV's INTER_AREA),
        another is interpolated (INTER_CUBIC).

    Returns
    -------
    (T, size, size[, C]) uint8
    """
    out = np.empty((len(frames), size, size, *frames.shape[3:]), np.uint8)
    half = size // 2
    for (left, top, right, bottom), rows in zip(boxes, (slice(0, half), slice(half, size)), strict=True):
        strip = out[:, rows]
        smaller = right - left >= size and bottom - top >= strip.shape[1]
        way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        for frame, place in zip(frames, strip, strict=True):
            cut = np.ascontiguousarray(frame[top:bottom, left:right])
            place[...] = cv2.resize(cut, (size, strip.shape[1]), interpolation=way).reshape(place.shape)
    return out
