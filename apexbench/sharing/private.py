"""What says where a bundle was made stays at home: paths are cut to their last part, and what is left is refused."""

import getpass
import json
import platform
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet

from apexbench.errors import InputError

_ABSOLUTE = re.compile(r"(?:/|~|[A-Za-z]:[\\/]|\\\\).*")
_TEXTS = (".json", ".yaml", ".csv", ".md", ".tex", ".html")


def without_paths(value: Any) -> Any:
    """Return a JSON-able value, each absolute path in it cut to its last part.

    >>> without_paths({"weights": {"file": "/home/anna/vit.pth"}, "log": "logs/theirs.txt"})
    {'weights': {'file': 'vit.pth'}, 'log': 'logs/theirs.txt'}
    """
    if isinstance(value, Mapping):
        return {key: without_paths(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(inner) for inner in value]
    if isinstance(value, str) and "\n" not in value and _ABSOLUTE.fullmatch(value):
        return re.split(r"[\\/]", value.rstrip("\\/"))[-1]
    return value


def predictions(path: Path) -> bytes | Path:
    """Return a predictions file, or its bytes anew where its record holds an absolute path."""
    table = pyarrow.parquet.ParquetFile(path)
    record = json.loads(table.schema_arrow.metadata[b"apexbench"])
    if without_paths(record) == record:
        return path
    metadata = {b"apexbench": json.dumps(without_paths(record), sort_keys=True).encode()}
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table.read().replace_schema_metadata(metadata), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def giveaways() -> dict[str, str]:
    """Return {text that a bundle may not hold: what it is} of this machine and its user."""
    found = {str(Path.home()): "the home folder", str(Path.cwd()): "the working folder"}
    with suppress(KeyError, OSError, ImportError):  # a container may have no such user
        found[f"{getpass.getuser()}@{platform.node()}"] = "the user"
    if re.search(r"[\d.-]", platform.node()):  # a word alone may stand anywhere
        found[platform.node()] = "the machine"
    return {text: what for text, what in found.items() if len(text) > 4}


def check_private(name: str, content: bytes, texts: Iterable[tuple[str, str]]) -> None:
    """Raise InputError if a file of a bundle names this machine, its user or a folder of theirs."""
    if not name.endswith(_TEXTS):
        return
    for text, what in texts:
        match = re.search(rb"(?<![\w.-])" + re.escape(text.encode()) + rb"(?![\w-])", content)
        if match:
            line = content[: match.start()].count(b"\n") + 1
            raise InputError(
                f"{name}, line {line}: holds {text!r}, {what}, which is not for others; take it out of the "
                f"configuration or the card that it comes from, and make the tables anew"
            )
