"""Printed numbers: files of config/published, read.

Without pandas: this runs before anything else does.
"""

import csv
import math
import os
from dataclasses import dataclass
from pathlib import Path

from apexbench.errors import InputError, nearest

FIELDS = ("table", "row", "method", "protocol", "metric", "value", "printed", "caveat")
SIZES = frozenset({"params", "flops"})  # printed columns that hold plain numbers, not fractions


@dataclass(frozen=True)
class PrintedNumber:
    """One printed number: `place` counts the rows of the file from 0; `value` is NaN where nothing is printed."""

    place: int
    row: str
    method: str
    protocol: str
    metric: str
    value: float
    printed: str
    caveat: str


def _value(text: str, metric: str, where: str) -> float:
    try:
        value = float(text) if text else math.nan
    except ValueError:
        value = math.inf
    if text and not (0 <= value <= 1 or (metric in SIZES and 0 < value < math.inf)):
        raise InputError(
            f"{where}: field 'value': expected a fraction in [0, 1] (a number above 0 for "
            f"{' and '.join(sorted(SIZES))}), found {text!r}"
        )
    return value


def read_published(path: str | os.PathLike, table: str) -> list[PrintedNumber]:
    """Return the printed numbers of one table in file order.

    Raises InputError, naming file and row, if the table is unknown, a number stands twice, a score is no fraction, or
    a printed row has two methods.
    """
    numbers: list[PrintedNumber] = []
    seen, methods, tables = set(), {}, set()
    try:
        with Path(path).open(newline="", encoding="utf-8") as handle:
            lines = csv.DictReader(handle)
            absent = [field for field in FIELDS if field not in (lines.fieldnames or ())]
            if absent:
                raise InputError(
                    f"{path}: no column {absent[0]!r}; config/published/README.md lists the files and their columns"
                )
            for place, line in enumerate(lines):
                where = f"{path}, row {place + 2}"
                if None in line or None in line.values():
                    raise InputError(f"{where}: not as many fields as there are columns; quote a field with commas")
                tables.add(line["table"])
                if line["table"] != table:
                    continue
                row, method, protocol, metric = (line[key] for key in ("row", "method", "protocol", "metric"))
                if (row, protocol, metric) in seen:
                    raise InputError(f"{where}: {row!r}, {metric!r} is given twice under {protocol!r}")
                seen.add((row, protocol, metric))
                if methods.setdefault(row, method) != method:
                    raise InputError(f"{where}: field 'method': {row!r} is {methods[row]!r} above, {method!r} here")
                value = _value(line["value"], metric, where)
                numbers.append(
                    PrintedNumber(place, row, method, protocol, metric, value, line["printed"], line["caveat"])
                )
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; config/published/README.md lists the files and their columns"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8 ({error})") from None
    if not numbers:
        raise InputError(f"{path}: no table {table!r}; {nearest(table, tables)}")
    return numbers
