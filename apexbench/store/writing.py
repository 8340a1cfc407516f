"""Whole files and folders, or none: written in a folder beside, which is renamed when all is complete and on disk."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from safetensors import SafetensorError

from apexbench.errors import StoreError, unwritable
from apexbench.store.unfinished import neighbour

POINTS = ("before-write", "before-fsync", "before-rename", "after-rename")  # of a write, where a test may kill it


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
    with _writing(path, size), neighbour(path) as part:
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
    with _writing(path), neighbour(path) as part:
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
