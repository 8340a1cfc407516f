"""Exports: a study's flow maps in the folders and lists that released programs read, so that these run on them as is.

One module for each layout, named in `LAYOUTS`. It has `SIDE`, the px of its pictures, or None if any will do; `EXTRAS`,
{further packs that it can write: what the program lacks without them}; and `write(clips, folder, order)`, which fills
an empty folder: `clips` are of `apexbench.export.clips`, `order` is one of `apexbench.export.pictures.ORDERS`. Facts on
layouts are from the released readers, and of the files that circulate.
"""

import importlib
from types import ModuleType

from apexbench.errors import InputError, nearest

LAYOUTS = ("ststnet", "ststnet-matlab", "htnet", "rcn", "dual-atme", "inceptr")


def find(layout: str) -> ModuleType:
    """Return the module of a layout; InputError with the nearest name for one that there is not."""
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}; {nearest(layout, LAYOUTS)}")
    return importlib.import_module(f"{__name__}.{layout.replace('-', '_')}")
