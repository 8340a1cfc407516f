"""Where a clip's apex is: as in the sheet, the midpoint, the last frame, spotted in the frames, or not at all.

This and the synthetic portraits are the only places where data sets know `apexbench.frames`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from apexbench.errors import InputError
from apexbench.frames.detection import FaceNotFound, detect_landmarks
from apexbench.frames.pictures import read_frame
from apexbench.frames.spotting import spot_apex

_MARGIN = 0.1  # of the face's box, kept on each side


def midpoint(onset: int, offset: int, frames: Mapping[int, Path]) -> int:
    """Return the frame that is there and nearest to the middle of onset..offset; of two, the earlier one."""
    middle = onset + (offset - onset) // 2
    return min((number for number in frames if onset <= number <= offset), key=lambda number: abs(number - middle))


def last(onset: int, offset: int, frames: Mapping[int, Path]) -> int:
    """Return the last frame that is there: the peak of clips that end at it, as those of CK+ and Oulu-CASIA do."""
    return max(number for number in frames if onset <= number <= offset)


def spotted(onset: int, offset: int, frames: Mapping[int, Path]) -> int:
    """Return the frame in onset..offset that differs most from the onset's, see `apexbench.frames.spotting`.

    The face is found once, on the onset's frame; where none is found, the whole picture counts.
    """
    numbers = [number for number in sorted(frames) if onset <= number <= offset]
    first = _gray(frames[numbers[0]])
    try:
        landmarks = detect_landmarks(first)
    except FaceNotFound:
        landmarks, box = None, (slice(None), slice(None))
    else:
        low, high = landmarks.min(0), landmarks.max(0)
        margin = _MARGIN * (high - low)
        left, top = np.floor(low - margin).astype(int).clip(0)
        right, bottom = np.ceil(high + margin).astype(int)
        box = slice(top, bottom), slice(left, right)
        landmarks = landmarks - np.float32([left, top])
    stack = [first[box]]
    for number in numbers[1:]:
        frame = _gray(frames[number])
        if frame.shape != first.shape:
            raise InputError(
                f"{frames[number]}: {frame.shape[1]}x{frame.shape[0]}, unlike the clip's first frame "
                f"({first.shape[1]}x{first.shape[0]}); copy the clip anew from the release"
            )
        stack.append(frame[box])
    return numbers[spot_apex(np.stack(stack), landmarks)]


def _gray(path: Path) -> np.ndarray:
    return read_frame(path, gray=True)[..., 0]
