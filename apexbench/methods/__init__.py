"""Methods: one module for each. A method is found by its file name, `flow-svm` in `flow_svm.py`."""

import importlib
import inspect
import pkgutil
from typing import Any

from apexbench.config import Budget, MethodCard
from apexbench.errors import InputError, nearest
from apexbench.methods.base import Classic, Deep, Method, Params

__all__ = ["Classic", "Deep", "Method", "Params", "check_card", "create", "find", "names"]

_NOT_METHODS = {"base", "mixing", "networks"}


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


def check_card(run: str, card: MethodCard, budget: Budget) -> None:
    """Raise an InputError, which names the card's file, for an unknown method, hyper-parameter or input."""
    file = f"config/methods/{run}.yaml"
    if card.method not in names():
        raise InputError(f"{file}: field 'method': unknown method {card.method!r}; {nearest(card.method, names())}")
    kind = find(card.method)
    kind.parse(card.values(budget), file)
    for role in kind.reads:
        if role not in card.inputs:
            raise InputError(f"{file}: field 'inputs': no {role!r}, which {card.method} reads; name a pack for it")
    for role in card.inputs:
        if role not in kind.reads:
            raise InputError(f"{file}: field 'inputs.{role}': {card.method} does not read it; remove it, or correct it")


def create(name: str, num_classes: int, **overrides: Any) -> Method:
    """Return a method with the hyper-parameters of its paper, unless overridden.

    >>> create("majority", 3).num_classes
    3

    Raises InputError if the method or a hyper-parameter is unknown, or a value has a wrong type.
    """
    kind = find(name)
    return kind(num_classes, kind.parse(overrides, where=f"method {name!r}"))
