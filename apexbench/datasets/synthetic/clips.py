"""One clip: timing, motion, head drift, flicker and sensor noise, and the true flow from onset to apex.

All that chance decides about a clip is drawn first, without a face: the script. Then every frame is resampled once
from the subject's fine base image, so no frame is blurred by its history. The motion is given as the map back from a
frame to the face at rest; the true flow is found from it by a fixed point.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from apexbench.datasets.synthetic.expressions import Movement, displacement, draw_movement
from apexbench.datasets.synthetic.portraits import Face

REFERENCE_HEIGHT = 200  # px of the mesh, to which motion is scaled when it is stated
_PEAK = (0.45, 1.68)  # px of expression at the reference height; with the drift, peaks stay within 0.3..2
_DRIFT = 0.3  # px, and as a share of the peak
_FLICKER, _NOISE = 0.006, 1.0  # relative; grey levels
_OTHERS_UNITS = 0.10  # share of clips moved by another class's units


@dataclass(frozen=True)
class Script:
    """What is drawn about a clip before there is a face."""

    moved_as: str
    movement: Movement
    rise: int  # frames from onset to apex
    length: int  # frames from onset to offset
    roll: float  # degrees by which the head is turned today
    zoom: float
    seat: np.ndarray  # (2,), where the head is, shares of the frame's width and height
    balances: tuple[float, ...]  # of left against right, one for each unit
    peak: float  # px of expression at the reference height
    spin: float  # drift of the head: turn in px at the mesh's edge ...
    slide: np.ndarray  # (2,) ... shift in px ...
    drift: float  # ... and its size, as a share of the most


@dataclass(frozen=True)
class Motion:
    """What moves in a clip."""

    rest: np.ndarray  # (2, 3), frame px -> px of the face's own frame
    skin: np.ndarray  # (H, W, 2) displacement at the apex, px
    drift: np.ndarray  # (H, W, 2) displacement at the apex, px
    landmarks: np.ndarray  # (468, 2) px of the onset frame


def draw_script(
    rng: np.random.Generator, emotion: str, emotions: tuple[str, ...], rises: tuple[int, int], objective: str = ""
) -> Script:
    """Draw what a clip of `emotion` shows: now and then, the units of one of the other `emotions`."""
    moved_as = emotion
    if rng.random() < _OTHERS_UNITS:
        moved_as = str(rng.choice(emotions))
    rise = int(rng.integers(rises[0], rises[1] + 1))
    length = 1 + rise + round(rise * rng.uniform(0.6, 0.86))
    roll, zoom, seat = rng.normal(0, 0.8), rng.uniform(0.98, 1.02), rng.normal(0, 0.008, 2)
    movement = draw_movement(rng, moved_as, objective)
    balances = tuple(rng.normal(0, 0.15) for _ in movement)
    peak = np.clip(rng.lognormal(np.log(0.85), 0.4), *_PEAK)
    spin, slide, drift = rng.normal(0, 0.6), rng.normal(0, 0.5, 2), rng.uniform(0.2, 1)
    return Script(moved_as, movement, rise, length, roll, zoom, seat, balances, peak, spin, slide, drift)


def move(script: Script, face: Face) -> Motion:
    """Play a script with a face."""
    size = face.size
    centre = face.landmarks.mean(0)

    turn = cv2.getRotationMatrix2D(centre.tolist(), script.roll, script.zoom)
    turn[:, 2] += script.seat * size[::-1]
    back = cv2.invertAffineTransform(turn)
    landmarks = face.landmarks @ turn[:, :2].T + turn[:, 2]

    hull = _hull(landmarks, size)
    px = np.ptp(landmarks[:, 1]) / REFERENCE_HEIGHT
    skin = displacement(script.movement, script.balances, landmarks, size)
    skin *= script.peak * px / np.linalg.norm(skin, axis=-1)[hull].max()

    x, y = np.meshgrid(np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32))
    spin = script.spin / np.ptp(landmarks[:, 1])
    drift = np.stack([-spin * (y - centre[1]), spin * (x - centre[0])], -1) + script.slide
    largest = np.linalg.norm(drift, axis=-1)[hull].max()
    drift *= min(_DRIFT, _DRIFT * script.peak) * script.drift * px / largest
    return Motion(back, skin, drift.astype(np.float32), landmarks.astype(np.float32))


def render_frames(
    rng: np.random.Generator, face: Face, motion: Motion, rise: int, length: int, before: int = 0, after: int = 0
) -> Iterator[np.ndarray]:
    """Yield the frames (H, W[, 3]) uint8 of a clip, `length` from onset to offset, `before` and `after` around them."""
    size = motion.skin.shape[:2]
    xy = _positions(size)
    matrix = motion.rest[:, :2].astype(np.float32)
    rest = xy @ matrix.T + motion.rest[:, 2].astype(np.float32)
    rest, skin, drift = ((part * face.finer) for part in (rest, motion.skin @ matrix.T, motion.drift @ matrix.T))
    rest += face.border * face.finer + (face.finer - 1) / 2  # pixels count from their centres
    base = cv2.GaussianBlur(face.image, (0, 0), 0.4 * face.finer) if face.finer > 1 else face.image
    phase, exposure = rng.uniform(0, 2 * np.pi), rng.uniform(0.95, 1.05)
    end, power = rng.uniform(0.0, 0.25), rng.uniform(0.7, 1.4)
    for index in range(-before, length + after):
        moment = min(max(index, 0), length - 1)  # the face rests before the onset, and stays after the offset
        curve = _timing(moment, rise, length, end)
        moved = rest - float(curve) * skin - float((moment / rise) ** power) * drift
        frame = cv2.remap(base, moved, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        gain = exposure * (1 + _FLICKER * np.sin(phase + 2.4 * index) + rng.normal(0, 0.1 * _FLICKER))
        frame = frame * np.float32(gain) + _NOISE * rng.standard_normal(frame.shape, dtype=np.float32)
        yield np.rint(frame).clip(0, 255).astype(np.uint8)


def true_flow(motion: Motion) -> np.ndarray:
    """The flow u (H, W, 2) float32 px from onset to apex: onset(x) = apex(x + u(x))."""
    inverse = motion.skin + motion.drift
    xy = _positions(inverse.shape[:2])
    flow = inverse
    for _ in range(8):
        flow = cv2.remap(inverse, xy + flow, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return flow


def peak_px(motion: Motion, flow: np.ndarray) -> float:
    """The largest true motion within the mesh, in px of a face whose mesh is 200 px high."""
    hull = _hull(motion.landmarks, flow.shape[:2])
    return float(np.linalg.norm(flow, axis=-1)[hull].max() * REFERENCE_HEIGHT / np.ptp(motion.landmarks[:, 1]))


def _timing(index: int, rise: int, length: int, end: float) -> float:
    """0 at the onset, 1 at the apex, down to `end` at the offset: a smooth rise and a slower decay."""
    if index <= rise:
        return (1 - np.cos(np.pi * index / rise)) / 2
    fall = (index - rise) / max(length - 1 - rise, 1)
    return end + (1 - end) * (1 + np.cos(np.pi * fall**0.8)) / 2


def _positions(size: tuple[int, int]) -> np.ndarray:
    x, y = np.meshgrid(np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32))
    return np.stack([x, y], -1)


def _hull(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(landmarks.astype(np.float32)).astype(np.int32), 1)
    return mask.astype(bool)
