"""MDMO: main directional mean optical flow (Liu, Zhang, Yan, Wang, Zhao and Fu, TAFFC 2016).

Flow from the first frame to each later one is freed of the head's motion by an affine map. In each of 36 regions of the
face, drawn between landmarks of the first frame, the most frequent of eight directions counts, and the mean flow of the
pixels that go there; the mean of those vectors over the frames gives the region's magnitude and angle.

The authors' code is not known. The port in the MEB library differs, and not all of it is meant: it leaves the affine
map out (which has no constant there), takes means of angles, which break at half a circle, weighs frames by sums of
angles, and merges the eighth direction with the first. Here vectors are averaged, and all eight directions are there.

Ours, where sources say nothing: dlib's landmarks are points of the mesh; "20 px up" of the port's scale is 0.06 of the
face's height; a pixel that does not move has no direction; a region without pixels does not move.
"""

import numpy as np
from pydantic import Field

from apexbench.features.base import Extractor, Options

# {dlib's landmark, from 0: point of the mesh}, as many public programs have it, but for the outer ends of the brows
# (17 and 26), which lie on the brow itself here.
DLIB_68 = np.array([
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,  # mouth
])  # fmt: skip

# Corners of the 36 regions in the paper's order: a landmark, the middle of two (3/29), or the same lifted (19^).
REGIONS = (
    "17 17^ 19^ 19", "19 19^ 21^ 21", "21 21^ 21/22^ 27", "27 21/22^ 22^ 22", "22 22^ 24^ 24", "24 24^ 26^ 26",
    "1 0 17 36", "36 17 19 38", "38 19 21 39", "39 21 27 28", "28 27 22 42", "42 22 24 43", "43 24 26 45",
    "45 26 16 15", "3 2 2/41 3/29", "3/29 2/41 41 39", "3/29 39 28 29", "29 28 42 13/29", "13/29 42 46 14/46",
    "13/29 14/46 14 13", "4/33 3/29 29 33", "33 29 13/29 12/33", "5/59 4/33 33 59", "55 33 12/33 11/55",
    "6/58 5/59 59 58", "8/57 6/58 58 57", "10/56 8/57 57 56", "11/55 10/56 56 55", "4 3 3/29 4/33",
    "12/33 13/29 13 12", "5 4 4/33 5/59", "11/55 12/33 12 11", "6 5 5/59 6/58", "8 6 6/58 8/57", "10 8 8/57 10/56",
    "11 10 10/56 11/55",
)  # fmt: skip
_CORNERS = [corner for region in REGIONS for corner in region.split()]
_ENDS = np.array([[int(end) for end in (2 * corner.strip("^").split("/"))[:2]] for corner in _CORNERS])
_LIFTED = np.array([corner.endswith("^") for corner in _CORNERS])

RIGID = (0, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16, 30)  # landmarks that only the head moves: jaw, tip of the nose


class MDMOOptions(Options):
    """Parameters of MDMO.

    Attributes
    ----------
    alpha : weight of the magnitudes; that of the angles is 1 - alpha. The paper tunes it, its values are not known.
    align : whether the head's motion is taken away.
    lift : how far above the brows the upper regions reach, as a share of the height of the mesh.
    """

    alpha: float = Field(default=0.5, ge=0, le=1)
    align: bool = True
    lift: float = Field(default=0.06, ge=0, le=0.5)


class MDMO(Extractor):
    """Main directions of flow from the first frame to each later one, (P, H, W, 3) u, v (px), strain -> (72,) float32.

    First the magnitudes of the 36 regions, the largest 1, times alpha, then their angles in radians from -pi to pi,
    clockwise in the picture, times 1 - alpha. Called with the landmarks of the first frame, see `Extractor`. ValueError
    for other arrays.
    """

    reads = ("pair", "y", "x", "motion")
    adds = ("feature",)
    landmarks = True
    Options = MDMOOptions

    def __call__(self, clip: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        if clip.ndim != 4 or clip.shape[-1] != 3 or 0 in clip.shape or not np.issubdtype(clip.dtype, np.floating):
            raise ValueError(f"expected flow (P, H, W, 3) of floats, got {clip.shape} {clip.dtype}")
        if np.shape(landmarks) != (468, 2):
            raise ValueError(f"landmarks: expected the mesh's (468, 2) px, got {np.shape(landmarks)}")
        height, width = clip.shape[1:3]
        region, y, x = pixels_inside(region_corners(landmarks, self.options.lift), height, width)
        inside, x, y = y * width + x, x.astype(np.float32), y.astype(np.float32)
        turns = head_motion(clip, landmarks[DLIB_68[list(RIGID)]]).astype(np.float32)
        main = np.empty((len(clip), len(REGIONS), 2))
        for flow, turn, out in zip(clip, turns, main, strict=True):  # pair by pair, so that all stays in the cache
            u, v = flow.reshape(-1, 3).take(inside, axis=0)[:, :2].T.astype(np.float32, order="C")
            if self.options.align:
                to = x + u, y + v
                u, v = (part + to[0] * turn[0, i] + to[1] * turn[1, i] + turn[2, i] for i, part in enumerate((u, v)))
            out[...] = main_directions(u, v, region)
        main = main.mean(0)
        size, angle = np.hypot(*main.T), np.arctan2(main[:, 1], main[:, 0])
        size = size / (size.max() or 1)
        return np.concatenate([self.options.alpha * size, (1 - self.options.alpha) * angle]).astype(np.float32)


def region_corners(landmarks: np.ndarray, lift: float = 0.06) -> np.ndarray:
    """Return the corners (36, 4, 2) px of the regions.

    Parameters
    ----------
    landmarks : the mesh (468, 2) px.
    lift : of lifted corners, as a share of the mesh's height.
    """
    corners = landmarks[DLIB_68[_ENDS]].mean(1, dtype=np.float64)
    corners[:, 1] -= _LIFTED * lift * np.ptp(landmarks[:, 1])
    return corners.reshape(len(REGIONS), 4, 2)


def pixels_inside(polygons: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return polygon, y and x of every pixel whose centre lies in a polygon, (K,) int64 each, in their order.

    Parameters
    ----------
    polygons : corners (R, C, 2) px, x before y; where edges cross what is enclosed twice is outside.
    height, width : of the map; beyond it there are no pixels.

    Examples
    --------
    >>> square = np.array([[[0.5, 0.5], [2.5, 0.5], [2.5, 1.5], [0.5, 1.5]]])
    >>> [part.tolist() for part in pixels_inside(square, 9, 9)]
    [[0, 0], [1, 1], [1, 2]]
    """
    start, end = polygons, np.roll(polygons, -1, axis=1)
    rows = np.arange(height)
    polygon, edge, y = np.nonzero((start[..., 1:] <= rows) != (end[..., 1:] <= rows))  # where an edge crosses a row
    (x0, y0), (x1, y1) = start[polygon, edge].T, end[polygon, edge].T
    crossed = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    order = np.lexsort((crossed, y, polygon))  # from every other crossing on to the next one is inside
    first = np.ceil(crossed[order[0::2]]).clip(0, width).astype(np.int64)
    last = np.floor(crossed[order[1::2]] + 1).clip(0, width).astype(np.int64)
    length = (last - first).clip(0)
    x = np.repeat(first - np.cumsum(length) + length, length) + np.arange(length.sum())
    return *(np.repeat(part[order[0::2]], length) for part in (polygon, y)), x


def head_motion(clip: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return what, times the place (x, y, 1) where a pixel has moved, undoes the head's motion, (P, 3, 2).

    It is an affine map less the identity: the one that best carries the points from where the flow has moved them back
    to where they were, by least squares.

    Parameters
    ----------
    clip : flow (P, H, W, 3) px.
    points : (N, 2) px; beyond the map's border its flow is that of the border.
    """
    flow = _between(clip, np.asarray(points, np.float64))  # (P, N, 2)
    moved = np.concatenate([points + flow, np.ones((*flow.shape[:2], 1))], axis=-1)
    return np.linalg.pinv(moved) @ -flow


def _between(clip: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The flow (P, N, 2) at points (N, 2) px between pixels, bilinear."""
    height, width = clip.shape[1:3]
    x, y = points.T.clip(0, [[width - 1], [height - 1]])
    left, top = np.minimum(x.astype(int), max(width - 2, 0)), np.minimum(y.astype(int), max(height - 2, 0))
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    x, y = (x - left)[:, None], (y - top)[:, None]

    def at(row, column):
        return clip[:, row, column, :2].astype(np.float64)

    upper, lower = (at(row, left) * (1 - x) + at(row, right) * x for row in (top, below))
    return upper * (1 - y) + lower * y


def main_directions(u: np.ndarray, v: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the main direction of each region, (36, 2) px: the mean flow of the most frequent eighth of the circle.

    Eighths are centred on 0, 45, ... 315 degrees; of equally frequent ones the first counts. A region without motion
    gives 0.

    Parameters
    ----------
    u, v : flow of pixels (K,) px.
    region : of each pixel (K,), 0..35.
    """
    from apexbench.features.directions import direction_sums

    u, v = (np.ascontiguousarray(part, np.float32) for part in (u, v))
    sums = direction_sums(u, v, region, len(REGIONS), True)
    main = sums[np.arange(len(REGIONS)), sums[..., 0].argmax(-1)]
    return main[:, 2:] / np.maximum(main[:, :1], 1)
