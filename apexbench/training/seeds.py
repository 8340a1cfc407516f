"""Random streams that depend on what is trained, never on when, where or after what."""

import hashlib


def stream(*axes: str | int) -> int:
    """Return a seed below 2**63 for (study seed, protocol, run, seed, fold, ...), the same on every machine.

    >>> stream(0, "samm-3", "ststnet", 0, "samm:6") == stream(0, "samm-3", "ststnet", 0, "samm:6")
    True
    >>> stream(0, "a", "b") == stream(0, "ab")
    False
    """
    text = "\x1f".join(f"{type(axis).__name__}:{axis}" for axis in axes)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
