"""Rows that stand already in a file that is written anew: taken over where they were made of the same.

So of a licensed copy that has changed only the changed clips are computed, whatever a job takes together. Each row's
`made_of` stands in the file's record: a digest of all that decides on it, the code's hash and the contents included.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apexbench.config.model import digest
from apexbench.errors import StoreError
from apexbench.store.checksums import file_hash
from apexbench.store.packs import read_pack
from apexbench.store.tensors import Tensors, read_tensors

_BEFORE = ".before"
_FILES = ("", ".seal")


def put_aside(path: str | os.PathLike) -> None:
    """Put a file that is to be written anew beside it, where its rows can be taken over; its place is empty then.

    So a job that fails leaves no file that could be taken for what it was to write.
    """
    for end in reversed(_FILES):  # never a file aside without its seal
        if (file := Path(f"{path}{end}")).is_file():
            file.replace(f"{path}{_BEFORE}{end}")


def put_back(path: str | os.PathLike) -> None:
    """Put a file that was put aside, and is as it must be, where it was."""
    for end in reversed(_FILES):
        if (file := Path(f"{path}{_BEFORE}{end}")).is_file():
            file.touch()
            file.replace(f"{path}{end}")


def before(path: str | os.PathLike) -> str:
    """Return where a file lies that was put aside."""
    return f"{path}{_BEFORE}"


def forget(path: str | os.PathLike) -> None:
    """Delete what was put aside, when the file is written anew."""
    for end in _FILES:
        Path(f"{path}{_BEFORE}{end}").unlink(missing_ok=True)


def made_of(code: str, *facts: Any) -> str:
    """Return the digest of what decides on a row; nothing, which is never taken over, where the code is not known."""
    return digest([code, *facts]) if code else ""


def made_of_row(code: str, recipe: dict, shard: Tensors, name: str, *more: int) -> str:
    """Return the digest of what decides on a row that a recipe makes of a shard's, and of the file of its weights."""
    weights = recipe.get("options", {}).get("weights")
    file = weights.get("file") if isinstance(weights, dict) else None
    facts = [recipe, shard.checksum(name), shard.meta["axes"], shard.meta["clips"].get(name), *more]
    return made_of(code, *facts, file_hash(file) if file else "")


def say(taken: int, clips: int) -> None:
    """Log how many clips were taken over."""
    if taken:
        logging.info("%d of %d clips are taken over: nothing that they are made of has changed", taken, clips)


class Before:
    """The rows of a shard that was put aside, if one was."""

    def __init__(self, path: str | os.PathLike):
        try:
            self.file: Tensors | None = read_tensors(f"{path}{_BEFORE}", kind="shard")
        except StoreError:
            self.file = None

    def row(self, name: str, made_of: str) -> tuple[np.ndarray, dict] | None:
        """Return a clip's array and record; None if they are made of something else, or not as they were written."""
        if self.file is None or not made_of or self.file.meta.get("made_of", {}).get(name) != made_of:
            return None
        try:
            return self.file[name], self.file.meta["clips"][name]
        except (StoreError, KeyError):
            return None


class BeforeInPack:
    """The same of shards that are deleted when they are packed: their rows are in the pack, shorter ones filled up."""

    def __init__(self, path: str | os.PathLike, axes: Sequence[str]):
        try:
            self.pack = read_pack(path) if Path(path).is_file() else None
        except StoreError:
            self.pack = None
        if self.pack is not None and self.pack.axes != tuple(axes):
            self.pack = None

    def row(self, name: str, made_of: str) -> np.ndarray | None:
        """Return a clip's array, as above."""
        pack = self.pack
        if pack is None or not made_of or pack.meta.get("made_of", {}).get(name) != made_of:
            return None
        try:
            (row,) = pack.rows([name])
            array = pack.read(np.array([row]))[0]
        except (StoreError, KeyError):
            return None
        return array if pack.lengths is None else array[: int(pack.lengths[row])]
