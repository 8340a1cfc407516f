"""Faces: detection, alignment, crop and motion magnification. Plain arrays in, arrays out."""

from apexbench.frames.alignment import alignment, crop
from apexbench.frames.detection import FaceNotFound, anchor_points, detect_landmarks, haar_landmarks
from apexbench.frames.magnification import magnify, magnify_clip

__all__ = [
    "FaceNotFound",
    "alignment",
    "anchor_points",
    "crop",
    "detect_landmarks",
    "haar_landmarks",
    "magnify",
    "magnify_clip",
]
