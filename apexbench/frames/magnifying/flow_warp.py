"""Lagrangian magnification: the flow since the onset, and the frame sampled where a larger flow would have put it.

It moves what is there and adds neither light nor noise. For a method that reads the same flow of the magnified frames
it is circular, a multiplication of its input: `Recipes.is_circular` tells, and so does the header of such flow.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import cv2
import numpy as np

from apexbench.frames.magnifying.base import Arm, Options
from apexbench.motion import FLOWS


class FlowWarpOptions(Options):
    """`flow`: "tvl1" or "farneback", with its default options. It has no default, as what is circular hangs on it."""

    flow: Literal["tvl1", "farneback"]


class FlowWarp(Arm):
    """Each point x of a frame shows what the frame has at x + (factor - 1) d(x), where frame(x) = onset(x + d(x)).

    The flow d is of the frame's own grid, from frame to onset, so that it need not be turned round. To first order in
    the gradient of d a displacement then becomes factor * d; iterating changed no benchmark.
    """

    Options = FlowWarpOptions
    smallest = 16

    def __call__(self, frames, factors: Sequence[float], onset: int, fps: float | None) -> Iterator[np.ndarray]:
        height, width = frames.shape[1:3]
        columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
        reference = _gray(frames[onset])
        for frame in frames:
            flow = FLOWS[self.options.flow](_gray(frame), reference)
            if np.array_equal(frame, frames[onset]):
                flow = np.zeros_like(flow)  # Farnebäck's sees motion at the border of equal pictures
            u, v = np.moveaxis(flow, -1, 0)
            picture = frame.astype(np.float32)
            moved = [
                cv2.remap(
                    picture,
                    columns + np.float32(factor - 1) * u,
                    rows + np.float32(factor - 1) * v,
                    cv2.INTER_CUBIC,
                    borderMode=cv2.BORDER_REFLECT_101,
                )
                for factor in factors
            ]
            yield np.stack(moved).reshape(len(factors), *frame.shape)


def _gray(frame: np.ndarray) -> np.ndarray:
    """(H, W, 1 or 3) as (H, W) of its type."""
    if frame.shape[-1] == 1:
        return frame[..., 0]
    kind = frame.dtype if frame.dtype == np.uint8 else np.float32
    return cv2.cvtColor(np.ascontiguousarray(frame, kind), cv2.COLOR_RGB2GRAY)
