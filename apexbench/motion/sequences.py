"""Flow of a sequence: between which of its frames, and the maps of u, v and optical strain of each pair."""

from collections.abc import Sequence

import numpy as np

from apexbench.errors import nearest
from apexbench.motion.farneback import farneback_flow
from apexbench.motion.strain import optical_strain
from apexbench.motion.tvl1 import tvl1_flow

FLOWS = {"tvl1": tvl1_flow, "farneback": farneback_flow}
PAIRS = ("onset-apex", "onset-each", "consecutive")


def pairs(kind: str, length: int, onset: int = 0, apex: int | None = None) -> list[tuple[int, int]]:
    """Return the pairs of frames between which flow is taken.

    Parameters
    ----------
    kind : {"onset-apex", "onset-each", "consecutive"}
        From the onset to the apex; from the onset to each later frame; from each frame, onset or not, to the next.
    length : number of frames T.
    onset, apex : indices of the key frames among them; the apex counts for "onset-apex" alone.

    Raises ValueError for an unknown kind, an index outside of 0..T-1, or if there is no pair.

    Examples
    --------
    >>> pairs("onset-each", 4, onset=1)
    [(1, 2), (1, 3)]
    """
    if kind not in PAIRS:
        raise ValueError(f"unknown pairs {kind!r}; {nearest(kind, PAIRS)}")
    for name, index in (("onset", onset), *([("apex", apex)] if kind == "onset-apex" else [])):
        if index is None or not 0 <= index < length:
            raise ValueError(f"{name}: expected the index of one of {length} frames, got {index}")
    if kind == "onset-apex":
        return [(onset, apex)]
    starts = {"onset-each": [onset] * (length - 1 - onset), "consecutive": range(length - 1)}[kind]
    found = list(zip(starts, range(length - len(starts), length), strict=True))
    if not found:
        raise ValueError(f"no pair {kind!r} in {length} frame(s) with the onset at {onset}; choose more frames")
    return found


def flow_of_pairs(
    frames: np.ndarray, pairs: Sequence[tuple[int, int]], algorithm: str, *, strain: str = "sobel", **options
) -> np.ndarray:
    """Return the flow of each pair and its optical strain.

    Parameters
    ----------
    frames : (T, H, W) gray, uint8 or float in [0, 1].
    pairs : P pairs of indices (from, to), as `pairs` gives them.
    algorithm : a name of `FLOWS`.
    strain : derivative of `optical_strain`.
    options : of the algorithm.

    Returns
    -------
    (P, H, W, 3) float32
        u, v in px and strain without unit; small enough for float16.

    Raises ValueError for an unknown algorithm and for what the algorithm refuses.
    """
    if algorithm not in FLOWS:
        raise ValueError(f"unknown flow {algorithm!r}; {nearest(algorithm, FLOWS)}")
    maps = np.empty((len(pairs), *frames.shape[1:], 3), np.float32)
    for (start, end), out in zip(pairs, maps, strict=True):
        out[..., :2] = FLOWS[algorithm](frames[start], frames[end], **options)
        out[..., 2] = optical_strain(out[..., :2], derivative=strain)
    return maps
