"""The one error that a user may see: says what is wrong, where, and how to mend it."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Bad input from outside: the message names file, row and field, what was expected and the mend."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known name, and the known names.

    >>> nearest("stsnet", ["ststnet", "majority"])
    "did you mean 'ststnet'? Known: majority, ststnet"
    """
    known = sorted(known)
    match = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {match[0]!r}? " if match else ""
    return f"{hint}Known: {', '.join(known)}"
