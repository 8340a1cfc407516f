"""What a magnification arm is: it makes the motion of a clip's frames larger, by one factor or by several."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from apexbench.registry import checked


class Options(BaseModel):
    """Options of an arm, named by a recipe; a wrong name or type is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Arm:
    """Base of all arms.

    Attributes
    ----------
    changes : whether it makes pictures; frames that it leaves as they are get no file and no axis of factors.
    uses_gpu : whether a job asks for a GPU.
    Options : the model of its options, whose defaults are those of its source.
    options : its options.
    device : torch's name of the device to run on; arms without a network do not look at it.
    """

    changes: ClassVar[bool] = True
    uses_gpu: ClassVar[bool] = False
    Options: ClassVar[type[Options]] = Options

    def __init__(self, options: Options | None = None, *, device: str = "cpu"):
        self.options = options if options is not None else self.Options()
        self.device = device

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Options:
        """Return checked options; InputError, one line for each mistake, with `where` naming file and field."""
        return checked(cls.Options, values, where, "option")

    @property
    def smallest(self) -> int:
        """The least side of a frame in px."""
        return 1

    def check(self, fps: float | None) -> None:
        """Raise ValueError for options that do not go with a frame rate."""

    def load(self) -> None:
        """Load the network, if there is one, as the first clip would; InputError if its weights do not fit."""

    def __call__(
        self, frames: np.ndarray, factors: Sequence[float], onset: int, fps: float | None
    ) -> Iterator[np.ndarray]:
        """Yield, for each of the frames (T, H, W, C), its pictures (M, H, W, C) by the factors.

        Frames are uint8 or float in [0, 1], and so are pictures, but for rounding and clipping: the caller's business.
        """
        raise NotImplementedError


def white(frames: np.ndarray) -> float:
    """Return the value of white in frames of their type."""
    return 255.0 if frames.dtype == np.uint8 else 1.0
