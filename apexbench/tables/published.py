"""Tables of other authors: what is printed, and our runs beside it under the convention of their released code."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from apexbench.config.protocols import ProtocolCard
from apexbench.config.tables import ColumnCard, TableCard
from apexbench.errors import InputError, nearest
from apexbench.evaluation.audit import audit_file
from apexbench.evaluation.selection import LEAKING
from apexbench.numbers import PRINTED, SIZES
from apexbench.tables.ours import NULL_RUN, Ours
from apexbench.tables.places import place
from apexbench.tables.table import (
    COLUMNS,
    COUNTS,
    FRACTIONS,
    NULL_ROW,
    Column,
    Sources,
    TableData,
    card_file,
    join,
    read_csv,
    tidy,
)
from apexbench.tables.words import RULES, SCORES

FIELDS = ("table", "row", "protocol", "metric", "value", "printed", "caveat")


def read_published(path: str | os.PathLike, table: str) -> pd.DataFrame:
    """Return the printed numbers of one table in file order; the index counts the rows of the file from 0.

    Raises InputError, naming file and row, if the table is unknown, a number stands twice, or a score is no fraction.
    """
    frame = read_csv(path, FIELDS, "config/published/README.md lists the files and their columns")
    part = frame[frame["table"] == table]
    if part.empty:
        raise InputError(f"{path}: no table {table!r}; {nearest(table, set(frame['table']))}")
    twice = part[part.duplicated(["row", "protocol", "metric"])]
    if len(twice):
        row, protocol, metric = twice.iloc[0][["row", "protocol", "metric"]]
        raise InputError(f"{path}, row {twice.index[0] + 2}: {row!r}, {metric!r} is given twice under {protocol!r}")
    values = pd.to_numeric(part["value"], errors="coerce")
    wrong = part[(part["value"] != "") & ~values.between(0, 1) & ~(part["metric"].isin(SIZES) & values.gt(0))]
    if len(wrong):
        raise InputError(
            f"{path}, row {wrong.index[0] + 2}: field 'value': expected a fraction in [0, 1] (a number above 0 for "
            f"{' and '.join(sorted(SIZES))}), found {wrong.iloc[0]['value']!r}"
        )
    return part.assign(value=values)


def _check(card: TableCard, name: str, printed: pd.DataFrame, path: Path) -> None:
    file = card_file(name)
    pairs = set(zip(printed["protocol"], printed["metric"], strict=True))
    known: dict[str, set[str]] = defaultdict(set)
    for protocol, metric in pairs:
        known[protocol].add(metric)
    bare = pairs == {("", "")}  # a list of rows without numbers: the columns are what we would print
    for number, column in enumerate(card.columns):
        field = f"{file}: field 'columns.{number}"
        if column.ours is None and column.score:
            raise InputError(f"{field}.score': stands for a score of ours, so the column needs 'ours' as well")
        if not bare and column.protocol not in known:
            raise InputError(
                f"{field}.protocol': {path} has no {column.protocol!r} in this table; {nearest(column.protocol, known)}"
            )
        if not bare and column.metric not in known[column.protocol]:
            raise InputError(
                f"{field}.metric': {path} has no {column.metric!r} under {column.protocol!r}; "
                f"{nearest(column.metric, known[column.protocol])}"
            )
    listed = [(column.protocol, column.metric) for column in card.columns]
    twice = [pair for pair in listed if listed.count(pair) > 1]
    if twice:
        raise InputError(f"{file}: field 'columns': {' '.join(twice[0])!r} is listed twice")
    missing = sorted(pairs - set(listed)) if not bare else []
    if missing:
        protocol, metric = missing[0]
        raise InputError(f"{file}: field 'columns': {path} prints {metric!r} under {protocol!r}; no column shows it")
    rows = set(printed["row"])
    for row in card.ours:
        if row not in rows:
            raise InputError(f"{file}: field 'ours': {path} has no {row!r}; {nearest(row, rows)}")
    for row in card.also:
        if row in rows or row == NULL_ROW:
            raise InputError(f"{file}: field 'also': there is a row {row!r} already; name it otherwise, or use 'ours'")


def _remarks(printed: pd.DataFrame, path: Path) -> dict[int, str]:
    """{row of the file: its caveats and what the audit found}, each remark once, joined by '; '."""
    remarks = {index: dict.fromkeys(filter(None, text.split("; "))) for index, text in printed["caveat"].items()}
    for index, text in audit_file(path)[["row", "text"]].itertuples(index=False):
        if index in remarks:
            remarks[index][text.replace("; ", ", ")] = None
    return {index: "; ".join(some) for index, some in remarks.items()}


def _heads(card: TableCard, protocols: Mapping[str, ProtocolCard]) -> list[Column]:
    several = len({column.protocol for column in card.columns}) > 1
    heads = []
    for column in card.columns:
        metric = PRINTED.get(column.metric, column.metric)
        key = f"{column.protocol} {column.metric}".strip() if several else column.metric
        title = column.title or (protocols[column.protocol].title if column.protocol in protocols else column.protocol)
        lines = (title, metric) if several and title else (metric, column.title)
        heads.append(Column(key, *lines, ours=column.ours is not None, leaks=column.rule in LEAKING))
    return heads


def _named(metric: str, score: str) -> str:
    name = PRINTED.get(metric, metric)
    return name if name == SCORES[score] else f"{name} = {SCORES[score]}"


def _conventions(columns: Sequence[ColumnCard]) -> str:
    """Say in words what the as-published and the honest scores of the columns are."""
    mine = [column for column in columns if column.ours]
    if not mine:
        return "Printed numbers only: none of the columns is ours to score."
    by_rule: dict[str, dict[str, None]] = {}
    for column in mine:
        by_rule.setdefault(column.rule, {})[_named(column.metric, column.score or column.ours)] = None
    as_published = "; ".join(f"{RULES[rule]}: {', '.join(names)}" for rule, names in by_rule.items())
    honest = ", ".join(dict.fromkeys(_named(column.metric, column.ours) for column in mine))
    return join(
        f"Published: as printed. As-published: our run, scored as the released code does, {as_published}.",
        f"Honest: our run after the last epoch: {honest}; with a 95 % interval (bootstrap over subjects).",
    )


def published_table(card: TableCard, name: str, sources: Sources) -> TableData:
    """Build a table of printed numbers, our scores beside them, more runs of ours and the null model below."""
    if not card.published or not card.columns:
        field = "columns" if card.published else "published"
        raise InputError(f"{card_file(name)}: field {field!r}: a table of kind 'published' needs it")
    path = Path(sources.published) / card.published
    printed = read_published(path, card.table or name)
    _check(card, name, printed, path)
    ours, heads = Ours(sources), _heads(card, sources.protocols)
    places = [place(column.beside or column.protocol, sources.protocols) for column in card.columns]
    notes = _remarks(printed, path)
    lines = {(line.row, line.protocol, line.metric): line.Index for line in printed.itertuples()}
    rows = dict.fromkeys(printed["row"]) | dict(card.ours) | {row: also.run for row, also in card.also.items()}
    study = list(dict.fromkeys(found[0] for found, c in zip(places, card.columns, strict=True) if found and c.ours))
    study = [protocol for protocol in study if protocol in ours.study]
    if ours.null_epochs(study):
        rows[NULL_ROW] = NULL_RUN
    cells = []
    for row, run in rows.items():
        for column, head, where in zip(card.columns, heads, places, strict=True):
            cell = {"status": "published-only"}
            if run and column.ours:
                cell = ours.cell(where, run, column.ours, column.rule, column.score or column.ours)
            index = lines.get((row, column.protocol, column.metric), lines.get((row, "", "")))
            if index is not None:
                cell |= {"published": printed.at[index, "value"], "printed": printed.at[index, "printed"]}
            remarks = [notes.get(index, ""), card.also[row].note if row in card.also else "", cell.get("ours_note", "")]
            cells.append({"row": row, "column": head.key, **cell, "note": "; ".join(filter(None, remarks))})
    frame = tidy(cells, COLUMNS, COUNTS, FRACTIONS)
    named = dict.fromkeys(run for run in rows.values() if run in sources.methods)
    runs = [(protocol, run) for run in named for protocol in study]
    facts, warning = ours.facts(study)
    scored = frame.loc[frame["honest"].notna() & (frame["row"] != NULL_ROW), "row"].nunique()
    mine = f"Rows with scores of ours: {scored} of {len(set(rows) - {NULL_ROW})}."
    progress = join(ours.progress(runs), card.caption)
    about = join(mine, facts, ours.null_sentence(study))
    caption = join(progress, _conventions(card.columns), about, by="\n")
    return TableData(name, card, caption, warning, frame, heads)
