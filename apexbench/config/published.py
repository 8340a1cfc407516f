"""Table cards, held against the printed numbers that they are of.

Without pandas: this runs before anything else does.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from apexbench.config.tables import (
    PRINTED_ONLY,
    PUBLISHED_ONLY,
    Convention,
    OtherColumn,
    PrintedColumn,
    ProtocolColumns,
    RowScoring,
    Scoring,
    TableCard,
    looked_up,
)
from apexbench.errors import InputError, nearest
from apexbench.printed import PrintedNumber, read_published

NULL_ROW = "null model (learns nothing)"  # the row that tables add below the others


def _convention(name: str, conventions: Mapping[str, Convention], where: str) -> Convention:
    if name not in conventions:
        raise InputError(f"{where}: no entry {name!r} in config/conventions.yaml; {nearest(name, conventions)}")
    return conventions[name]


def _scoring(name: str, metric: str, conventions: Mapping[str, Convention], where: str) -> Scoring | str:
    found = _convention(name, conventions, where).metrics.get(metric)
    if found is None:
        raise InputError(
            f"{where}: convention {name!r} of config/conventions.yaml has no metric {metric!r}; "
            f"{nearest(metric, conventions[name].metrics)}. If it is not ours to score: {metric}: {PRINTED_ONLY}"
        )
    return found


def _columns(card: TableCard, file: str, conventions: Mapping[str, Convention]) -> tuple[list[PrintedColumn], str]:
    """Return a card's columns with the conventions looked up, and what these say of the authors' scoring."""
    says: dict[str, None] = {}
    if card.convention:
        says[_convention(card.convention, conventions, f"{file}: field 'convention'").says] = None
    columns = []
    for protocol, its in card.columns.items():
        where = f"{file}: field 'columns.{protocol}'"
        its = its if isinstance(its, ProtocolColumns) else ProtocolColumns(metrics=its)
        for item in its.metrics:
            metric, name = (item.metric, item.convention) if isinstance(item, OtherColumn) else (item, card.convention)
            scoring = {}
            if name:
                scoring = looked_up(_scoring(name, metric, conventions, where))
                says[conventions[name].says] = None
            columns.append(
                PrintedColumn(protocol=protocol, metric=metric, title=its.title, beside=its.beside, **scoring)
            )
    return columns, " ".join(filter(None, says))


def _check(columns: Sequence[PrintedColumn], printed: Sequence[PrintedNumber], file: str, path: Path) -> None:
    """Raise an InputError unless every printed number has its column, and every column its numbers.

    A list of rows without numbers fits any columns: those are what we would print.
    """
    listed = [(column.protocol, column.metric) for column in columns]
    for protocol, metric in listed:
        if listed.count((protocol, metric)) > 1:
            raise InputError(f"{file}: field 'columns.{protocol}': {metric!r} is listed twice")
    known: dict[str, set[str]] = {}
    for number in printed:
        known.setdefault(number.protocol, set()).add(number.metric)
    if known == {"": {""}}:
        return
    for protocol, metric in listed:
        where = f"{file}: field 'columns.{protocol}'"
        if protocol not in known:
            raise InputError(f"{where}: {path} has no {protocol!r} in this table; {nearest(protocol, known)}")
        if metric not in known[protocol]:
            raise InputError(
                f"{where}: {path} has no {metric!r} under {protocol!r}; {nearest(metric, known[protocol])}"
            )
    for protocol, metrics in known.items():
        for metric in sorted(metrics):
            if (protocol, metric) not in listed:
                raise InputError(
                    f"{file}: field 'columns': {path} prints {metric!r} under {protocol!r}; no column shows it"
                )


def _runs(
    card: TableCard, printed: Sequence[PrintedNumber], file: str, path: Path, run_of: Callable[[str], str | None]
) -> dict[str, str]:
    """Return {printed row: run}: the one that the card names, else the run of the row's method, if a card makes one."""
    methods = {number.row: number.method for number in printed}
    for row in card.runs:
        if row not in methods:
            raise InputError(f"{file}: field 'runs': {path} has no {row!r}; {nearest(row, methods)}")
    for row in card.also:
        if row in methods or row == NULL_ROW:
            raise InputError(f"{file}: field 'also': there is a row {row!r} already; name it otherwise, or use 'runs'")
    runs = {row: card.runs.get(row) or run_of(method) for row, method in methods.items()}
    return {row: run for row, run in runs.items() if run not in (None, PUBLISHED_ONLY)}


def _by_row(
    card: TableCard,
    columns: Sequence[PrintedColumn],
    rows: Collection[str],
    conventions: Mapping[str, Convention],
    file: str,
    path: Path,
) -> dict[str, RowScoring]:
    """Return {row: how it is scored} of the rows that a card names in `conventions`."""
    metrics = dict.fromkeys(column.metric for column in columns if column.honest)
    if card.conventions and not metrics:
        raise InputError(f"{file}: field 'conventions': no column is scored; give a 'convention' for the other rows")
    if card.conventions and card.curve:
        raise InputError(f"{file}: field 'conventions': a table that is drawn as a curve has one for all of its rows")
    by_row = {}
    for row, name in card.conventions.items():
        where = f"{file}: field 'conventions.{row}'"
        if row not in rows:
            raise InputError(f"{where}: {path} has no {row!r}; {nearest(row, rows)}")
        found = {metric: looked_up(_scoring(name, metric, conventions, where)) for metric in metrics}
        by_row[row] = RowScoring(says=_convention(name, conventions, where).says, metrics=found)
    return by_row


def look_up(
    card: TableCard,
    name: str,
    folder: Path,
    conventions: Mapping[str, Convention],
    places: Collection[str],
    run_of: Callable[[str], str | None],
) -> dict[str, Any]:
    """Return the fields of `Table` that a published table's card leaves open: columns, rows, runs and whole caption.

    Raises InputError, naming file and field, for all that cannot work.

    Parameters
    ----------
    name : the card's file name without .yaml.
    folder : the printed numbers.
    places : names of our protocols and their slices.
    run_of : gives the run that a method's slug names; None if no card makes one.
    """
    file, path = f"config/tables/{name}.yaml", folder / card.published
    columns, says = _columns(card, file, conventions)
    for row, its in card.beside.items():
        for protocol, ours in its.items():
            where = f"{file}: field 'beside.{row}.{protocol}'"
            if protocol not in {column.protocol for column in columns}:
                raise InputError(f"{where}: no column has {protocol!r}; {nearest(protocol, card.columns)}")
            if ours not in places:
                raise InputError(f"{where}: unknown name {ours!r}; {nearest(ours, places)}")
    for column in columns:
        if column.beside and column.beside not in places:
            raise InputError(
                f"{file}: field 'columns.{column.protocol}.beside': unknown name {column.beside!r}; "
                f"{nearest(column.beside, places)}"
            )
    if card.curve and not any(column.honest for column in columns):
        raise InputError(f"{file}: field 'curve': no column has a score of ours to draw; give a convention")
    printed = read_published(path, card.table or name)
    _check(columns, printed, file, path)
    runs = _runs(card, printed, file, path, run_of)
    known = list(dict.fromkeys([*(number.row for number in printed), *card.also]))
    for row in card.beside:
        if row not in known:
            raise InputError(f"{file}: field 'beside': {path} has no {row!r}; {nearest(row, known)}")
    by_row = _by_row(card, columns, known, conventions, file, path)
    caption = " ".join(filter(None, [card.caption, says]))
    return {"columns": columns, "by_row": by_row, "runs": runs, "caption": caption}
