"""Files between stages: atomic, self-describing, and refused when they are not whole or not as they were written.

Arrays lie in safetensors files: a header names every tensor and carries the record `meta` as JSON, so that a file
tells what it is without its path. Every write goes to a folder beside and is renamed when it is complete and on disk:
a killed job or a full disk leaves the old file, or none, never half of one. The folders of killed jobs go when the
next run starts (`clear_unfinished`).

Checksums (CRC-32) of the record and of each array, of a pack of each row, are in the header and checked of what is
read; that of a CSV or of predictions lies beside it (`sealed`). They find what a disk or a copy does to a file, not
what a forger does.
"""

import fcntl
import hashlib
import json
import mmap
import os
import shutil
import signal
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from apexbench.errors import InputError, unwritable


class StoreError(InputError):
    """A file between stages is missing, damaged or of another kind than expected."""


POINTS = ("before-write", "before-fsync", "before-rename", "after-rename")  # of a write, where a test may kill it
_PART = ".part-"  # begins the name of a folder in which something is not finished


@contextmanager
def atomic(path: str | os.PathLike, size: int | None = None) -> Iterator[Path]:
    """Yield a temporary file, in a folder beside `path`; rename it over `path` when the block ends without an error.

    `size`: how many bytes it will have, where that is known: a full disk's message says so.

    >>> import pathlib, tempfile
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic(target) as part:
    ...     _ = part.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    with _writing(path, size), _neighbour(path) as part:
        part.touch()
        _at("before-write", path)
        yield part
        _at("before-fsync", path)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        _at("before-rename", path)
        part.replace(path)
    _at("after-rename", path)


@contextmanager
def new_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder that takes the place of `path` when the block ends without an error.

    Raises FileExistsError if there is anything at `path` but an empty folder.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path} exists and is not empty: nothing is written over it")
    with _writing(path), _neighbour(path) as part:
        part.mkdir()
        _at("before-write", path)
        yield part
        _at("before-fsync", path)
        _at("before-rename", path)
        part.rename(path)
    _at("after-rename", path)


@contextmanager
def _writing(path: Path, size: int | None = None) -> Iterator[None]:
    """Raise a StoreError that says what was to be written, and where, if the disk or the folder does not let us."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise StoreError(unwritable(path, error, size)) from error


@contextmanager
def _neighbour(path: Path) -> Iterator[Path]:
    """Yield a path in a new folder beside `path`, held by a lock until the end, when the folder goes.

    In a folder, as libraries put files of their own beside what they write. The kernel drops the lock with the process,
    however that ends: so `clear_unfinished` knows what nobody writes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=_PART))
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        _hold(handle)
        if folder.exists():
            break
        os.close(handle)  # cleared by another run in the moment before it was held
    try:
        yield folder / path.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _hold(handle: int) -> bool:
    """Lock what is open, and tell whether it was free; where nothing can be locked it counts as held."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def clear_unfinished(folder: str | os.PathLike, deep: bool = True) -> list[str]:
    """Delete what killed jobs left half-written in a folder, and return what it was to be; what is being written stays.

    The folders of clips are passed over: whole or not, they are of one piece.
    """
    cleared = []
    for place, folders, _ in os.walk(folder):
        for path in [Path(place, name) for name in folders if name.startswith(_PART)]:
            try:
                handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue  # gone already, or another's
            if _hold(handle):
                cleared += [str(path.parent / inside.name) for inside in path.iterdir()]
                shutil.rmtree(path, ignore_errors=True)
            os.close(handle)
        folders[:] = [name for name in folders if deep and name != "clips" and not name.startswith(_PART)]
    return cleared


def _at(point: str, path: Path) -> None:
    """End at a point of a write, as by a power cut, where a test asks for it: this process and all of its group.

    APEXBENCH_KILL has a folder and then `<point>:<pattern of paths>`s; each kills once, and leaves its mark there.
    """
    folder, *wishes = os.environ.get("APEXBENCH_KILL", "").split() or [""]
    for number, wish in enumerate(wishes):
        wanted, _, pattern = wish.partition(":")
        if wanted == point and fnmatch(str(path), pattern):
            try:
                Path(folder, str(number)).touch(exist_ok=False)
            except FileExistsError:
                continue
            os.killpg(0, signal.SIGKILL)


def file_hash(path: str | os.PathLike) -> str:
    """Return a short hash of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _anew(path: str | os.PathLike) -> str:
    """What makes a file anew, also where all that was made of it is still there, so that Snakemake would not."""
    return f"delete it and rerun: snakemake --cores 2 --force {path}"


def _checksum(array: np.ndarray) -> int:
    """Return the CRC-32 of an array: its type, its shape and its numbers."""
    array = np.asarray(array, order="C")
    kind = zlib.crc32(f"{array.dtype.name}{array.shape}".encode())
    return zlib.crc32(array.data if array.size else b"", kind)


@contextmanager
def sealed(path: str | os.PathLike) -> Iterator[Path]:
    """Write a file as `atomic` does, and beside it, as `<path>.seal`, its size and CRC-32."""
    path = Path(path)
    seal = Path(f"{path}.seal")
    with atomic(path) as part:
        yield part
        content = part.read_bytes()
        seal.unlink(missing_ok=True)  # a kill from here on leaves a file without a seal, not one with another's
    with atomic(seal) as part:
        part.write_text(_seal(content))


def _seal(content: bytes) -> str:
    return f"{len(content)} bytes, {content.count(10)} lines, crc32 {zlib.crc32(content):08x}\n"


def check_seal(path: str | os.PathLike) -> None:
    """Raise StoreError if a file is not as it was written; one without a seal is taken as it is."""
    try:
        wanted, content = Path(f"{path}.seal").read_text(), Path(path).read_bytes()
    except OSError:
        return  # without a seal, or without a file, of which its reader tells
    if _seal(content) != wanted:
        found, wanted = _seal(content).strip(), wanted.strip()
        raise StoreError(f"{path}: not as it was written: {found}, where its seal says {wanted}; {_anew(path)}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_tensors(path: str | os.PathLike, tensors: Mapping[str, np.ndarray], meta: Mapping) -> None:
    """Write named arrays and the JSON-able record `meta` (its `kind` says what the file is)."""
    if "kind" not in meta:
        raise ValueError("meta needs a 'kind' that says what the file is")
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    with atomic(path, sum(x.nbytes for x in arrays.values())) as part:
        save_file(arrays, part, metadata=_metadata(meta, {name: _checksum(x) for name, x in arrays.items()}))


def _metadata(meta: Mapping, checksums: Mapping[str, int]) -> dict[str, str]:
    """Return the header's one entry, since the order of several is left to chance: checksum, space, JSON."""
    text = json.dumps({"record": dict(meta), "checksums": dict(checksums)}, sort_keys=True)
    return {"meta": f"{zlib.crc32(text.encode()):08x} {text}"}


class Tensors(Mapping):
    """Lazy view of a file written by `write_tensors`: arrays by name, and the record `meta`.

    Raises StoreError if the file is missing, cut short, changed, or not of the `kind` asked for; an array that has
    changed is refused when it is asked for.
    """

    def __init__(self, path: str | os.PathLike, kind: str | None = None):
        self.path = Path(path)
        try:
            if self.path.exists() and not self.path.is_file():
                raise ValueError("a folder or a pipe")
            self._file = safe_open(self.path, framework="numpy")
            self._names = tuple(self._file.keys())
            checksum, _, text = (self._file.metadata() or {})["meta"].partition(" ")
            if checksum != f"{zlib.crc32(text.encode()):08x}":
                raise ValueError("its record is not as it was written")
            found = json.loads(text)
            self.meta, self._checksums = found["record"], found["checksums"]
            if not isinstance(self.meta, dict):
                raise ValueError("its record has no keys")
            if lost := self._checksums.keys() - set(self._names):
                raise ValueError(f"no {', '.join(sorted(lost))}")
        except FileNotFoundError as error:
            raise StoreError(
                f"{self.path}: no such file; rerun the rule that writes it: snakemake --cores 2 {path}"
            ) from error
        except (SafetensorError, KeyError, TypeError, ValueError, RecursionError, OSError) as error:
            raise StoreError(f"{self.path}: damaged or not written by ApexBench ({error}); {_anew(path)}") from error
        if kind is not None and self.meta.get("kind") != kind:
            raise StoreError(f"{self.path}: holds {self.meta.get('kind')!r}, expected {kind!r}; {_anew(path)}")

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(f"{self.path}: no tensor {name!r}")
        array = self._file.get_tensor(name)
        if name in self._checksums and _checksum(array) != self._checksums[name]:  # a pack's rows have theirs
            raise StoreError(f"{self.path}: {name!r} is not as it was written; {_anew(self.path)}")
        return array

    def checksum(self, name: str) -> int:
        """Return the checksum of a tensor, as it was written, without reading it."""
        return self._checksums[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it."""
        return tuple(self._file.get_slice(name).get_shape())

    def dtype(self, name: str) -> np.dtype:
        """Return the type of a tensor without reading it."""
        return _TYPES[self._file.get_slice(name).get_dtype()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_tensors(path: str | os.PathLike, kind: str | None = None) -> Tensors:
    """Open a tensor file; arrays are read when they are asked for."""
    return Tensors(path, kind)


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
                if self.checksums is not None and _checksum(x) != self.checksums[row]:
                    raise StoreError(f"{self.path}: {self.ids[row]!r} is not as it was written; {_anew(self.path)}")
            into[part if places is None else places[part]] = some
            if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)
        return into


_RELEASED = 2**23  # bytes that are read before they are given back

_NAMES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64",
    "float16": "F16", "float32": "F32", "float64": "F64",
}  # fmt: skip
_TYPES = {name: np.dtype(kind) for kind, name in _NAMES.items()}


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
    header = {"x": {"dtype": _NAMES[dtype.name], "shape": shape, "data_offsets": [0, size]}}
    header["checksums"] = {"dtype": "I64", "shape": [len(ids)], "data_offsets": [size, end]}
    if lengths is not None:
        lengths = np.ascontiguousarray(lengths, dtype=np.int32)
        tail, known = lengths.tobytes(), {"lengths": _checksum(lengths)}
        header["lengths"] = {"dtype": "I32", "shape": lengths.shape, "data_offsets": [end, end + len(tail)]}
    header["__metadata__"] = _metadata(record, known)
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
        checksums = np.array([_checksum(row) for row in rows], np.int64)
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
    if header.get("x", {}).get("dtype") not in _TYPES:
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
        raise StoreError(f"{file.path}: not a whole pack ({fault}); {_anew(path)}")
    shape, dtype = tuple(header["x"]["shape"]), _TYPES[header["x"]["dtype"]]
    start = 8 + length + header["x"]["data_offsets"][0]
    x = np.memmap(file.path, dtype, "r", start, shape) if np.prod(shape) else np.empty(shape, dtype)
    return Pack(
        tuple(file.meta["ids"]), x, file.meta, file.get("lengths"), file._file.get_tensor("checksums"), file.path
    )


def pack_hash(path: str | os.PathLike) -> str:
    """Return a short hash of a pack: of its header and the checksums of its rows, whose bytes are not read.

    Raises StoreError as `read_pack` does.
    """
    pack = read_pack(path)
    with Path(path).open("rb") as file:
        length = file.read(8)
        header = file.read(int.from_bytes(length, "little"))
    return hashlib.sha256(header + pack.checksums.tobytes()).hexdigest()[:12]
