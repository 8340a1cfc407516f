"""Methods: one module for each. A method is found by its file name, `flow-svm` in `flow_svm.py`."""

import importlib
import inspect
import pkgutil
from typing import Any

from apexbench.errors import InputError, nearest
from apexbench.methods.base import Classic, Deep, Method, Params

__all__ = ["Classic", "Deep", "Method", "Params", "create", "find", "names"]

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


def create(name: str, num_classes: int, **overrides: Any) -> Method:
    """Return a method with the hyper-parameters of its paper, unless overridden.

    >>> create("majority", 3).num_classes
    3

    Raises InputError if the method or a hyper-parameter is unknown, or a value has a wrong type.
    """
    kind = find(name)
    return kind(num_classes, kind.parse(overrides, where=f"method {name!r}"))
