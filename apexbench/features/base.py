"""What an extractor of features is: it turns the array of one clip into one row, which no other clip has a say in."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from apexbench.config.recipes import Axes
from apexbench.errors import InputError
from apexbench.registry import checked


class Options(BaseModel):
    """Options of an extractor, named by a recipe; a wrong name or type is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Extractor:
    """Base of all extractors.

    Attributes
    ----------
    reads : names of the axes of the clip that it takes, channel last; an Ellipsis in front stands for any others.
    adds : names of the axes of a row, behind those that the Ellipsis stands for.
    Options : the model of its options, whose defaults are those of its source.
    test_options : options with which the tests run it in a second.
    uses_gpu : whether a job asks for a GPU.
    landmarks : whether it is called with the mesh's landmarks too, (468, 2) px of the clip's pictures or maps: those of
        the onset frame, or the first if that was not chosen.
    options : its options.
    device : torch's name of the device to run on; extractors without a network do not look at it.
    """

    reads: ClassVar[tuple] = ()
    uses_gpu: ClassVar[bool] = False
    landmarks: ClassVar[bool] = False
    adds: ClassVar[Axes] = ()
    Options: ClassVar[type[Options]] = Options
    test_options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options | None = None, *, device: str = "cpu"):
        self.options = options if options is not None else self.Options()
        self.device = device

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Options:
        """Return checked options; InputError, one line for each mistake, with `where` naming file and field."""
        return checked(cls.Options, values, where, "option")

    @classmethod
    def misfit(cls, options: Options, pretrained: BaseModel) -> str:
        """Return why weights of a pre-training of these hyper-parameters do not fit; empty if they do."""
        return f"{cls.__name__} takes none that are trained here; give random, {{file: path}} or {{timm: tag}}"

    def axes(self, given: Axes) -> Axes:
        """Return the names of the axes of a row, from those of a clip; InputError if it does not take such clips."""
        free = self.reads[:1] == (...,)
        named = self.reads[1:] if free else self.reads
        leading = tuple(given[: max(len(given) - len(named), 0)])
        if tuple(given[len(leading) :]) != named or (leading and not free):
            wanted = ", ".join("..." if name is ... else name for name in self.reads)
            raise InputError(f"{type(self).__name__} reads clips of axes ({wanted}), not ({', '.join(given)})")
        return leading + self.adds

    def load(self, side: int) -> None:
        """Load the network for pictures of `side` px, if there is one; InputError if its weights do not fit."""

    def __call__(self, clip: np.ndarray) -> np.ndarray:
        """Return the row of a clip; ValueError if the clip has another shape or type than the extractor takes.

        One with `landmarks` takes them as its second argument.
        """
        raise NotImplementedError
