"""Confusion matrices: rows are the truth, columns the prediction; names of the classes may stand before and above.

A last row or column called total or sum is compared with what it should be. If the corner says `pred\\true` or the
like, or `transposed` is given, rows are the prediction.
"""

import re
from collections.abc import Sequence

import numpy as np

from apexbench.errors import InputError
from apexbench.score.predictions import LIMIT, Predictions, gather, one_hot

_SUMS = {"total", "sum", "all", "n", "support", "count"}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def is_matrix(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows are numbers alone, or such below a row of as many names."""
    body = rows[1:] if any(_number(cell) is None for cell in rows[0] if cell) else rows
    numbers = [[_number(cell) for cell in row[-max(len(row) - 1, 1) :]] for row in body]
    return bool(body) and len(body) > 1 and all(None not in row for row in numbers) and len(body) >= len(body[0]) - 2


def _count(text: str, place: str) -> int:
    value = _number(text)
    if value is None or value != value or value < 0 or value != int(min(value, 1e15)):
        raise InputError(
            f"{place}: {text!r}; a confusion matrix holds counts (whole numbers), no shares or percentages"
        )
    return int(value)


def _sums_off(counts: np.ndarray, sums: np.ndarray, what: str, places: Sequence[str]) -> None:
    for found, wanted, place in zip(counts, sums, places, strict=True):
        if found != wanted:
            raise InputError(
                f"{place}: the {what} is given as {wanted}, but its counts sum to {found}; mend one of them"
            )


def read_matrix(
    rows: Sequence[Sequence[str]],
    name: str,
    place: str,
    lines: Sequence[int],
    unit: str = "line",
    classes: Sequence[str] = (),
    transposed: bool = False,
) -> Predictions:
    """Read a matrix from the cells of its rows; InputError names line and field.

    Parameters as for `columns.read_columns`.
    """
    rows = [[cell.strip() for cell in row] for row in rows]
    above = any(_number(cell) is None for cell in rows[0] if cell) or not rows[0][0]
    body, numbers = (rows[1:], lines[1:]) if above else (rows, lines)
    before = bool(body) and all(_number(row[0]) is None for row in body if row)
    if above and not before and len(rows[0]) == len(body[0]) + 0 and not rows[0][0]:
        before = True  # classes are numbers below an empty corner
    width = len(body[0]) - before if body else 0
    for row, line in zip(body, numbers, strict=True):
        if len(row) - before != width:
            raise InputError(f"{place}, {unit} {line}: {len(row) - before} counts, but the first row has {width}")
    corner = rows[0][0] if above and len(rows[0]) == width + before and before else ""
    top = (rows[0][1:] if before and len(rows[0]) == width + 1 else rows[0]) if above else []
    side = [row[0] for row in body] if before else []
    counts = np.array(
        [
            [_count(cell, f"{place}, {unit} {line}, field {n}") for n, cell in enumerate(row[before:], 1 + before)]
            for row, line in zip(body, numbers, strict=True)
        ],
        dtype=np.int64,
    )
    if above and len(top) != width:
        raise InputError(f"{place}, {unit} {lines[0]}: {len(top)} names above {width} columns")
    low, right = bool(side) and side[-1].lower() in _SUMS, bool(top) and top[-1].lower() in _SUMS
    inner = counts[: len(counts) - low, : width - right]
    if inner.shape[0] != inner.shape[1]:
        raise InputError(
            f"{place}, {unit} {numbers[-1]}: {inner.shape[0]} rows and {inner.shape[1]} columns of counts; a confusion "
            f"matrix is square, a row and a column for each class (a row for each clip needs columns 'truth' and "
            f"'prediction')"
        )
    if len(inner) < 2:
        raise InputError(f"{place}: a matrix of one class; expected two or more")
    if right:
        _sums_off(
            inner.sum(axis=1),
            counts[: len(inner), -1],
            "sum of a row",
            [f"{place}, {unit} {n}" for n in numbers[: len(inner)]],
        )
    if low:
        fields = [f"{place}, {unit} {numbers[-1]}, field {n}" for n in range(1 + before, 1 + before + len(inner))]
        _sums_off(inner.sum(axis=0), counts[-1, : len(inner)], "sum of a column", fields)
    if low and right:
        _sums_off(inner.sum(keepdims=True)[0], counts[-1:, -1], "sum of all", [f"{place}, {unit} {numbers[-1]}"])
    side, top = side[: len(inner)], top[: len(inner)]
    if side and top and [n.lower() for n in side] != [n.lower() for n in top]:
        row = next(n for n, (one, other) in enumerate(zip(side, top, strict=True)) if one.lower() != other.lower())
        raise InputError(
            f"{place}, {unit} {numbers[row]}, field 1: row {side[row]!r}, but column {top[row]!r}; rows and columns "
            f"name the same classes in the same order"
        )
    names = tuple(classes) or tuple(top or side) or tuple(map(str, range(len(inner))))
    if len(names) != len(inner) or len(set(names)) < len(names):
        raise InputError(f"{place}: {len(inner)} classes, and the names {', '.join(names)}; expected one name for each")
    flipped = transposed or bool(re.match(r"(pred|output|guess)", corner, re.IGNORECASE))
    return from_counts(inner.T if flipped else inner, name, place, names, flipped)


def from_counts(
    counts: np.ndarray, name: str, place: str, classes: Sequence[str], flipped: bool = False
) -> Predictions:
    """Return as many nameless clips as a matrix (C, C), rows being the truth, counts."""
    total = int(counts.sum())
    if not 0 < total <= LIMIT:
        raise InputError(f"{place}: the counts sum to {total}; expected from 1 to {LIMIT} clips")
    label, guess = (np.repeat(codes.ravel(), counts.ravel()) for codes in np.indices(counts.shape))
    rows = "prediction, columns the truth" if flipped else "truth, columns the prediction"
    kind = f"confusion matrix of {len(counts)} classes, rows = {rows}"
    return gather(name, kind, {"label": label}, one_hot(guess, len(counts)), classes)
