"""Folders `.part-*` beside what is being written: held by a lock, and cleared when nobody holds them any more."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PART = ".part-"  # begins the name of a folder in which something is not finished


@contextmanager
def neighbour(path: Path) -> Iterator[Path]:
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
