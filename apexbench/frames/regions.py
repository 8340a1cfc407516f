"""The part of a face where a clip's action units are, frame by frame: what the "dual-branch AU" network reads.

An ORACLE: the coded units of the clip itself, a test clip or not, choose the part. No method that has to recognise an
expression knows them; what reads such crops is no rival of what does not.

After the code that the authors of MLSP-2024 released with their later dual-branch 3D CNN: it finds dlib's 68 landmarks
in every frame and cuts the box around a few of them. Here points of the mesh stand for dlib's landmarks (`POINTS`). Two
more differences: of several faces dlib's last counts there, here the one that the detector is surest of; and a box that
leaves the frame at the top or on the left is cut at the edge, where negative numbers gave the released code an empty
picture, and so the whole frame.
"""

from collections.abc import Collection
from typing import NamedTuple

import cv2
import numpy as np

from apexbench.frames.detection import FaceNotFound, detect_landmarks

# {dlib's landmark, from 0: the point of the mesh's outline or brow that stands for it, or two, which it lies between}.
# Chosen by dlib itself on two portraits and 14 synthetic faces, at onset and apex, which are morphed from the same two:
# they miss its landmarks by 0.02 to 0.06 of the distance between the outer eye corners, and the boxes share 0.76 of
# their union with dlib's (brows), 0.88 to 0.90, and 0.94 (all). Landmarks that are not listed never reach a box's edge.
POINTS = {
    # jaw, from ear to chin to ear
    0: (127,), 1: (234, 93), 2: (132,), 3: (58, 215), 4: (172,), 5: (136, 150), 6: (149,), 7: (148, 176), 8: (152,),
    16: (356,), 15: (454, 323), 14: (361,), 13: (288, 435), 12: (397,), 11: (365, 379), 10: (378,), 9: (377, 400),
    # brows, from without to within
    17: (46, 156), 18: (53, 63), 19: (52, 105), 20: (65, 66), 21: (55, 107),
    26: (276, 383), 25: (283, 293), 24: (282, 334), 23: (295, 296), 22: (285, 336),
    # nose, above its tip
    29: (5,),
}  # fmt: skip


class Region(NamedTuple):
    """A part of the face.

    Attributes
    ----------
    units : the action units of which one is enough.
    points : dlib's landmarks, from 0, that its box is drawn around.
    """

    units: frozenset[int]
    points: tuple[int, ...]


# the first that fits is taken; no unit of any: the face, the box around all 68
REGIONS = {
    "eyes": Region(frozenset({4, 5, 7, 43}), (19, 24, 15, 1)),
    "mouth": Region(frozenset({10, 12, 14, 15, 17}), (3, 5, 11, 13)),
    "brows": Region(frozenset({1, 2}), (17, 19, 24, 26)),
    "cheeks": Region(frozenset({6, 9}), (1, 29, 15, 3, 13)),
    "face": Region(frozenset(), tuple(POINTS)),
}


class Cut(NamedTuple):
    """What `crop_region` gives.

    Attributes
    ----------
    crops : (T, size, size[, C]) uint8.
    boxes : (T, 4) int64 px of the frame: left, top, right, bottom, the latter two excluded.
    found : (T,) bool, whether a face was found in the frame; where not, the box is that of the frame before.
    """

    crops: np.ndarray
    boxes: np.ndarray
    found: np.ndarray


def region_of(units: Collection[int]) -> str:
    """Return the name of the region of `REGIONS` that a clip's action units choose.

    >>> region_of({1, 2, 12}), region_of({1, 4, 12}), region_of({24}), region_of(())
    ('mouth', 'eyes', 'face', 'face')
    """
    return next((name for name, region in REGIONS.items() if region.units & set(units)), "face")


def region_box(landmarks: np.ndarray, region: str, height: int, width: int) -> np.ndarray:
    """Return the box (4,) int64 px of a region: left, top, right, bottom, the latter two excluded.

    Parameters
    ----------
    landmarks : (468, 2) px of the frame, as `detect_landmarks` gives them.
    region : a name of `REGIONS`.
    height, width : of the frame; beyond it there is no box, and of an empty one it is the whole frame.
    """
    points = np.array([landmarks[list(POINTS[number])].mean(0) for number in REGIONS[region].points])
    box = np.rint([points.min(0), points.max(0)]).astype(np.int64).clip(0, [width, height]).ravel()
    empty = box[0] >= box[2] or box[1] >= box[3]
    return np.array([0, 0, width, height]) if empty else box


def crop_region(frames: np.ndarray, region: str, size: int) -> Cut:
    """Cut a region out of each frame, by the landmarks of that frame, and resize it by OpenCV's INTER_AREA.

    Where no face is found the box of the frame before is taken, and of the whole frame before any face was found. The
    released scripts repeat the picture of the frame before, which then stands still; the one for CAS(ME)^3 begins with
    the whole frame, those for SAMM and CASME II stop if the first frame has no face. Boxes jitter from frame to frame,
    by half a pixel of the frame and up to two, as much as a micro-expression moves; so do boxes by dlib.

    Parameters
    ----------
    frames : (T, H, W) or (T, H, W, C) uint8, in order of time, as large as there are; C is 1 or 3 (RGB).
    region : a name of `REGIONS`.
    size : side of the crops in px; the aspect of the box is not kept.

    Returns
    -------
    Cut
    """
    height, width = frames.shape[1:3]
    crops = np.empty((len(frames), size, size, *frames.shape[3:]), np.uint8)
    boxes, found = np.empty((len(frames), 4), np.int64), np.ones(len(frames), bool)
    box = np.array([0, 0, width, height])
    for place, frame in enumerate(frames):
        try:
            box = region_box(detect_landmarks(frame), region, height, width)
        except FaceNotFound:
            found[place] = False
        left, top, right, bottom = boxes[place] = box
        crop = cv2.resize(frame[top:bottom, left:right], (size, size), interpolation=cv2.INTER_AREA)
        crops[place] = crop.reshape(crops[place].shape)
    return Cut(crops, boxes, found)
