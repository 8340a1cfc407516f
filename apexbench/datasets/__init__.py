"""Data sets: one module for each release, which reads it as distributed into the index that all stages share."""

import importlib
from pathlib import Path
from typing import Literal

import pandas as pd

from apexbench.datasets.annotations import to_index
from apexbench.errors import InputError, nearest

_MODULES = {"casme2": "casme2", "samm": "samm", "smic-hs": "smic", "mmew": "mmew"}


def names() -> list[str]:
    """Return the names of the data sets that have a loader."""
    return sorted(_MODULES)


def load_index(
    dataset: str,
    root: str | Path,
    *,
    label_set: str = "",
    fps: float = 0.0,
    apex: Literal["sheet", "midpoint"] = "sheet",
) -> pd.DataFrame:
    """Read one release and return its index, one row per clip, with the columns of `apexbench.clips.COLUMNS`.

    Parameters
    ----------
    dataset : name of the data set, see `names()`.
    root : folder that holds the release as distributed.
    label_set : identifier of the annotation, copied into the index.
    fps : frames per second of the release.
    apex : `sheet` takes the annotated apex (where the release has none: the midpoint), `midpoint` the middle frame.

    Raises
    ------
    InputError
        A missing folder, sheet or column, an apex outside its clip, a listed clip without frames: all that was found,
        a line each.
    """
    if dataset not in _MODULES:
        raise InputError(f"unknown data set {dataset!r}; {nearest(dataset, _MODULES)}")
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; put the {dataset} release there, as distributed")
    module = importlib.import_module(f"apexbench.datasets.{_MODULES[dataset]}")
    return to_index(module.read(root), dataset=dataset, root=root, label_set=label_set, fps=fps, apex=apex)
