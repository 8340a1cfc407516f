"""Clips without a face: textured pieces that move over a textured ground, each class by its own kind of motion.

What a network can learn of them before it sees a face is motion: which way, and how. No class is another's mirror
image, since methods mirror their clips in training.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

# class -> what a piece does from the onset to the end, times a size drawn for the clip: shift (right, down) as a share
# of the frame's height, growth, turn in radians
ACTIONS = {
    "across": ((0.25, 0.0), 0.0, 0.0),
    "rise": ((0.0, -0.25), 0.0, 0.0),
    "fall": ((0.0, 0.25), 0.0, 0.0),
    "approach": ((0.0, 0.0), 0.7, 0.0),
    "turn": ((0.0, 0.0), 0.0, 1.2),
}
_EITHER = ("across", "turn")  # chance gives the sign: left or right
_PIECES = (2, 4)
_NOISE = 1.5  # grey levels


@dataclass(frozen=True)
class Action:
    """What is drawn about a clip before there are pixels."""

    moved_as: str
    rise: int  # frames from the onset to the middle, which stands for the apex
    length: int
    size: float  # of the motion, 1 being as `ACTIONS` has it
    movement: dict = field(default_factory=dict)  # no action units


@dataclass(frozen=True)
class Piece:
    """A disc of its own texture; px of the frame."""

    centre: np.ndarray  # (2,), x and y
    radius: float
    texture: np.ndarray  # (H, W, 3) float32, 0..255


def draw_action(rng: np.random.Generator, name: str, rises: Sequence[int]) -> Action:
    """Draw how long a clip of a class is and how far its pieces go, in which of two senses where there are two."""
    rise = int(rng.integers(rises[0], rises[1] + 1))
    size = rng.uniform(0.7, 1.3)
    return Action(name, rise, 2 * rise + 1, -size if name in _EITHER and rng.random() < 0.5 else size)


def draw_scene(rng: np.random.Generator, frame: tuple[int, int]) -> tuple[np.ndarray, list[Piece]]:
    """Draw the ground (H, W, 3) float32 and the pieces on it."""
    height, width = frame
    pieces = []
    for _ in range(rng.integers(*_PIECES)):
        radius = height * rng.uniform(0.13, 0.22)
        centre = np.array([rng.uniform(0.25, 0.75) * width, rng.uniform(0.3, 0.7) * height])
        pieces.append(Piece(centre, radius, _texture(rng, frame, 0.05)))
    return _texture(rng, frame, 0.12), pieces


def matrix(action: Action, piece: Piece, share: float, height: int) -> np.ndarray:
    """Return the affine map (2, 3) of a piece's px from the onset to a share (0..1) of the motion."""
    shift, growth, angle = ACTIONS[action.moved_as]
    scale, turn = 1 + growth * action.size * share, angle * action.size * share
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = piece.centre + np.array(shift) * action.size * share * height
    return np.column_stack([linear, moved - linear @ piece.centre])


def act(rng: np.random.Generator, action: Action, ground: np.ndarray, pieces: Sequence[Piece]) -> Iterator[np.ndarray]:
    """Yield the frames (H, W, 3) uint8 of a clip; all pieces move at an even speed."""
    height, width = ground.shape[:2]
    discs = [_disc(piece, ground.shape[:2]) for piece in pieces]
    for index in range(action.length):
        frame = ground
        for piece, disc in zip(pieces, discs, strict=True):
            there = matrix(action, piece, index / (action.length - 1), height)
            look = cv2.warpAffine(piece.texture, there, (width, height), borderMode=cv2.BORDER_REFLECT)
            cover = cv2.warpAffine(disc, there, (width, height))[..., None]
            frame = frame + cover * (look - frame)
        frame = frame + _NOISE * rng.standard_normal(frame.shape, dtype=np.float32)
        yield np.rint(frame).clip(0, 255).astype(np.uint8)


def action_flow(action: Action, pieces: Sequence[Piece], frame: tuple[int, int]) -> np.ndarray:
    """Return the flow (H, W, 2) float32 px from the onset to the middle; 0 where no piece is."""
    flow = np.zeros((*frame, 2), np.float32)
    xy = np.stack(np.meshgrid(np.arange(frame[1]), np.arange(frame[0])), -1)
    for piece in pieces:
        there = matrix(action, piece, action.rise / (action.length - 1), frame[0])
        flow = np.where(_disc(piece, frame)[..., None] > 0.5, xy @ there[:, :2].T + there[:, 2] - xy, flow)
    return flow.astype(np.float32)


def _disc(piece: Piece, frame: tuple[int, int]) -> np.ndarray:
    """Where a piece is at the onset, (H, W) float32 in 0..1."""
    y, x = np.ogrid[: frame[0], : frame[1]]
    distance = np.hypot(x - piece.centre[0], y - piece.centre[1])
    return np.clip(piece.radius - distance + 0.5, 0, 1).astype(np.float32)


def _texture(rng: np.random.Generator, frame: tuple[int, int], grain: float) -> np.ndarray:
    """Smooth noise around a colour, (H, W, 3) float32; `grain` is a share of the frame's height."""
    noise = cv2.GaussianBlur(rng.standard_normal((*frame, 3), dtype=np.float32), (0, 0), grain * frame[0])
    return rng.uniform(70, 185, 3).astype(np.float32) + 40 * noise / noise.std()
