"""Mixing of training clips, for any deep method: what a mixing function gets and returns, and how cards name it.

A mixing function takes a `Batch` and a numpy generator, and returns `Mixed`; a card says `mixing: cutmix` and
`mixing_options: {probability: 0.5}`. `family.py` has MEMix and the methods that its authors compare it with. One's own
is a function under `@mixing` in a file of its own in this folder; its keyword-only arguments are its options
(docs/add-a-method.md). Other runs do not depend on that file.

Tensors are used by their methods only, so that a card is checked without waiting for torch. Random numbers are drawn on
the CPU: a GPU sees the same batches.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from apexbench.errors import nearest

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Batch:
    """What a mixing function gets: some training clips, augmented, and what is known of the others.

    Attributes
    ----------
    inputs : {argument of the model: tensor (B, ...)}.
    labels : (B, C) float32: 1 for the class, or for every class of a clip that may have several.
    counts : (C,) training clips of the fold with each class.
    all_labels : (N, C) labels of all training clips of the fold, numpy.
    more : gives `inputs` and `labels` of training clips by row number, augmented like the batch.
    motion : the inputs that show the motion.
    energy : from inputs, how much moves where, (B, H, W).
    grid : patches on a side of the model's input.
    depth : hidden states of the model that can be mixed (0: none).
    """

    inputs: Mapping[str, Any]
    labels: Any
    counts: np.ndarray
    all_labels: np.ndarray
    more: Callable[[np.ndarray], tuple[Mapping[str, Any], Any]]
    motion: tuple[str, ...]
    energy: Callable[[Mapping[str, Any]], Any]
    grid: int
    depth: int = 0

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Hidden:
    """Mixing inside the model: after its part number `part` (from 0), h becomes weight h + (1 - weight) h[partner]."""

    part: int
    partner: np.ndarray
    weight: float


@dataclass(frozen=True)
class Mixed:
    """What a mixing function returns.

    Attributes
    ----------
    inputs, labels : what the model sees, and soft labels (B, C) of it; a row has the sum that the blended rows had.
    relabel : gives the labels from the attention of this same forward pass, (B, grid**2), detached; None: as they are.
    hidden : mixing inside the model, beside or in place of that of the inputs.
    parts : (rows, weight) of the batch's parts, in order; the loss is the weighted sum of each part's. None: one part.
    """

    inputs: Mapping[str, Any]
    labels: Any
    relabel: Callable[[Any], Any] | None = None
    hidden: Hidden | None = None
    parts: tuple[tuple[int, float], ...] | None = None


Mixing = Callable[..., Mixed]
FAMILY: dict[str, Mixing] = {}


def mixing(function: Mixing) -> Mixing:
    """Let cards name a mixing function."""
    FAMILY[function.__name__.replace("_", "-")] = function
    return function


@cache
def _load() -> None:
    """Import every file of this folder, once: each batch asks for its function."""
    for module in pkgutil.iter_modules(__path__):
        try:
            importlib.import_module(f"{__name__}.{module.name}")
        except Exception as error:
            raise ValueError(f"apexbench/methods/mixing/{module.name}.py cannot be imported: {error!r}") from error


def find_mixing(name: str) -> Mixing:
    """Return the mixing function that cards call so; ValueError with the nearest name if there is none."""
    _load()
    if name not in FAMILY:
        raise ValueError(f"unknown mixing {name!r}; {nearest(name, ['none', *FAMILY])}")
    return FAMILY[name]


def check_mixing(name: str, options: Mapping[str, Any]) -> None:
    """Raise ValueError for an unknown mixing function or option, a value that an option cannot take, or none at all."""
    known = {} if name == "none" else dict(inspect.signature(find_mixing(name), eval_str=True).parameters)
    known = {key: given for key, given in known.items() if given.kind is inspect.Parameter.KEYWORD_ONLY}
    for key, value in options.items():
        if key not in known:
            raise ValueError(f"mixing {name!r} has no option {key!r}; {nearest(key, known)}")
        try:
            TypeAdapter(_kind(known[key])).validate_python(value, strict=True)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            raise ValueError(f"mixing {name!r}, option {key!r}: {message}; found {value!r}") from None
    for key, given in known.items():
        if given.default is given.empty and key not in options:
            raise ValueError(f"mixing {name!r} needs the option {key!r}")


def _kind(option: inspect.Parameter) -> Any:
    """What an option takes: its annotation, or else what its default is."""
    if option.annotation is not option.empty:
        return option.annotation
    return Any if option.default in (None, option.empty) else type(option.default)


def blended(first, second, weight):
    """Return weight of the first tensor and the rest of the second; of equal ones exactly the same."""
    return first.lerp(second, 1 - weight)


def blend(batch: Batch, partner: np.ndarray, weight: float) -> Mixed:
    """Blend every input and the labels: weight of each clip, the rest of its partner."""
    inputs = {name: blended(x, x[partner], weight) for name, x in batch.inputs.items()}
    return Mixed(inputs, blended(batch.labels, batch.labels[partner], weight))
