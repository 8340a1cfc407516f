"""Named arrays and a record in one safetensors file, checked when they are read."""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from apexbench.errors import StoreError, anew
from apexbench.store.checksums import checksum_of
from apexbench.store.writing import atomic

NAMES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64",
    "float16": "F16", "float32": "F32", "float64": "F64",
}  # fmt: skip
TYPES = {name: np.dtype(kind) for kind, name in NAMES.items()}


def write_tensors(path: str | os.PathLike, tensors: Mapping[str, np.ndarray], meta: Mapping) -> None:
    """Write named arrays and the JSON-able record `meta` (its `kind` says what the file is)."""
    if "kind" not in meta:
        raise ValueError("meta needs a 'kind' that says what the file is")
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    with atomic(path, sum(x.nbytes for x in arrays.values())) as part:
        save_file(arrays, part, metadata=metadata_of(meta, {name: checksum_of(x) for name, x in arrays.items()}))


def metadata_of(meta: Mapping, checksums: Mapping[str, int]) -> dict[str, str]:
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
            raise StoreError(f"{self.path}: damaged or not written by ApexBench ({error}); {anew(path)}") from error
        if kind is not None and self.meta.get("kind") != kind:
            raise StoreError(f"{self.path}: holds {self.meta.get('kind')!r}, expected {kind!r}; {anew(path)}")

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(f"{self.path}: no tensor {name!r}")
        array = self._file.get_tensor(name)
        if name in self._checksums and checksum_of(array) != self._checksums[name]:  # a pack's rows have theirs
            raise StoreError(f"{self.path}: {name!r} is not as it was written; {anew(self.path)}")
        return array

    def checksum(self, name: str) -> int:
        """Return the checksum of a tensor, as it was written, without reading it."""
        return self._checksums[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it."""
        return tuple(self._file.get_slice(name).get_shape())

    def dtype(self, name: str) -> np.dtype:
        """Return the type of a tensor without reading it."""
        return TYPES[self._file.get_slice(name).get_dtype()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_tensors(path: str | os.PathLike, kind: str | None = None) -> Tensors:
    """Open a tensor file; arrays are read when they are asked for."""
    return Tensors(path, kind)
