"""Features of clips: one module for each extractor, found by its file name, `lbp-top` in `lbp_top.py`."""

from collections.abc import Mapping
from typing import Any

from apexbench.features.base import Extractor, Options
from apexbench.registry import class_named, module_names

__all__ = ["Extractor", "Options", "create", "find", "names"]


def names() -> list[str]:
    """Return the names of all extractors, without importing them."""
    return module_names(__path__, {"base", "directions"})


def find(name: str) -> type[Extractor]:
    """Return the class of an extractor; InputError with the nearest name if there is none."""
    return class_named(name, names(), __name__, Extractor, "extractor")


def create(
    name: str,
    options: Mapping[str, Any] | None = None,
    *,
    where: str = "options",
    device: str = "cpu",
) -> Extractor:
    """Return an extractor, cheaply: its network, if it has one, is loaded with the first clip.

    Parameters
    ----------
    options : by name; what is not said has the default of the extractor's source.
    where : names file and field of the options, for messages.
    device : as in `Extractor`.

    Raises InputError if the extractor or an option is unknown, or a value cannot be taken.

    Examples
    --------
    >>> create("lbp-top", {"points": 8}).axes(("frame", "y", "x", "colour"))
    ('feature',)
    """
    kind = find(name)
    return kind(kind.parse(options or {}, where), device=device)
