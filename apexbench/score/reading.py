"""What a file is, found by its content, never by its name; then the reader of that format."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from apexbench.errors import InputError
from apexbench.score import lists
from apexbench.score.columns import NAMES, is_columns, read_columns, roles, score_names
from apexbench.score.lists import read_lists
from apexbench.score.logs import read_megc_log
from apexbench.score.matrices import is_matrix, read_matrix
from apexbench.score.ours import files_of, read_ours
from apexbench.score.predictions import Predictions, dataset_name
from apexbench.score.texts import text_of
from apexbench.store.parquet import read_columns as read_columns_of

_LOG_SETS = ("casme2", "smic-hs", "samm")
_BYTES = 1 << 30
_CELLS = 20_000_000  # of a sheet, empty ones included
FORMATS = (
    "a MEGC2019 log, lists by subject, a CSV or parquet with columns of truth and prediction, a confusion matrix (CSV, "
    "xlsx), or predictions of ApexBench"
)


def read(
    path: Path, classes: Sequence[str] = (), seed: int | None = None, transposed: bool = False
) -> list[tuple[Predictions, str]]:
    """Read one file or the folder of a run; a workbook may hold several systems, one on each sheet.

    Returns predictions and the protocol that the file names ("" if none). InputError names what cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        return [read_ours(path, files_of(path), seed)]
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: expected a file, found a pipe or a device")
        if path.stat().st_size > _BYTES:
            raise InputError(f"{path}: {path.stat().st_size >> 20} MB; predictions are smaller than 1024 MB")
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror})") from None
    options = {"classes": classes, "transposed": transposed, "seed": seed}
    if not content:
        raise InputError(f"{path}: empty; expected {FORMATS}")
    if content.startswith(b"PAR1"):
        return [_parquet(path, classes, seed)]
    if content.startswith(b"PK\x03\x04"):
        return [(found, "") for found in _workbook(path, **options)]
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise InputError(f"{path}: an old Excel file (.xls); save it as .xlsx or CSV")
    lines = text_of(path, content).splitlines()
    return [(_text(path, lines, **options), "")]


def _text(path: Path, lines: list[str], **options) -> Predictions:
    first = next(line for line in lines if line.strip())
    filled = [line for line in lines[:50] if line.strip()]
    fields = first.split()
    if lists.START.match(first) or lists.NAMED.fullmatch(first):
        return read_lists(path, lines, options["classes"])
    if len(fields) == 2 and dataset_name(fields[0]) in _LOG_SETS and not re.search(r"[,;]", first):
        if len(filled) > 1 and lists.START.match(filled[1]):
            return read_lists(path, lines, options["classes"])
        return read_megc_log(path, lines)
    clip = len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit() and not fields[0].isdigit()
    if clip or (len(fields) == 2 and len(filled) > 1 and _is_clip(filled[1])):
        return read_megc_log(path, lines)  # which says what is wrong with the first line
    return _separated(path, lines, first, **options)


def _is_clip(line: str) -> bool:
    fields = line.split()
    return len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit()


def _separated(path: Path, lines: list[str], first: str, classes, transposed, seed) -> Predictions:
    separator = max(",;\t", key=first.count)
    separator = separator if first.count(separator) else None
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if separator is None:
        rows = [line.split() for _, line in filled[:1000]]
    else:
        rows = _cells(path, filled[:1000], separator)
    if separator is not None and is_columns([cell.strip() for cell in rows[0]]):
        frame, numbers = _frame(path, filled, separator)
        return read_columns(frame, path.name, str(path), "CSV", numbers, classes=classes, seed=seed)
    if len(filled) < 1000 and (is_matrix(rows) or _looks_square(rows)):
        numbers = [number for number, _ in filled]
        return read_matrix(rows, path.name, str(path), numbers, classes=classes, transposed=transposed)
    truth, guess = NAMES["truth"][:4], NAMES["prediction"][:3]
    raise InputError(
        f"{path}, line {filled[0][0]}: not recognised: {first.strip()[:80]!r}; expected {FORMATS}. A CSV needs a "
        f"header of the truth ({', '.join(truth)} ...) and the prediction ({', '.join(guess)} ... or scores p0 ...)"
    )


def _cells(path: Path, filled: list[tuple[int, str]], separator: str) -> list[list[str]]:
    """Return the fields of numbered lines, a row for each."""
    cells, rows = csv.reader((line for _, line in filled), delimiter=separator), []
    try:
        for (number, _), row in zip(filled, cells, strict=False):
            if cells.line_num > len(rows) + 1:
                raise InputError(f"{path}, line {number}: a quoted field goes over several lines; one line a row")
            rows.append(row)
    except csv.Error as error:
        raise InputError(f"{path}, line {filled[min(cells.line_num, len(filled)) - 1][0]}: {error}") from None
    return rows


def _looks_square(rows: list[list[str]]) -> bool:
    """Whether most cells below the first row and right of the first column are numbers: a matrix with a fault in it."""
    cells = [cell for row in rows[1:] for cell in row[1:]]
    numeric = sum(bool(re.fullmatch(r"\s*[\d.]+%?\s*", cell)) for cell in cells)
    return 2 < len(rows) < 60 and len(rows[0]) < 60 and numeric > len(cells) / 2 and len(cells) > 1


def _frame(path: Path, filled: list[tuple[int, str]], separator: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a CSV's cells as texts, and the line of each row."""
    names, *rows = _cells(path, filled, separator)
    header = [name.strip() for name in names]
    numbers = [number for number, _ in filled]
    for number, row in zip(numbers[1:], rows, strict=True):
        if len(row) != len(header):
            found = "a MEGC2019 log or another format" if len(row) == 1 else "a comma too many or too few"
            raise InputError(
                f"{path}, line {number}: {len(row)} fields, but the header has {len(header)} ({found}?); one format a "
                f"file, one field a column"
            )
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise InputError(f"{path}, line {numbers[0]}: two columns {twice!r}; leave one")
    return pd.DataFrame(rows, columns=header, dtype=str), np.array(numbers[1:])


def _parquet(path: Path, classes: Sequence[str], seed: int | None) -> tuple[Predictions, str]:
    import pyarrow
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_schema(path)
        if b"apexbench" in (schema.metadata or {}):
            return read_ours(path, [path], seed)
        names = schema.names
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{path}: two columns {twice!r}; leave one")
        if not is_columns(names):
            raise InputError(
                f"{path}: parquet with the columns {', '.join(names)}; expected the truth "
                f"({', '.join(NAMES['truth'])}) and the prediction ({', '.join(NAMES['prediction'])}, or scores p0 ...)"
            )
        taken = [*roles(names, str(path)).values()]
        table = read_columns_of(path, [*taken, *score_names(names, taken).values()])
        frame = table.replace_schema_metadata(None).to_pandas()
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise InputError(f"{path}: a damaged parquet file, or none of predictions ({error})") from None
    texts = frame.astype(object).where(frame.notna(), "").map(_cell)
    rows = np.arange(1, len(texts) + 1)
    return read_columns(texts, path.name, str(path), "parquet", rows, "row", classes, seed), ""


def _cell(value) -> str:
    """Return a cell as a CSV would have it."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return "[" + ", ".join(map(str, value)) + "]"
    return "" if value is None else str(value)


def _workbook(path: Path, classes, transposed, seed) -> list[Predictions]:
    from apexbench.datasets.sheets import read_all  # openpyxl is wanted for workbooks only

    try:
        sheets = read_all(path)
    except InputError as error:  # without the mend, which is that of an annotation
        what = str(error).rpartition(";")[0].removeprefix(f"{path}: ")
        raise InputError(f"{path}: a zip file, but no xlsx workbook that can be read: {what}; save it as CSV") from None
    found = []
    for title, cells in sheets.items():
        rows = [(number, row) for number, row in enumerate(cells, 1) if any(cell.strip() for cell in row)]
        if not rows:
            continue
        width = max(place for _, row in rows for place, cell in enumerate(row, 1) if cell.strip())
        if width * len(rows) > _CELLS:
            raise InputError(
                f"{path}, sheet {title!r}: {len(rows)} rows of {width} cells; delete what lies beside them"
            )
        grid = [(row + [""] * width)[:width] for _, row in rows]
        numbers = [number for number, _ in rows]
        place, name = f"{path}, sheet {title!r}", path.name if len(sheets) == 1 else f"{path.name}:{title}"
        if is_columns(grid[0]):
            frame = pd.DataFrame(grid[1:], columns=grid[0], dtype=str)
            found.append(read_columns(frame, name, place, "workbook", np.array(numbers[1:]), "row", classes, seed))
        elif is_matrix(grid) or _looks_square(grid):
            found.append(read_matrix(grid, name, place, numbers, "row", classes, transposed))
        else:
            raise InputError(
                f"{place}, row {numbers[0]}: neither a confusion matrix nor columns of truth and prediction; found "
                f"{', '.join(filter(None, grid[0]))[:80]!r}"
            )
    if not found:
        raise InputError(f"{path}: no cells; expected a confusion matrix, or columns of truth and prediction")
    return found
