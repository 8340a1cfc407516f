"""Magnification arms: one module for each, found by its file name, `flow-warp` in `flow_warp.py`."""

from collections.abc import Mapping
from typing import Any

from apexbench.frames.magnifying.base import Arm, Options
from apexbench.registry import class_named, module_names

__all__ = ["Arm", "Options", "create", "find", "names"]


def names() -> list[str]:
    """Return the names of all arms, without importing them."""
    return module_names(__path__, {"base"})


def find(name: str) -> type[Arm]:
    """Return the class of an arm; InputError with the nearest name if there is none."""
    return class_named(name, names(), __name__, Arm, "magnification arm")


def create(
    name: str,
    options: Mapping[str, Any] | None = None,
    *,
    where: str = "options",
    device: str = "cpu",
) -> Arm:
    """Return an arm, cheaply: its network, if it has one, is loaded with the first clip.

    Parameters
    ----------
    options : by name; what is not said has the arm's default.
    where : names file and field of the options, for messages.
    device : as in `Arm`.

    Raises InputError if the arm or an option is unknown, or a value cannot be taken.

    Examples
    --------
    >>> create("phase", {"levels": 3}).smallest
    16
    """
    kind = find(name)
    return kind(kind.parse(options or {}, where), device=device)
