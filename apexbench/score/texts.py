"""A file's text, decoded or refused by line."""

from pathlib import Path

from apexbench.errors import InputError

_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
LINES = 100_000  # of a log or of lists: far more clips than any data set of the field has


def text_of(path: Path, content: bytes) -> str:
    """Return a file's text, which must be UTF-8; InputError names the line that is not."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            raise InputError(f"{path}, line 1: text in {encoding}; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = content[error.start]
        raise InputError(f"{path}, line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{path}, line {line}: a zero byte, so this is no text; expected a log, CSV, parquet or xlsx")
    if not text.strip():
        raise InputError(f"{path}: empty; expected predictions, or a confusion matrix")
    return text


def check_length(path: Path, lines: int, kind: str) -> None:
    """Raise InputError for more lines than a log can have."""
    if lines > LINES:
        raise InputError(
            f"{path}, line {LINES + 1}: {lines} lines, too many for {kind}; of predictions after many epochs make a "
            f"CSV or parquet with a column 'epoch'"
        )


def whole_number(text: str, classes: int, place: str, field: str) -> int:
    """Return a class number 0 .. classes-1; InputError names line and field."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) < classes):
        raise InputError(f"{place}, field {field}: {text!r}; expected a whole number from 0 to {classes - 1}")
    return int(text)
