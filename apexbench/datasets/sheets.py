"""Annotation files as text: workbooks and CSV, header rows found by name, formulas computed anew."""

import csv
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import openpyxl
import pandas as pd
from openpyxl.utils.exceptions import InvalidFileException

from apexbench.errors import InputError, nearest

# Header names of the sheets that have one row for each clip; releases differ in blanks only.
COLUMNS = {
    "subject": ["Subject"],
    "clip": ["Filename"],
    "onset": ["OnsetFrame", "Onset Frame"],
    "apex": ["ApexFrame", "Apex Frame"],
    "offset": ["OffsetFrame", "Offset Frame"],
    "aus": ["Action Units"],
    "emotion": ["Estimated Emotion"],
}
_LAST_HEADER = 40  # rows in which a header is looked for
_TERM = re.compile(r"([+-]?)(?:\$?([A-Z]{1,3})\$?(\d+)|(\d+))")
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, SyntaxError, UnicodeError, zlib.error,
    zipfile.BadZipFile, InvalidFileException,
)  # fmt: skip


def read_cells(path: Path, sheets: Sequence[str] = (), fallback: bool = True) -> tuple[str, list[list[str]]]:
    """Return the place, for messages, and the cells of one sheet of a workbook, or of a CSV file, as text.

    Parameters
    ----------
    path : a file .xlsx, .xls (where the package xlrd is installed) or .csv.
    sheets : names to look for, tried in turn.
    fallback : take the first sheet if none of them is there; otherwise that is an error.

    Whole numbers lose their ".0", outer blanks go, empty cells are "". A formula of sums and differences is computed;
    of any other the result counts that the spreadsheet program stored, and where there is none, the formula's text.
    """
    if path.suffix.lower() == ".csv":
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                return str(path), [[_text(cell) for cell in row] for row in csv.reader(file)]
        except (OSError, UnicodeError, csv.Error) as error:
            raise InputError(f"{path}: not a readable CSV file in UTF-8 ({error}); copy it anew") from None
    old = path.suffix.lower() == ".xls"
    book = _open_old(path) if old else _open(path)
    names = book.sheet_names if old else book.sheetnames
    name = next((name for name in sheets if name in names), names[0] if fallback else None)
    if name is None:
        raise InputError(f"{path}: no sheet {' or '.join(map(repr, sheets))}; {nearest(sheets[0], names)}")
    return f"{path}, sheet {name!r}", _old_cells(book, name) if old else _cells(path, book[name])


def _cells(path: Path, page) -> list[list[str]]:
    stored = None
    cells = []
    for row in page.iter_rows():
        texts = []
        for cell in row:
            value = cell.value
            if cell.data_type == "f":
                if stored is None:
                    stored = _open(path, values=True)[page.title]
                result = _sum(getattr(value, "text", value), partial(_value, page))
                kept = stored.cell(cell.row, cell.column).value
                value = next((v for v in (result, kept) if v is not None), str(value))
            texts.append(_text(value))
        cells.append(texts)
    return cells


def read_sheet(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    sheets: Sequence[str] = (),
    optional: Iterable[str] = (),
) -> pd.DataFrame:
    """Find the header row of a sheet by its names, and return the wanted columns as text.

    Parameters
    ----------
    path, sheets : see `read_cells`.
    columns : {name in the result: accepted header names}; compared without case, blanks and quotes.
    optional : columns that may be missing; they are then empty.

    Returns
    -------
    DataFrame of str with the keys of `columns` and `place`, which names file, sheet and row as the spreadsheet program
    counts it. Rows with less than two wanted cells are passed over.
    """
    place, cells = read_cells(path, sheets)
    wanted = {key: [_plain(name) for name in names] for key, names in columns.items()}
    best, header = 0, None
    for number, row in enumerate(cells[:_LAST_HEADER]):
        found = {_plain(cell) for cell in row}
        hits = sum(not found.isdisjoint(names) for names in wanted.values())
        if hits > best:
            best, header = hits, number
    if header is None:
        raise InputError(f"{place}: no header row with {', '.join(names[0] for names in columns.values())} found")
    titles = [_plain(cell) for cell in cells[header]]
    present = [cell for cell in cells[header] if cell]
    picked, problems = {}, []
    for key, names in wanted.items():
        spots = [spot for spot, title in enumerate(titles) if title in names]
        wish = " or ".join(map(repr, columns[key]))
        if not spots and key not in optional:
            problems.append(f"no column {wish}; {nearest(columns[key][0], present)}")
        if len(spots) > 1:
            problems.append(f"{len(spots)} columns {wish}; keep one of them")
        picked[key] = spots[0] if spots else None
    if problems:
        raise InputError("\n".join(f"{place}, row {header + 1}: {problem}" for problem in problems))
    rows = []
    for number, row in enumerate(cells[header + 1 :], header + 2):
        texts = {key: row[spot] if spot is not None and spot < len(row) else "" for key, spot in picked.items()}
        if sum(map(bool, texts.values())) >= 2:
            rows.append({**texts, "place": f"{place}, row {number}"})
    return pd.DataFrame(rows, columns=[*columns, "place"])


def _open(path: Path, values: bool = False) -> openpyxl.Workbook:
    """Open a workbook for its formulas, or for the values that the spreadsheet program stored beside them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that do not matter here
            return openpyxl.load_workbook(path, data_only=values)
    except _UNREADABLE as error:
        raise InputError(f"{path}: not a readable workbook ({error}); copy it anew from the release") from None


def _open_old(path: Path) -> pd.ExcelFile:
    try:
        return pd.ExcelFile(path)
    except ImportError:
        mend = "save it as .xlsx with a spreadsheet program, or install the package xlrd"
        raise InputError(f"{path}: a workbook of the old kind, .xls; {mend}") from None
    except Exception as error:  # xlrd has errors of its own, which cannot be named where it is not installed
        raise InputError(f"{path}: not a readable workbook ({error}); copy it anew from the release") from None


def _old_cells(book: pd.ExcelFile, name: str) -> list[list[str]]:
    table = book.parse(name, header=None, dtype=object, na_filter=False)
    return [[_text(value) for value in row] for row in table.itertuples(index=False)]


def _text(value) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _plain(title: str) -> str:
    """A header as it is compared: some releases break it, or leave quotes in it."""
    return re.sub(r"[\s'\"\u2018\u2019\u201c\u201d]", "", title).lower()


def _sum(formula: str, value: Callable[[str, int], float | None]) -> float | None:
    """The value of a formula such as "=D2+H2-1", given the values of cells; None for any other formula."""
    body = str(formula).removeprefix("=").replace(" ", "").upper()
    terms = list(_TERM.finditer(body))
    if not terms or "".join(term[0] for term in terms) != body or any(not term[1] for term in terms[1:]):
        return None
    total = 0.0
    for sign, column, row, number in (term.groups() for term in terms):
        part = float(number) if number else value(column, int(row))
        if part is None:
            return None
        total += -part if sign == "-" else part
    return total


def _value(page, column: str, row: int, depth: int = 8) -> float | None:
    """The number in a cell, which may be a formula itself; None if it holds no number."""
    cell = page[f"{column}{row}"]
    if cell.data_type == "f":
        return _sum(cell.value, partial(_value, page, depth=depth - 1)) if depth else None
    try:
        return float(cell.value)
    except (TypeError, ValueError):
        return None
