"""What lies in a user's copy of a release: names, sizes and times, by which changed clips are noticed.

No file is opened: 300,000 frames take seconds. Two copies of one release differ here, by their times, and give the same
numbers all the same: what is told here decides what is made anew, and enters no key and no seed.
"""

import hashlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from apexbench.errors import InputError

_PICTURES = (".jpg", ".jpeg", ".png", ".bmp")
_LEAVINGS = {"__macosx", "thumbs.db", "desktop.ini"}
_DEEPEST = 50  # no loader looks deeper
_SMALL = 2**20  # bytes, below which a file is read


def passed_over(name: str) -> bool:
    """Tell whether a name is that of a hidden or temporary file, or of what other systems leave in folders.

    >>> [passed_over(name) for name in ("~$sheet.xlsx", ".DS_Store", "Thumbs.db", "img1.jpg")]
    [True, True, True, False]
    """
    return name.startswith((".", "~$")) or name.lower() in _LEAVINGS


def tree_state(root: str | os.PathLike, pictures: bool = False) -> str:
    """Return a fingerprint of all names below `root`, and of the sizes and times of what is no picture.

    pictures : count the sizes and times of pictures, too.

    Links are followed, each folder that they lead to once. Raises InputError if a folder cannot be listed.
    """
    total, count = hashlib.sha256(), 0
    waiting, linked = [(Path(root), 0)], {Path(root).resolve()}
    while waiting:
        folder, depth = waiting.pop()
        lines = []
        for entry in _entries(folder):
            if not is_folder(entry):
                plain = entry.name.lower().endswith(_PICTURES) and not pictures
                lines.append(os.fsencode(entry.name) if plain else _line(entry))
                count += 1
                continue
            path = folder / entry.name
            lines.append(os.fsencode(f"{entry.name}/"))
            if depth < _DEEPEST and not (entry.is_symlink() and path.resolve() in linked):
                linked |= {path.resolve()} if entry.is_symlink() else set()
                waiting.append((path, depth + 1))
        total.update(b"\0".join([os.fsencode(folder.relative_to(root)), *lines, b"\0"]))
    return f"{count} files, {total.hexdigest()[:12]}"


def folder_state(folder: str | os.PathLike) -> tuple[int, bytes]:
    """Return how many pictures lie in a clip's folder, and a digest of their names, sizes and times; 0 of no folder."""
    if not Path(folder).is_dir():
        return 0, b""
    lines = [_line(entry) for entry in _entries(folder) if entry.name.lower().endswith(_PICTURES)]
    return len(lines), hashlib.sha256(b"\0".join(lines)).digest()


def joined(states: Iterable[tuple[int, bytes]]) -> str:
    """Return one fingerprint of several folders' states, in their order."""
    count, total = 0, hashlib.sha256()
    for pictures, digest in states:
        count += pictures
        total.update(digest or b"none")
    return f"{count} pictures, {total.hexdigest()[:12]}"


def files_state(paths: Any) -> str:
    """Return what files of the user's own look like among some paths, in whatever lists and dictionaries.

    Small ones by what they hold, others by size and time: one that comes with an older time than it had, as of a
    `cp -p`, is another file all the same. What lies below results/ is made by rules; folders are told by the functions
    above.
    """
    if isinstance(paths, dict):
        paths = list(paths.values())
    if not isinstance(paths, str):
        return "; ".join(filter(None, map(files_state, paths)))
    file = Path(paths)
    if paths.startswith("results/") or not file.is_file():
        return ""
    facts = file.stat()
    return f"{paths} {_looks(paths, facts.st_size, facts.st_mtime_ns)}"


@cache
def _looks(path: str, size: int, time: int) -> str:
    return f"{size} {time}" if size > _SMALL else hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def _entries(folder: str | os.PathLike) -> list[os.DirEntry]:
    """What lies in a folder, by name; what loaders pass over is left out."""
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not passed_over(e.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be listed ({error.strerror}); mend its rights") from None


def is_folder(entry: os.DirEntry) -> bool:
    """Tell whether an entry is a folder or leads to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _line(entry: os.DirEntry) -> bytes:
    """Name, size and time in ns of a file; of a broken link its name."""
    try:
        facts = entry.stat()
    except OSError:
        return os.fsencode(entry.name)
    return os.fsencode(f"{entry.name}\0{facts.st_size} {facts.st_mtime_ns}")
