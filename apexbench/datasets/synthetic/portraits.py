"""Faces of people who do not exist: two public-domain portraits, morphed into one face per subject.

The astronaut of scikit-image and Grace Hopper of matplotlib's sample data (both public domain) give skin, eyes, hair
and clothes. Per subject their meshes are mixed and varied into one shape, both photographs are warped to it and
blended region by region (eyes from one of them, or a faint pair of glasses would float; the mouth from the one that
does not smile), then tone, light, skin texture and background are drawn anew.
"""

import hashlib
from dataclasses import dataclass
from functools import cache

import cv2
import matplotlib.cbook
import numpy as np
import skimage.data
from scipy.interpolate import RBFInterpolator

from apexbench.frames.detection import anchor_points, detect_landmarks, person_mask

MOUTH_HEIGHT = 0.96  # of the mouth's centre below the eyes, in interocular distances


@dataclass(frozen=True)
class Portrait:
    """A photograph with its mesh, and where the person is."""

    image: np.ndarray  # (H, W, 3) float32, 0..255
    person: np.ndarray  # (H, W) float32, 0..1
    landmarks: np.ndarray  # (468, 2) px
    to_px: np.ndarray  # (2, 3), from face units to px

    @property
    def shape(self) -> np.ndarray:
        """The mesh in face units: interocular distances from between the eyes, eyes level."""
        return _apply(cv2.invertAffineTransform(self.to_px), self.landmarks)


@dataclass(frozen=True)
class Face:
    """A subject at rest: what a frame sees and a border around it, `finer` times as fine as frames."""

    image: np.ndarray  # ((H + 2 border) finer, (W + 2 border) finer, 3) float32, 0..255; without channels: gray
    landmarks: np.ndarray  # (468, 2) float64, px of a frame
    size: tuple[int, int]  # (H, W) of a frame
    border: int  # px of a frame
    finer: int


def stream(*keys) -> np.random.Generator:
    """A random stream of its own for these keys, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, keys)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))


def face_units(landmarks: np.ndarray) -> np.ndarray:
    """The similarity (2, 3) from face units to the px in which the landmarks are given."""
    right, left, _ = anchor_points(landmarks)
    (x, y), (dx, dy) = (right + left) / 2, left - right
    return np.array([[dx, -dy, x], [dy, dx, y]], np.float64)


@cache
def portrait(name: str, mirrored: bool) -> Portrait:
    """One of the two photographs ("astronaut", "admiral"), as it is or mirrored."""
    if name == "astronaut":
        image = skimage.data.astronaut()
    else:
        path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    image = np.ascontiguousarray(image[:, ::-1] if mirrored else image)
    landmarks = detect_landmarks(image).astype(np.float64)
    to_px = face_units(landmarks)
    # twice, the second time near the head: the network is coarse, and takes the gap between hair and collar for neck
    reach = 2.2 * np.hypot(*to_px[:, 0])
    left, top, right, bottom = np.concatenate([to_px[:, 2] - reach, to_px[:, 2] + reach]).round().astype(int)
    left, top = max(left, 0), max(top, 0)
    person = person_mask(image)
    person[top:bottom, left:right] *= person_mask(np.ascontiguousarray(image[top:bottom, left:right]))
    return Portrait(image.astype(np.float32), person, landmarks, to_px)


def subject_face(
    rng: np.random.Generator, size: tuple[int, int], face_height: float, finer: int, gray: bool = False
) -> Face:
    """Draw a subject; in frames of `size` (height, width) the mesh is `face_height` px high."""
    mirrored = bool(rng.integers(2))
    young, old = portrait("astronaut", mirrored), portrait("admiral", mirrored)
    landmarks = _shape(rng, young.shape, old.shape)
    unit = face_height / np.ptp(landmarks[:, 1])
    roll = np.deg2rad(rng.normal(0, 2.5))
    turn = unit * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    centre = np.array([size[1], size[0]]) * (np.array([0.5, 0.52]) + rng.normal(0, 0.01, 2)) - 0.5
    middle = (landmarks.min(0) + landmarks.max(0)) / 2
    place = np.column_stack([turn, centre - turn @ middle])  # face units -> frame px

    border = round(0.06 * min(size))
    fine = (np.array(size) + 2 * border) * finer
    grid = _grid(fine, finer, place, border)
    images, persons = zip(*(_warp(source, landmarks, grid, fine) for source in (young, old)), strict=True)
    units = cv2.resize(grid, (fine[1], fine[0]), interpolation=cv2.INTER_LINEAR)
    image, person = _blend(rng, images, persons, units)
    image = _tint(rng, image, units)
    image = _background(rng, image, person, units)
    image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if gray else image
    return Face(image, _apply(place, landmarks), size, border, finer)


def _shape(rng: np.random.Generator, young: np.ndarray, old: np.ndarray) -> np.ndarray:
    """A new mesh in face units: between the two, with a mouth at rest, and varied smoothly."""
    mouth = np.exp(-((young - [0, MOUTH_HEIGHT]) ** 2).sum(1) / (2 * 0.45**2))[:, None]
    weight = rng.uniform(0.15, 0.85)
    weight = weight + (rng.uniform(0.85, 1.0) - weight) * mouth
    points = (1 - weight) * young + weight * old
    x, y = points[:, 0].copy(), points[:, 1].copy()

    def near(px, py, sx, sy):
        return np.exp(-(((x - px) / sx) ** 2 + ((y - py) / sy) ** 2) / 2)

    width, height, jaw, nose_width, nose_length, mouth_width, brows, lips, eyes = rng.normal(0, 1, 9).clip(-2, 2)
    points[:, 0] *= 1 + 0.035 * width + 0.04 * jaw * np.clip(y - 0.6, -0.5, 1) - 0.02 * eyes * near(0, 0, 2, 0.3)
    points[:, 0] += x * (0.08 * nose_width * near(0, 0.6, 0.25, 0.2) + 0.06 * mouth_width * near(0, 0.96, 0.5, 0.2))
    points[:, 1] *= 1 + 0.03 * height
    points[:, 1] += 0.025 * nose_length * near(0, 0.6, 0.3, 0.2) + 0.02 * brows * near(0, -0.33, 1.2, 0.15)
    points[:, 1] += 0.15 * lips * (y - 0.96) * near(0, 0.96, 0.4, 0.12)
    points[:, 0] += 0.01 * rng.normal() * np.sin(y * 2 + rng.uniform(0, 6))  # no face is symmetric
    points[:, 1] += 0.01 * rng.normal() * np.sin(x * 2 + rng.uniform(0, 6))
    return points


def _grid(fine: np.ndarray, finer: int, place: np.ndarray, border: int) -> np.ndarray:
    """Face units (h, w, 2) float32 at the centres of coarse cells of the base image."""
    step = 4 * finer
    rows, columns = -(-fine // step)
    x, y = np.meshgrid((np.arange(columns) + 0.5) * fine[1] / columns, (np.arange(rows) + 0.5) * fine[0] / rows)
    xy = np.stack([x, y], -1) / finer - 0.5 - border
    return _apply(cv2.invertAffineTransform(place), xy.reshape(-1, 2)).reshape(rows, columns, 2).astype(np.float32)


def _warp(source: Portrait, landmarks: np.ndarray, grid: np.ndarray, fine: np.ndarray) -> tuple:
    """The photograph and its person mask, bent by a thin-plate spline so that its mesh falls on `landmarks`."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    ring = np.array([0, 0.45]) + np.concatenate([2.1 * circle, 3.2 * circle])  # away from the face nothing bends
    target = np.concatenate([landmarks, ring])
    shift = np.concatenate([source.shape, ring]) - target
    spline = RBFInterpolator(target, shift, kernel="thin_plate_spline", smoothing=0.02)
    points = grid.reshape(-1, 2)
    where = _apply(source.to_px, points + spline(points)).reshape(grid.shape).astype(np.float32)
    where = cv2.resize(where, (fine[1], fine[0]), interpolation=cv2.INTER_LINEAR)
    image = cv2.remap(source.image, where, None, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    person = cv2.remap(source.person, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return image.clip(0, 255), person


def _blend(rng: np.random.Generator, images: tuple, persons: tuple, units: np.ndarray) -> tuple:
    """One person of two: hair and clothes from one, eyes from either, a closed mouth, skin from both."""
    x, y = units[..., 0], units[..., 1]

    def blob(px, py, sx, sy):
        return np.exp(-((((x - px) / sx) ** 2 + ((y - py) / sy) ** 2) ** 2))

    oval = blob(0, 0.45, 0.95, 1.15)[..., None]
    head = int(rng.random() < 0.5)
    glasses = bool(head) or rng.random() < 0.2
    lab = [cv2.cvtColor(image / 255, cv2.COLOR_RGB2LAB) for image in images]
    mean, spread = zip(*(_moments(image, oval) for image in lab), strict=True)
    other = (lab[1 - head] - mean[1 - head]) * (spread[head] / spread[1 - head]).clip(0.6, 1.5) + mean[head]
    mixed = [lab[0], other] if head == 0 else [other, lab[1]]
    old = np.full(x.shape, rng.uniform(0.15, 0.85), np.float32)  # weight of the second portrait
    old += (float(glasses) - old) * np.maximum(blob(-0.5, 0, 0.75, 0.62), blob(0.5, 0, 0.75, 0.62))
    old += (1 - old) * blob(0, 1.0, 0.75, 0.42)
    face = blob(0, 0.5, 0.93, 0.95 if head else 1.0)
    old = head + (old - head) * face
    lab = _pyramid_blend(*mixed, old.astype(np.float32))
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).clip(0, 1) * 255, persons[head]


def _moments(lab: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = weight.sum()
    mean = (lab * weight).sum((0, 1)) / total
    return mean, np.sqrt(((lab - mean) ** 2 * weight).sum((0, 1)) / total)


def _pyramid_blend(first: np.ndarray, second: np.ndarray, weight: np.ndarray, levels: int = 6) -> np.ndarray:
    """Laplacian-pyramid blend: coarse tones mix over wide seams, fine texture over narrow ones."""
    if levels == 0 or min(weight.shape) < 8:
        return first + (second - first) * weight[..., None]
    size = weight.shape[::-1]
    low = [cv2.pyrDown(image) for image in (first, second)]
    up = [cv2.pyrUp(image, dstsize=size) for image in low]
    detail = (first - up[0]) + ((second - up[1]) - (first - up[0])) * weight[..., None]
    return cv2.pyrUp(_pyramid_blend(*low, cv2.pyrDown(weight), levels - 1), dstsize=size) + detail


def _tint(rng: np.random.Generator, image: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Skin tone, light from a side, and the fine skin texture that an enlarged photograph lacks."""
    x, y = units[..., 0], units[..., 1]
    skin = np.exp(-(((x / 1.0) ** 2 + ((y - 0.5) / 1.2) ** 2) ** 3))[..., None].astype(np.float32)
    lab = cv2.cvtColor((image / 255).astype(np.float32), cv2.COLOR_RGB2LAB)
    lab[..., 0] = 100 * (lab[..., 0] / 100) ** np.exp(rng.uniform(-0.25, 0.45))
    lab[..., 1:] = lab[..., 1:] * rng.uniform(0.6, 0.95) + rng.normal(0, 1.5, 2).astype(np.float32)
    texture = np.zeros(x.shape, np.float32)
    for sigma, strength in ((0.8, 1.0), (1.6, 1.0), (4.0, 0.7)):
        layer = cv2.GaussianBlur(rng.standard_normal(x.shape, dtype=np.float32), (0, 0), sigma)
        texture += strength * layer / layer.std()
    lab[..., 0] += rng.uniform(0.7, 1.4) * texture * (0.35 + 0.65 * skin[..., 0])
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0.02, 0.14) * np.tanh(np.cos(angle) * x + np.sin(angle) * (y - 0.5))
    lab[..., 0] = (lab[..., 0] * light).clip(2, 98)
    return cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB).clip(0, 1) * 255


def _background(rng: np.random.Generator, image: np.ndarray, person: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Put the person before a plain wall."""
    x, y = units[..., 0], units[..., 1]
    wall = rng.uniform(60, 200) + rng.normal(0, 12, 3)
    angle = rng.uniform(0, 2 * np.pi)
    shade = 1 + rng.uniform(0.03, 0.12) * (np.cos(angle) * x + np.sin(angle) * y)
    cloud = cv2.resize(rng.normal(0, 4, (6, 6)).astype(np.float32), x.shape[::-1], interpolation=cv2.INTER_CUBIC)
    wall = (wall * shade[..., None] + cloud[..., None]).clip(5, 250)
    alpha = cv2.GaussianBlur(person, (0, 0), 1.5)[..., None]
    alpha = ((alpha - 0.35) / 0.5).clip(0, 1)
    return (wall + (image - wall) * alpha).astype(np.float32)


def _apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]
