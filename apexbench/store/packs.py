"""Packs: a recipe's arrays of all clips of a data set, a row each, in one file that is mapped into memory."""

import hashlib
import json
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apexbench.errors import StoreError, anew
from apexbench.store.checksums import checksum_of
from apexbench.store.tensors import NAMES, TYPES, metadata_of, read_tensors
from apexbench.store.writing import atomic

_RELEASED = 2**23  # bytes that are read before they are given back


@dataclass(frozen=True)
class Pack:
    """What a method reads: one row of `x` for each clip; `ids` are the texts of `apexbench.clips.ClipId`.

    Attributes
    ----------
    x : (N, ...) array of one type, mapped into memory: only what is indexed is read from the disk.
    axes : what each axis of a row is, such as ("key", "colour", "y", "x"); see docs/design.md.
    lengths : where rows differ in length along an axis, how much of it holds; an array over the axes before it.
    checksums : (N,) of the rows, which `read` checks; None: nothing is known of them.
    path : of the file.
    """

    ids: tuple[str, ...]
    x: np.ndarray
    meta: Mapping
    lengths: np.ndarray | None = None
    checksums: np.ndarray | None = None
    path: Path | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(self.meta["axes"])

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """Return the row numbers of clips by identity, never by position; KeyError if one is not in the pack."""
        place = {name: row for row, name in enumerate(self.ids)}
        return np.array([place[name] for name in ids], dtype=np.int64)

    def read(self, rows: np.ndarray, into: np.ndarray | None = None, places: np.ndarray | None = None) -> np.ndarray:
        """Return a copy of some rows, or put them at `places` of another array.

        What the mapping read from the disk is given back to the system on the way: no second copy is ever in memory.

        Raises StoreError, with the clip, if a row is not as it was written.
        """
        into = np.empty((len(rows), *self.x.shape[1:]), self.x.dtype) if into is None else into
        mapped = getattr(self.x, "_mmap", None)
        step = max(1, _RELEASED // max(1, self.x[:1].nbytes))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            some = self.x[rows[part]]
            for row, x in zip(rows[part], some, strict=True):
                if self.checksums is not None and checksum_of(x) != self.checksums[row]:
                    raise StoreError(f"{self.path}: {self.ids[row]!r} is not as it was written; {anew(self.path)}")
            into[part if places is None else places[part]] = some
            if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)
        return into


@contextmanager
def pack_rows(
    path: str | os.PathLike,
    ids: Sequence[str],
    shape: Sequence[int],
    dtype: np.dtype | str | type,
    meta: Mapping,
    lengths: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Yield the rows (N, *shape) of a new pack, to be filled one by one: none but the present one is in memory.

    The file is a safetensors file as `write_tensors` makes them. `meta` needs `axes`, a name for each axis of a row.

    Raises ValueError if an id stands twice or the axes do not fit the shape.
    """
    dtype, axes = np.dtype(dtype), list(meta["axes"])
    if len(set(ids)) != len(ids):
        raise ValueError(f"{len(ids)} clip ids, {len(set(ids))} of them different")
    if len(axes) != len(shape):
        raise ValueError(f"axes {axes} for rows of shape {tuple(shape)}")
    shape = (len(ids), *shape)
    size = int(np.prod(shape)) * dtype.itemsize
    record = {**meta, "kind": "pack", "ids": list(ids)}
    known, tail, end = {}, b"", size + 8 * len(ids)  # the rows' checksums come behind them
    header = {"x": {"dtype": NAMES[dtype.name], "shape": shape, "data_offsets": [0, size]}}
    header["checksums"] = {"dtype": "I64", "shape": [len(ids)], "data_offsets": [size, end]}
    if lengths is not None:
        lengths = np.ascontiguousarray(lengths, dtype=np.int32)
        tail, known = lengths.tobytes(), {"lengths": checksum_of(lengths)}
        header["lengths"] = {"dtype": "I32", "shape": lengths.shape, "data_offsets": [end, end + len(tail)]}
    header["__metadata__"] = metadata_of(record, known)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with atomic(path, 8 + len(text) + end + len(tail)) as part:
        with part.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            start = file.tell()
            file.flush()
            _reserve(file.fileno(), start + end)
            file.seek(start + end)
            file.write(tail)
        rows = np.memmap(part, dtype, "r+", start, shape) if size else np.empty(shape, dtype)
        yield rows
        checksums = np.array([checksum_of(row) for row in rows], np.int64)
        if size:
            rows.flush()
        del rows
        with part.open("rb+") as file:
            file.seek(start + size)
            file.write(checksums.tobytes())


def _reserve(handle: int, size: int) -> None:
    """Give an open file its size on the disk: where it is full that is an error here, not a killed process later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.truncate(handle, size)


def _unlike_a_pack(header: Mapping, meta: Mapping) -> str:
    """Say what of a file's header and record is not as `pack_rows` makes them; "" if all is."""
    if header.get("x", {}).get("dtype") not in TYPES:
        return "no tensor 'x' of a known type"
    shape = header["x"]["shape"]
    ids, axes = meta.get("ids"), meta.get("axes")
    if not isinstance(ids, list) or not isinstance(axes, list):
        return "no 'ids' or 'axes' in its record"
    if len(ids) != (shape or [0])[0] or len(set(map(str, ids))) != len(ids):
        return f"{len(ids)} ids, {len(set(map(str, ids)))} of them different, for rows of shape {shape}"
    if len(axes) + 1 != len(shape):
        return f"axes {axes} for rows of shape {shape}"
    return "" if header.get("checksums", {}).get("shape") == [len(ids)] else "no checksum of each row"


def read_pack(path: str | os.PathLike) -> Pack:
    """Open a pack; its rows are read when they are asked for.

    Raises StoreError if the file is missing, cut short, no pack, or its names do not fit its rows.
    """
    file = read_tensors(path, kind="pack")
    with file.path.open("rb") as raw:
        length = int.from_bytes(raw.read(8), "little")
        header = json.loads(raw.read(length))
    fault = _unlike_a_pack(header, file.meta)
    if fault:
        raise StoreError(f"{file.path}: not a whole pack ({fault}); {anew(path)}")
    shape, dtype = tuple(header["x"]["shape"]), TYPES[header["x"]["dtype"]]
    start = 8 + length + header["x"]["data_offsets"][0]
    x = np.memmap(file.path, dtype, "r", start, shape) if np.prod(shape) else np.empty(shape, dtype)
    return Pack(tuple(file.meta["ids"]), x, file.meta, file.get("lengths"), file["checksums"], file.path)


def pack_hash(path: str | os.PathLike) -> str:
    """Return a short hash of a pack: of its header and the checksums of its rows, whose bytes are not read.

    Raises StoreError as `read_pack` does.
    """
    pack = read_pack(path)
    with Path(path).open("rb") as file:
        length = file.read(8)
        header = file.read(int.from_bytes(length, "little"))
    return hashlib.sha256(header + pack.checksums.tobytes()).hexdigest()[:12]
