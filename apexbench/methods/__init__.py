"""Methods: one module for each. A method is found by its file name, `flow-svm` in `flow_svm.py`."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apexbench.config.methods import Budget, MethodCard
from apexbench.errors import InputError, nearest
from apexbench.methods.base import Classic, Deep, Method, Params
from apexbench.pretrained import RANDOM, is_file

__all__ = ["Classic", "Deep", "Method", "Params", "check_card", "create", "find", "names"]

_NOT_METHODS = {"augmentation", "base", "mixing", "networks"}


def names() -> list[str]:
    """Return the names of all methods, without importing them."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.replace("_", "-") for name in found if name not in _NOT_METHODS)


def find(name: str) -> type[Method]:
    """Return the class of a method; InputError with the nearest name if there is none."""
    if name not in names():
        raise InputError(f"unknown method {name!r}; {nearest(name, names())}")
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Method) and member.__module__ == module.__name__ and not member.__name__.startswith("_")
    ]
    if len(found) != 1:
        raise InputError(f"{module.__file__}: expected one Method class, found {len(found)}")
    return found[0]


def check_card(name: str, card: MethodCard, budget: Budget, sizes: Mapping[str, int] | None = None) -> None:
    """Raise an InputError, which names the card's file, for an unknown method, hyper-parameter or input.

    With `sizes`, {role: px of its pack}, also for a pack of another size than the method takes.
    """
    file = f"config/methods/{name}.yaml"
    if card.method not in names():
        raise InputError(f"{file}: field 'method': unknown method {card.method!r}; {nearest(card.method, names())}")
    kind = find(card.method)
    params = kind.parse(card.values(budget), file)
    for role in kind.reads:
        if role not in card.inputs:
            raise InputError(f"{file}: field 'inputs': no {role!r}, which {card.method} reads; name a pack for it")
    for role in card.inputs:
        if role not in kind.reads:
            raise InputError(f"{file}: field 'inputs.{role}': {card.method} does not read it; remove it, or correct it")
    for field in kind.pretrained if issubclass(kind, Deep) else ():
        weights = getattr(params, field)
        if is_file(weights) and not Path(weights).is_file():
            raise InputError(
                f"{file}: field 'params.{field}': {weights}: no such file; give a path, a timm tag or random"
            )
        if weights != RANDOM and not is_file(weights) and "." not in weights:
            raise InputError(
                f"{file}: field 'params.{field}': {weights!r} is neither 'random', a .safetensors or .pth file, nor a "
                f"timm tag, which has a dot: vit_base_patch16_224.augreg_in21k_ft_in1k"
            )
    side = kind(2, params).image_size if issubclass(kind, Deep) else None
    for role, size in (sizes or {}).items():
        if side not in (None, size):
            raise InputError(
                f"{file}: field 'inputs.{role}': under budget {budget!r} the pack {card.inputs[role]!r} has {size} px, "
                f"but {card.method} takes {side} (image_size); name a pack of {side} px, or set image_size: {size}"
            )


def create(name: str, num_classes: int, **overrides: Any) -> Method:
    """Return a method with the hyper-parameters of its paper, unless overridden.

    >>> create("majority", 3).num_classes
    3

    Raises InputError if the method or a hyper-parameter is unknown, or a value has a wrong type.
    """
    kind = find(name)
    return kind(num_classes, kind.parse(overrides, where=f"method {name!r}"))
