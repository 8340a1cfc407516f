"""Descriptors as one would write them down, block by block and region by region, with calls of scikit-image and SciPy.

What the extractors are timed against, and what the tests hold them to.
"""

from itertools import pairwise

import numpy as np
from scipy.ndimage import map_coordinates
from skimage.draw import polygon
from skimage.feature import local_binary_pattern

from apexbench.features.lbp_top import uniform_bins
from apexbench.features.mdmo import DLIB_68, RIGID, region_corners


def lbp_top(clip: np.ndarray) -> np.ndarray:
    """The row of a square clip (T, S, S, 1) uint8: 8 points, radius 1, 5 x 5 x 1 blocks, uniform codes.

    Each slice of each plane by `local_binary_pattern`, each block by `bincount`.
    """
    volume, inner = clip[..., 0], slice(1, -1)
    planes = []
    for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):  # slices along t, y and x
        slices = volume.transpose(order)
        codes = np.stack([local_binary_pattern(image, 8, 1, "default") for image in slices])
        codes = codes.transpose(np.argsort(order))
        planes.append(uniform_bins()[codes[inner, inner, inner].astype(np.uint8)])
    edges = [planes[0].shape[1] * i // 5 for i in range(6)]
    row = []
    for top, bottom in pairwise(edges):
        for left, right in pairwise(edges):
            counts = [np.bincount(plane[:, top:bottom, left:right].ravel(), minlength=59) for plane in planes]
            row += [(count / count.sum()).astype(np.float32) for count in counts]
    return np.concatenate(row)


def bi_woof(flow: np.ndarray) -> np.ndarray:
    """The row of flow (H, W, 3) by the defaults of `BiWOOFOptions`: each block by `histogram`."""
    (height, width), edges = flow.shape[:2], np.arange(-180, 181, 45)
    row = []
    for i in range(5):
        top, bottom = max(0, i * (height // 5) - 1), (i + 1) * (height // 5) if i < 4 else height - 1
        for j in range(5):
            left, right = max(0, j * (width // 5) - 1), (j + 1) * (width // 5) if j < 4 else width - 1
            u, v, strain = np.moveaxis(flow[top : bottom + 1, left : right + 1].astype(float), -1, 0)
            angle = np.degrees(np.arctan2(v, u))
            angle[angle == 180] = -180
            counts, _ = np.histogram(angle, edges, weights=np.hypot(u, v))
            row.append(counts / counts.sum() * strain.sum() if counts.any() else counts)
    row = np.concatenate(row)
    return (row / np.linalg.norm(row) if row.any() else row).astype(np.float32)


def mdmo(flow: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The row of flow (P, H, W, 3) by the defaults of `MDMOOptions`: each region by `draw.polygon`, pair by pair."""
    points = landmarks[DLIB_68[list(RIGID)]].astype(float)
    grid = np.stack(np.meshgrid(np.arange(flow.shape[2]), np.arange(flow.shape[1])), axis=-1)
    fields = []
    for pair in flow[..., :2].astype(float):
        moved = points + np.stack(
            [map_coordinates(pair[..., i], points.T[::-1], order=1, mode="nearest") for i in (0, 1)], 1
        )
        matrix, *_ = np.linalg.lstsq(np.column_stack([moved, np.ones(len(points))]), points)
        fields.append((grid + pair) @ matrix[:2] + matrix[2] - grid)
    main = []
    for corners in region_corners(landmarks):
        y, x = polygon(*corners.T[::-1], shape=flow.shape[1:3])
        vectors = []
        for field in fields:
            inside = field[y, x]
            eighth = np.floor((np.arctan2(*inside.T[::-1]) + np.pi / 8) / (np.pi / 4)).astype(int) % 8
            if len(inside):
                vectors.append(inside[eighth == np.bincount(eighth, minlength=8).argmax()].mean(0))
        main.append(np.mean(vectors, axis=0) if vectors else np.zeros(2))
    main = np.array(main)
    size, angle = np.hypot(*main.T), np.arctan2(*main.T[::-1])
    return np.concatenate([0.5 * size / size.max(), 0.5 * angle]).astype(np.float32)
