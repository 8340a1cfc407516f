"""The one error that a user may see, and its kind for files: says what is wrong, where, and how to mend it."""

import difflib
import errno
import os
import shutil
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_MANY, _LIKE = 30, 8  # known names that are all listed; of more, those most like what was given
_FULL, _RIGHTS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}, {errno.EACCES, errno.EPERM}


class InputError(Exception):
    """Bad input from outside: the message names file, row and field, what was expected and the mend."""


class StoreError(InputError):
    """A file between stages is missing, damaged or of another kind than expected."""


def printable(text: str) -> str:
    r"""Return a text as a terminal can show it: what moves the cursor, changes colours or hides letters is spelt out.

    >>> printable("equal\x1b[2J")
    'equal\\x1b[2J'
    """
    if text.isprintable():
        return text
    hidden = {letter for letter in set(text) - {"\n", "\t"} if unicodedata.category(letter).startswith("C")}
    return text.translate({ord(letter): ascii(letter)[1:-1] for letter in hidden})


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known name, and the known names; of many those that are like it.

    >>> nearest("stsnet", ["ststnet", "majority"])
    "did you mean 'ststnet'? Known: majority, ststnet"
    """
    known = sorted(known)
    match = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {match[0]!r}? " if match else ""
    if len(known) <= _MANY:
        return f"{hint}Known: {', '.join(known)}"
    like = difflib.get_close_matches(str(name), known, n=_LIKE, cutoff=0.0)
    return f"{hint}Known: {', '.join(sorted(like))} and {len(known) - len(like)} more"


def of_disk(error: BaseException) -> str:
    """Return what a user is told of an error of the disk: full, too large, read-only, no rights; "" of any other."""
    if not isinstance(error, OSError) or error.errno not in (*_FULL, *_RIGHTS):
        return ""
    if error.errno in _RIGHTS:  # of reading, perhaps
        if error.filename is None:
            return ""
        return f"{error.filename}: {error.strerror}; mend its rights or its folder's, then rerun"
    return unwritable(error.filename, error)


def unwritable(path: str | os.PathLike | None, error: Exception, size: int | None = None) -> str:
    """Return what a user is told where a file could not be written; `size`: the bytes that it was to have, if known."""
    if path is None:
        return f"a file could not be written ({error}). {_MEND}"
    path = Path(path)
    folder = next((folder for folder in path.absolute().parents if folder.is_dir()), Path("/"))
    sizes = [f"{size} bytes were to be written"] if size is not None else []
    with suppress(OSError):
        sizes.append(f"{shutil.disk_usage(folder).free} bytes are free there")
    why = getattr(error, "strerror", None) or error
    return f"{path}: could not be written ({why}) in {folder}/{'; ' * bool(sizes)}{', '.join(sizes)}. {_MEND}"


def anew(path: str | os.PathLike) -> str:
    """What makes a file anew, also where all that was made of it is still there, so that Snakemake would not."""
    return f"delete it and rerun: snakemake --cores 2 --force {path}"


_MEND = (
    "Nothing was left half-written. Free space, or mend the folder's rights, then rerun: the same command goes on from "
    "what is finished"
)
