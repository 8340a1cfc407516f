"""The clips of a table as a method reads them: rows of packs, found by identity, read when a fold wants them."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from apexbench.errors import InputError
from apexbench.methods.base import Inputs, Method, alternatives
from apexbench.store.packs import Pack, read_pack


def presence_of(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return sums of 2**c as (N, C) 0 or 1."""
    return (labels[:, None] >> np.arange(classes)) % 2


class _Joined:
    """Packs of one role, one for each data set, as one."""

    def __init__(self, paths: Sequence[str], role: str, reads):
        self.packs: list[Pack] = [read_pack(path) for path in paths]
        self.place = {name: (n, row) for n, pack in enumerate(self.packs) for row, name in enumerate(pack.ids)}
        for path, pack in zip(paths, self.packs, strict=True):
            if pack.axes not in alternatives(reads):
                wanted = " or ".join(str(axes) for axes in alternatives(reads))
                raise InputError(f"{path}: its axes are {pack.axes}; {role!r} needs {wanted}; name another recipe")
        kinds = {(pack.x.shape[1:], pack.x.dtype) for pack in self.packs if pack.lengths is None}
        if len(kinds) > 1:
            raise InputError(f"{', '.join(paths)}: rows of several shapes or types, {sorted(map(str, kinds))}")

    def read(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the rows of some clips, {"": x, "_lengths": ...}; where rows are ragged, zeros fill the shorter."""
        places = np.array([self.place[name] for name in names], dtype=np.int64).reshape(-1, 2)
        shape = tuple(max(sizes) for sizes in zip(*(pack.x.shape[1:] for pack in self.packs), strict=True))
        x = np.empty((len(names), *shape), self.packs[0].x.dtype)
        lengths = None
        for number, pack in enumerate(self.packs):
            mine = np.flatnonzero(places[:, 0] == number)
            rows = places[mine, 1]
            if pack.x.shape[1:] != shape:
                x[mine] = 0
            pack.read(rows, x[(slice(None), *map(slice, pack.x.shape[1:]))], mine)
            if pack.lengths is not None:
                lengths = np.zeros((len(names), *pack.lengths.shape[1:]), np.int32) if lengths is None else lengths
                lengths[mine] = pack.lengths[rows]
        return {"": x} | ({"_lengths": lengths} if lengths is not None else {})


class Rows:
    """The rows of a table of clips (columns dataset, subject, id) that all packs of a method hold.

    Attributes
    ----------
    table : the clips, those left out that a pack lacks; they are named in the job's log.
    """

    def __init__(self, method: type[Method], table: pd.DataFrame, packs: Mapping[str, Sequence[str]], where: str):
        missing = [role for role in method.reads if role not in packs]
        if missing:
            raise InputError(f"{where}: its inputs have no {missing[0]!r}, which it reads")
        self._roles = {role: _Joined(packs[role], role, axes) for role, axes in method.reads.items()}
        for role, pack in self._roles.items():
            lost = set(table["id"]) - set(pack.place)
            if lost:
                logging.warning("%d clip(s) of the protocol are not in the pack %r: %s", len(lost), role, sorted(lost))
                table = table[~table["id"].isin(lost)].reset_index(drop=True)
        self.table = table

    def inputs(self, rows: Sequence[int]) -> Inputs:
        """Read some rows of the table, each once and into one array for each role."""
        part = self.table.iloc[list(rows)]
        ids = part["id"].to_numpy(dtype=object)
        inputs = {role + end: x for role, pack in self._roles.items() for end, x in pack.read(ids).items()}
        subjects = [f"{d}:{s}" for d, s in zip(part["dataset"], part["subject"], strict=True)]
        return inputs | {"id": ids, "subject": np.array(subjects, dtype=object)}

    def people(self, rows: Sequence[int], people_of: Mapping[str, str] | None = None) -> set[str]:
        """Return whom some rows show, "release:subject"; `people_of` says whose people a data set shows."""
        part = self.table.iloc[list(rows)]
        names = people_of or {}
        return {f"{names.get(d, d)}:{s}" for d, s in zip(part["dataset"], part["subject"], strict=True)}
