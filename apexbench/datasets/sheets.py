"""Annotation files as text: workbooks and CSV, header rows found by name, formulas computed anew."""

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import openpyxl
import pandas as pd
from openpyxl.utils import column_index_from_string

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
_LARGEST = 32 * 2**20  # bytes of a CSV, or of a workbook's unpacked XML; releases have less than 4 MB
# rows that a sheet may have; cells, those between included; values, of which the largest release has 50,000
_ROWS, _CELLS, _VALUES = 2**20, 20_000_000, 300_000
_DEPTH = 100  # formulas that hang on each other
_TERM = re.compile(r"([+-]?)(?:\$?([A-Z]{1,3})\$?([1-9]\d{0,6})|(\d{1,15}))(?![\dA-Z])")
Cells = list[list[str]]


def read_cells(
    path: Path,
    sheets: Sequence[str] = (),
    lacks: Callable[[Cells], list[str]] = lambda cells: [],
) -> tuple[str, Cells]:
    """Return the place, for messages, and the cells of one sheet of a workbook, or of a CSV file, as text.

    Parameters
    ----------
    path : a file .xlsx, .xls (where the package xlrd is installed) or .csv.
    sheets : names to look for, tried in turn. Without any of them, the visible sheet is taken that lacks nothing.
    lacks : says what a sheet lacks, a line for each thing, which goes behind the place.

    Whole numbers lose their ".0", outer blanks go, empty cells are "". A formula of sums and differences is computed;
    of any other the result counts that the spreadsheet program stored, and where there is none, the formula's text.
    Rows end at their last cell that has a value, and the sheet at its last such row.

    Raises InputError if the file is not readable or too large, or if no sheet fits, or several do.
    """
    pages = _pages(path, sheets)
    missing = {place: lacks(cells) for place, cells in pages.items()}
    fits = [place for place, lines in missing.items() if not lines]
    if len(fits) > 1:
        names = ", ".join(place.removeprefix(f"{path}, sheet ") for place in fits)
        wish = f"no sheet {' or '.join(map(repr, sheets))}, and " if sheets else ""
        what = f"{wish}{len(fits)} visible sheets hold the wanted columns ({names})"
        raise InputError(f"{path}: {what}; hide all but one")
    if not fits:
        # of a sheet without any header there is least to say
        place = min(missing, key=lambda place: (missing[place][0].startswith(":"), len(missing[place])))
        raise InputError("\n".join(f"{place}{line}" for line in missing[place]))
    return fits[0], pages[fits[0]]


def read_named(path: Path, sheet: str) -> Cells:
    """Return the cells of the sheet of that name, see `read_cells`; InputError if it is not there."""
    with _opened(path) as book:
        names = [page.title for page in book.worksheets]
        if sheet not in names:
            raise InputError(f"{path}: no sheet {sheet!r}; {nearest(sheet, names)}")
        return _cells(path, book[sheet])


def read_all(path: Path) -> dict[str, Cells]:
    """Return the cells of every sheet of a workbook, hidden ones too, see `read_cells`; the file may have any name."""
    with _opened(path) as book:
        return {page.title: _cells(path, page) for page in book.worksheets}


def _pages(path: Path, sheets: Sequence[str]) -> dict[str, Cells]:
    """{place: cells} of a file's sheets: the named one, or else all visible ones."""
    if path.suffix.lower() == ".csv":
        return {str(path): _csv_cells(path)}
    if path.suffix.lower() == ".xls":
        return _old_pages(path, sheets)
    with _opened(path) as book:
        pages = {page.title: page for page in book.worksheets}
        named = [name for name in sheets if name in pages][:1]
        wanted = named or [name for name, page in pages.items() if page.sheet_state == "visible"]
        if not wanted:
            raise InputError(f"{path}: no visible sheet; unhide the one that holds the annotation")
        return {f"{path}, sheet {name!r}": _cells(path, pages[name]) for name in wanted}


def _csv_cells(path: Path) -> Cells:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: {path.stat().st_size >> 20} MB; an annotation is smaller, copy it anew")
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [[_text(cell) for cell in row] for row in csv.reader(file)]
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV file in UTF-8 ({error}); copy it anew") from None


def _cells(path: Path, page) -> Cells:
    """The cells of a sheet, read one after the other: only those that are there are held."""
    values, formulas, ends = {}, {}, {}
    read = 0
    try:
        page.reset_dimensions()  # what the file says of its size may be wrong
        for number, row in enumerate(page.iter_rows(), 1):
            read += len(row)
            if number > _ROWS or read > _CELLS or len(values) > _VALUES:
                many = f"more than {_ROWS} rows, or {_VALUES} values" if read <= _CELLS else "cells in too many columns"
                place = f"{path}, sheet {page.title!r}, row {number}"
                raise InputError(f"{place}: {many}; delete what lies beside the annotation")
            for cell in row:
                if cell.value is not None and cell.value != "":
                    key = (number, cell.column)
                    values[key], ends[number] = cell.value, cell.column
                    if cell.data_type == "f":
                        formulas[key] = str(getattr(cell.value, "text", cell.value))
    except InputError:
        raise
    except Exception as error:  # what broken files raise is no closed set
        place = f"{path}, sheet {page.title!r}"
        raise InputError(f"{place}: not readable ({error}); copy it anew from the release") from None
    results = _Sums(values, formulas).results()
    if len(results) < len(formulas):
        stored = _stored(path, page.title, formulas.keys() - results)
        results = {key: stored.get(key, text) for key, text in formulas.items()} | results
    texts: dict[int, list[str]] = {number: [""] * end for number, end in ends.items()}
    for (row, column), value in (values | results).items():
        texts[row][column - 1] = _text(value)
    cells: Cells = []
    for number, row in texts.items():
        cells += [[]] * (number - 1 - len(cells)) + [row]
    return cells


def _stored(path: Path, name: str, keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], object]:
    """What the spreadsheet program stored as the results of formulas, at (row, column)."""
    keys, found = set(keys), {}
    with _opened(path, values=True) as book:
        book[name].reset_dimensions()
        for number, row in enumerate(book[name].iter_rows(), 1):
            for cell in row:
                if cell.value is not None and (number, cell.column) in keys:
                    found[number, cell.column] = cell.value
    return found


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

    Raises InputError if there is no such header, or no row below it.
    """
    place, cells = read_cells(path, sheets, lambda cells: _Header(cells, columns, optional).problems)
    header = _Header(cells, columns, optional)
    rows = []
    for number, row in enumerate(cells[header.row + 1 :], header.row + 2):
        texts = {key: row[at] if at is not None and at < len(row) else "" for key, at in header.places.items()}
        if sum(map(bool, texts.values())) >= 2:
            rows.append({**texts, "place": f"{place}, row {number}"})
    if not rows:
        raise InputError(f"{place}: no rows below the header in row {header.row + 1}; copy it anew from the release")
    return pd.DataFrame(rows, columns=[*columns, "place"])


class _Header:
    """The row of a sheet that has most of the wanted titles: `row` (0-based), `places` {key: column or None}."""

    def __init__(self, cells: Cells, columns: Mapping[str, Sequence[str]], optional: Iterable[str]):
        wanted = {key: [_plain(name) for name in names] for key, names in columns.items()}
        found = [{_plain(cell) for cell in row} for row in cells[:_LAST_HEADER]]
        hits = [sum(not some.isdisjoint(names) for names in wanted.values()) for some in found]
        self.places: dict[str, int | None] = {}
        if not any(hits):
            names = ", ".join(names[0] for names in columns.values())
            self.problems = [f": no header row with {names} found"]
            return
        self.row, self.problems = hits.index(max(hits)), []
        titles = [_plain(cell) for cell in cells[self.row]]
        present = [cell for cell in cells[self.row] if cell]
        for key, names in wanted.items():
            spots = [spot for spot, title in enumerate(titles) if title in names]
            wish = " or ".join(map(repr, columns[key]))
            if not spots and key not in optional:
                self._add(f"no column {wish}; {nearest(columns[key][0], present)}")
            if len(spots) > 1:
                self._add(f"{len(spots)} columns {wish}; keep one of them")
            self.places[key] = spots[0] if spots else None

    def _add(self, problem: str) -> None:
        self.problems.append(f", row {self.row + 1}: {problem}")


@contextmanager
def _opened(path: Path, values: bool = False) -> Iterator[openpyxl.Workbook]:
    """Open a workbook for its formulas, or for the values that the spreadsheet program stored beside them."""
    try:
        content = io.BytesIO(path.read_bytes() if path.stat().st_size <= _LARGEST else b"")
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size <= _LARGEST:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of styles and extensions that do not matter here
                # the bytes, not the path: openpyxl would ask for a suffix
                book = openpyxl.load_workbook(content, read_only=True, data_only=values, keep_links=False)
    except Exception as error:  # what broken files raise is no closed set
        raise InputError(f"{path}: not a readable workbook ({error}); copy it anew from the release") from None
    if size > _LARGEST:
        raise InputError(
            f"{path}: {size >> 20} MB when unpacked, at most {_LARGEST >> 20} are read; copy it anew from the release, "
            f"or save the annotation's sheet alone"
        )
    with closing(book):
        yield book


def _old_pages(path: Path, sheets: Sequence[str]) -> dict[str, Cells]:
    """`_pages` of a workbook .xls."""
    try:
        book = pd.ExcelFile(path)
        named = [name for name in sheets if name in book.sheet_names][:1]
        visible = [name for name in book.sheet_names if book.book.sheet_by_name(name).visibility == 0]
        tables = {name: book.parse(name, header=None, dtype=object, na_filter=False) for name in named or visible}
    except ImportError:
        mend = "save it as .xlsx with a spreadsheet program, or install the package xlrd"
        raise InputError(f"{path}: a workbook of the old kind, .xls; {mend}") from None
    except Exception as error:  # xlrd has errors of its own, which cannot be named where it is not installed
        raise InputError(f"{path}: not a readable workbook ({error}); copy it anew from the release") from None
    return {
        f"{path}, sheet {name!r}": [[_text(value) for value in row] for row in table.itertuples(index=False)]
        for name, table in tables.items()
    }


def _text(value) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _plain(title: str) -> str:
    """A header as it is compared: some releases break it, or leave quotes in it."""
    return re.sub(r"[\s'\"\u2018\u2019\u201c\u201d]", "", title).lower()


class _Sums:
    """The values of formulas such as "=D2+H2-1", each computed once.

    values, formulas : what stands at (row, column), from 1.
    """

    def __init__(self, values: Mapping, formulas: Mapping[tuple[int, int], str]):
        self.values, self.formulas = values, formulas
        self._known: dict[tuple[int, int], float | None] = {}

    def results(self) -> dict[tuple[int, int], float]:
        """{place: value} of the formulas that are sums and differences of numbers and of cells that hold numbers."""
        found = {place: self._value(place) for place in self.formulas}
        return {place: value for place, value in found.items() if value is not None}

    def _value(self, place: tuple[int, int], depth: int = 0) -> float | None:
        """The number in a cell, which may be a formula itself; None if it holds no number."""
        if place not in self.formulas:
            try:
                return float(self.values.get(place))
            except (TypeError, ValueError, OverflowError):
                return None
        if place not in self._known and depth < _DEPTH:
            self._known[place] = None  # for a ring of formulas
            self._known[place] = self._sum(self.formulas[place], depth + 1)
        return self._known.get(place)

    def _sum(self, formula: str, depth: int) -> float | None:
        body = formula.removeprefix("=").replace(" ", "").upper()
        terms = list(_TERM.finditer(body))
        if not terms or "".join(term[0] for term in terms) != body or any(not term[1] for term in terms[1:]):
            return None
        total = 0.0
        for sign, column, row, number in (term.groups() for term in terms):
            part = float(number) if number else self._value((int(row), column_index_from_string(column)), depth)
            if part is None:
                return None
            total += -part if sign == "-" else part
        return total
