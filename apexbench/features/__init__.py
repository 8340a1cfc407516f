"""Features of clips: one module for each extractor, found by its file name, `lbp-top` in `lbp_top.py`."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from apexbench.errors import InputError, nearest
from apexbench.features.base import Extractor, Options

__all__ = ["Extractor", "Options", "create", "find", "names"]

_NOT_EXTRACTORS = {"base"}


def names() -> list[str]:
    """Return the names of all extractors, without importing them."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.replace("_", "-") for name in found if name not in _NOT_EXTRACTORS)


def find(name: str) -> type[Extractor]:
    """Return the class of an extractor; InputError with the nearest name if there is none."""
    if name not in names():
        raise InputError(f"unknown extractor {name!r}; {nearest(name, names())}")
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Extractor) and member.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise InputError(f"{module.__file__}: expected one Extractor class, found {len(found)}")
    return found[0]


def create(
    name: str,
    options: Mapping[str, Any] | None = None,
    *,
    where: str = "options",
    device: str = "cpu",
    state: Mapping[str, Any] | None = None,
) -> Extractor:
    """Return an extractor, cheaply: its network, if it has one, is loaded with the first clip.

    Parameters
    ----------
    options : by name; what is not said has the default of the extractor's source.
    where : names file and field of the options, for messages.
    device, state : as in `Extractor`.

    Raises InputError if the extractor or an option is unknown, or a value cannot be taken.

    Examples
    --------
    >>> create("lbp-top", {"points": 8}).axes(("frame", "y", "x", "colour"))
    ('feature',)
    """
    kind = find(name)
    return kind(kind.parse(options or {}, where), device=device, state=state)
