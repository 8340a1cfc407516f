"""What finds that bytes are not as they were written: seals beside files, CRC-32 of arrays, hashes of files."""

import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from apexbench.errors import StoreError, anew
from apexbench.store.writing import atomic


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
        raise StoreError(f"{path}: not as it was written: {found}, where its seal says {wanted}; {anew(path)}")


def checksum_of(array: np.ndarray) -> int:
    """Return the CRC-32 of an array: its type, its shape and its numbers."""
    array = np.asarray(array, order="C")
    kind = zlib.crc32(f"{array.dtype.name}{array.shape}".encode())
    return zlib.crc32(array.data if array.size else b"", kind)


def file_hash(path: str | os.PathLike) -> str:
    """Return a short hash of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
