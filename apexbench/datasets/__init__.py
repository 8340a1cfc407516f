"""Data sets: one module for each family of releases, which reads them as distributed into the index that all share."""

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from apexbench.config.datasets import LOADERS, Apex, Repair
from apexbench.datasets.annotations import Copy, Finding
from apexbench.datasets.release import Reading, Release, counted, differences, persons_in, to_release
from apexbench.datasets.repairs import select
from apexbench.errors import InputError, nearest

__all__ = ["Finding", "Release", "counted", "differences", "load_index", "names", "persons_in", "read_release"]


def names() -> list[str]:
    """Return the names of the releases that have a loader."""
    return sorted(LOADERS)


def load_index(dataset: str, root: str | Path, **options) -> pd.DataFrame:
    """Read one release and return its index, one row per clip, with the columns of `apexbench.clips.COLUMNS`.

    The parameters are those of `read_release`.

    Raises
    ------
    InputError
        A missing folder, sheet or column, an apex outside its clip, a listed clip without frames: all that was found,
        a line each.
    """
    release = read_release(dataset, root, **options)
    release.require_usable()
    return release.index


def read_release(
    dataset: str,
    root: str | Path,
    *,
    loader: str = "",
    label_set: str = "",
    fps: float = 0.0,
    apex: Apex = "sheet",
    sheet: str = "",
    frames: str = "",
    part: str = "",
    unusable: str = "fail",
    repairs: Iterable[Repair | Mapping] = (),
) -> Release:
    """Read one release: its index, and all that is to be said of it.

    Parameters
    ----------
    dataset : the name that the index gives to the data set.
    root : folder that holds the release as distributed.
    loader : the release, see `names()`; `dataset` if empty.
    label_set : identifier of the annotation, copied into the index.
    fps : frames per second, where the annotation does not give them for each clip.
    apex : `sheet` takes the annotated apex (where the release has none: the midpoint), `midpoint` the middle frame,
        `last` the last one, `spotted` the frame that differs most from the onset's, `drop` leaves out clips that the
        sheet gives no apex, or the onset for an apex.
    sheet, frames : glob patterns of the annotation file and of the folder of frames, where a copy holds several.
    part : of a composite (flow-maps), the data set to take.
    unusable : `fail` makes a clip without frames a finding of kind `error`, as any other that cannot be used is; `skip`
        leaves it out as `dropped`.
    repairs : records of config/repairs.yaml; those of other releases are passed over.

    Raises
    ------
    InputError
        Nothing to read: a missing folder, sheet or column, no clips, or none that can be used.
    """
    release = loader or dataset
    if release not in LOADERS:
        raise InputError(f"unknown data set {release!r}; {nearest(release, LOADERS)}")
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; put the {release} release there, as distributed")
    copy = Copy(root, release, sheet=sheet, frames=frames, part=part)
    records = [Repair(**record) if isinstance(record, Mapping) else record for record in repairs]
    reading = Reading(dataset, label_set, fps, apex, unusable, select(records, release))
    annotations = importlib.import_module(f"apexbench.datasets.{LOADERS[release]}").read(copy)
    read = to_release(annotations, copy, reading)
    if read.index.empty and not read.of_kind("error"):
        reasons = "\n".join(map(str, read.of_kind("dropped")))
        raise InputError(f"{root}: none of the {len(annotations.clips)} clips can be used\n{reasons}")
    return read
