"""What a face does: FACS action units as smooth displacements of the skin, and which units an emotion moves.

An action unit is a few pushes: a pair of mesh points (the subject's right, left), a direction in face units (outward
from the midline, down), and how far the skin around follows (sigma, in interocular distances). Recipes follow EMFACS
and what the data sets' papers report for their classes; like there, classes share units.
"""

import re
from collections.abc import Sequence

import numpy as np

# right point, left point, (outward, down), sigma
ACTION_UNITS = {
    1: [(107, 336, (0.1, -1.0), 0.17), (108, 337, (0.0, -0.4), 0.25)],
    2: [(70, 300, (0.0, -1.0), 0.17), (105, 334, (0.0, -0.7), 0.16)],
    4: [(107, 336, (-0.6, 0.8), 0.17), (105, 334, (-0.2, 0.6), 0.17)],
    5: [(159, 386, (0.0, -1.0), 0.08)],
    6: [(117, 346, (0.1, -0.9), 0.20), (226, 446, (-0.4, 0.2), 0.12)],
    7: [(145, 374, (0.0, -0.8), 0.09), (159, 386, (0.0, 0.5), 0.08)],
    9: [(129, 358, (0.0, -0.9), 0.14), (193, 417, (-0.2, 0.7), 0.13), (107, 336, (-0.3, 0.4), 0.15)],
    10: [(39, 269, (0.1, -1.0), 0.14), (98, 327, (0.2, -0.6), 0.14)],
    12: [(61, 291, (0.8, -0.7), 0.18), (205, 425, (0.2, -0.6), 0.24)],
    14: [(61, 291, (0.9, 0.1), 0.12), (186, 410, (-0.4, 0.2), 0.10)],
    15: [(61, 291, (0.1, 1.0), 0.16), (204, 424, (0.0, 0.4), 0.16)],
    17: [(199, 199, (0.0, -1.0), 0.22), (17, 17, (0.0, -0.7), 0.14)],
    20: [(61, 291, (1.0, 0.3), 0.22)],
    23: [(61, 291, (-0.6, 0.0), 0.14), (37, 267, (0.0, 0.4), 0.10), (84, 314, (0.0, -0.4), 0.10)],
    25: [(17, 17, (0.0, 0.9), 0.16), (0, 0, (0.0, -0.4), 0.14)],
    26: [(152, 152, (0.0, 1.0), 0.40), (17, 17, (0.0, 0.5), 0.25)],
}

# emotion -> variants (share, units always moved with their strength, units that may join with their chance)
RECIPES = {
    "happiness": [
        (0.55, {12: 1.0, 6: 0.6}, {25: 0.2, 7: 0.2}),
        (0.45, {12: 1.0}, {6: 0.3, 14: 0.2, 17: 0.1}),
    ],
    "surprise": [
        (0.60, {1: 1.0, 2: 1.0}, {5: 0.5, 25: 0.3, 26: 0.2}),
        (0.20, {1: 1.0, 2: 0.3}, {4: 0.3, 7: 0.2}),
        (0.20, {25: 0.7, 26: 0.8}, {5: 0.6, 2: 0.5}),
    ],
    "disgust": [
        (0.40, {9: 1.0, 4: 0.5}, {7: 0.5, 17: 0.2}),
        (0.30, {4: 0.8, 7: 0.9}, {9: 0.5, 10: 0.3}),
        (0.30, {10: 1.0}, {4: 0.6, 14: 0.3, 17: 0.2}),
    ],
    "repression": [
        (0.40, {15: 0.9, 17: 0.7}, {14: 0.3, 4: 0.1}),
        (0.35, {14: 1.0, 12: 0.4}, {17: 0.5, 23: 0.2}),
        (0.25, {17: 1.0, 23: 0.6}, {14: 0.4, 7: 0.2}),
    ],
    "others": [
        (0.60, {4: 1.0}, {7: 0.4, 1: 0.15, 17: 0.1}),
        (0.20, {4: 0.7, 14: 0.7}, {17: 0.2, 5: 0.2}),
        (0.10, {14: 0.8, 17: 0.5}, {12: 0.3, 4: 0.3}),
        (0.10, {1: 0.8, 4: 0.5}, {7: 0.4, 12: 0.2}),
    ],
    "sadness": [(0.6, {1: 0.8, 4: 0.6}, {15: 0.5, 17: 0.3}), (0.4, {15: 1.0, 17: 0.5}, {1: 0.4, 4: 0.3})],
    "fear": [(0.6, {1: 0.8, 4: 0.6, 2: 0.5}, {5: 0.6, 25: 0.3}), (0.4, {20: 1.0, 4: 0.4}, {25: 0.4, 7: 0.4})],
    "anger": [(0.6, {4: 1.0, 7: 0.7}, {23: 0.4, 5: 0.2}), (0.4, {23: 0.8, 17: 0.6}, {4: 0.5, 10: 0.2})],
    "contempt": [(0.7, {14: 1.0}, {12: 0.3}), (0.3, {12: 0.8, 14: 0.6}, {10: 0.2})],
}
_ONE_SIDED = {"contempt": 0.9}  # chance that units 12 and 14 move one side only; for other emotions _ONE_SIDE
_ONE_SIDE = 0.12

# objective classes after Davison et al. (2018): the sets of units of I to VI; every other set is of class VII
OBJECTIVE_CLASSES = {
    "I": [{6}, {12}, {6, 12}, {6, 7, 12}, {7, 12}],
    "II": [{1, 2}, {5}, {25}, {1, 2, 25}, {25, 26}, {5, 24}, {1, 2, 5}, {1, 2, 5, 25}],
    "III": [{23}, {4}, {4, 7}, {4, 5}, {4, 5, 7}, {17, 24}, {4, 6, 7}, {4, 38}],
    "IV": [{10}, {9}, {4, 9}, {4, 40}, {4, 5, 40}, {4, 7, 9}, {4, 9, 10}, {4, 7, 10}, {4, 10}],
    "V": [{1}, {15}, {1, 4}, {6, 15}, {15, 17}],
    "VI": [{1, 2, 4}, {20}],
    "VII": [],
}
_TRIES = 60  # movements drawn for an objective class before one of the class's own sets is taken

Movement = dict[tuple[int, str], float]  # (unit, "" or "L" or "R") -> strength


def draw_movement(rng: np.random.Generator, emotion: str, objective: str = "") -> Movement:
    """Draw the units that one clip of `emotion` moves, each with its strength and side.

    With an objective class (I..VII), draw until the units are of it. A class that the emotion's units hardly ever make
    gets one of its own sets.
    """
    if not objective:
        return _draw(rng, emotion)
    for _ in range(_TRIES):
        movement = _draw(rng, emotion)
        if objective_class(describe(movement)) == objective:
            return movement
    sets = [units for units in OBJECTIVE_CLASSES[objective] if units <= ACTION_UNITS.keys()] or [{14, 17}]
    return {(unit, ""): rng.uniform(0.5, 1.3) for unit in sorted(sets[rng.integers(len(sets))])}


def _draw(rng: np.random.Generator, emotion: str) -> Movement:
    variants = RECIPES[emotion]
    shares = np.array([share for share, _, _ in variants])
    _, always, perhaps = variants[rng.choice(len(variants), p=shares / shares.sum())]
    units = dict(always)
    for unit, chance in perhaps.items():
        if rng.random() < chance:
            units[unit] = units.get(unit, 0) + rng.uniform(0.3, 0.7)
    movement = {}
    side = "LR"[rng.integers(2)]
    for unit, strength in sorted(units.items()):
        one_sided = unit in (12, 14) and rng.random() < _ONE_SIDED.get(emotion, _ONE_SIDE)
        movement[unit, side if one_sided else ""] = strength * rng.uniform(0.5, 1.3)
    return movement


def describe(movement: Movement) -> str:
    """The units as an annotation sheet writes them, `4+L14`."""
    return "+".join(f"{side}{unit}" for unit, side in movement)


def objective_class(aus: str) -> str:
    """The objective class I..VII of units as a sheet writes them."""
    units = {int(unit) for unit in re.findall(r"\d+", aus)}
    return next((name for name, sets in OBJECTIVE_CLASSES.items() if units in sets), "VII")


def displacement(
    movement: Movement, balances: Sequence[float], landmarks: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """The skin's displacement (H, W, 2) float32 for this movement, in px up to a scale: of strength 1, 1 px.

    Both sides of a face never move alike: each unit has its balance, by how much the left outweighs the right.
    """
    eyes = landmarks[[33, 133]].mean(0), landmarks[[362, 263]].mean(0)
    across = eyes[1] - eyes[0]
    unit = np.hypot(*across)
    across = across / unit
    down = np.array([-across[1], across[0]])
    x, y = np.arange(size[1]), np.arange(size[0])
    field = np.zeros((*size, 2), np.float32)
    for ((action, only), strength), balance in zip(movement.items(), balances, strict=True):
        for right, left, (outward, drop), sigma in ACTION_UNITS[action]:
            middle = right == left
            for side, point, sign in (("R", right, -1), ("L", left, 1)):
                if (only and side != only and not middle) or (middle and side == "L"):
                    continue
                push = strength * (1 + sign * balance) * (sign * outward * across + drop * down)
                gx = np.exp(-(((x - landmarks[point, 0]) / (sigma * unit)) ** 2) / 2)
                gy = np.exp(-(((y - landmarks[point, 1]) / (sigma * unit)) ** 2) / 2)
                field += (gy[:, None] * gx)[..., None].astype(np.float32) * push.astype(np.float32)
    return field
