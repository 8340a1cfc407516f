"""The short forms of tables that stand in a README: a leaderboard, and the rows of a published table that we run."""

import math

import pandas as pd

from apexbench.config.published import NULL_ROW
from apexbench.errors import InputError
from apexbench.evaluation.selection import LEAKING
from apexbench.numbers import DASH, fraction, span
from apexbench.tables.layout import Cell, Part, origins
from apexbench.tables.render import escape_markdown, markdown_part
from apexbench.tables.table import Column, TableData, card_file
from apexbench.tables.verdict import rows_run

F1 = ("f1", "uf1")
NOTHING = "these learn nothing:"


def short_form(table: TableData) -> str:
    """Return the short form of a table as Markdown; "" where a table has none."""
    if table.kind == "leaderboard":
        warning = f"> **{escape_markdown(table.warning)}**\n\n" if table.warning else ""
        return warning + _text(*_leaderboard(table))
    if table.kind == "published":
        return _text(_published(table))
    if table.card.readme:
        raise InputError(f"{card_file(table.name)}: field 'readme': a table of kind {table.kind!r} has no short form")
    return ""


def _text(part: Part, *sentences: str) -> str:
    lines = [*markdown_part(part), "", " ".join(escape_markdown(text) for text in sentences if text)]
    return "\n".join(lines).strip() + "\n"


def half(low: float, high: float) -> str:
    """Return half of an interval, as it stands behind a score.

    >>> half(0.42, 0.6), half(float("nan"), float("nan"))
    ('±.09', '')
    """
    return "" if pd.isna(low) else f"\N{PLUS-MINUS SIGN}{fraction((high - low) / 2, 2)}"


def _wholes(table: TableData) -> list[Column]:
    """The first column of each protocol, taken whole: its parts are on the page."""
    first: dict[str, Column] = {}
    for column in table.columns:
        cells = table.frame[table.frame["column"] == column.key]
        if len(cells) and not cells["slice"].iloc[0]:
            first.setdefault(cells["protocol"].iloc[0], column)
    return list(first.values())


def _leaderboard(table: TableData) -> tuple[Part, str, str]:
    columns, frame = _wholes(table), table.frame.set_index(["row", "column"])
    keys = [column.key for column in columns]
    honest = frame["honest"].unstack()[keys]
    shared = [key for key in keys if honest[key].drop(list(table.apart), errors="ignore").notna().all()]
    ranked = honest.drop(list(table.apart), errors="ignore")
    ranks = ranked[shared].rank(ascending=False).mean(axis=1) if shared else pd.Series(math.nan, ranked.index)
    best = ranked.max()
    order = [*ranks.sort_values(kind="stable").index, *(row for row in honest.index if row in table.apart)]
    rows, origin = [], origins(table.frame)
    for row in order:
        if row in table.apart and NOTHING not in [first.text for first, *_ in rows]:
            rows.append([Cell(NOTHING), *(Cell("") for _ in [*keys, ""])])
        shown = []
        for key in keys:
            cell = frame.loc[(row, key)]
            text = fraction(cell["honest"])
            bold = row not in table.apart and not pd.isna(cell["honest"]) and cell["honest"] == best[key]
            small = half(cell["ci_low"], cell["ci_high"]) or cell["status"] * (cell["status"] not in ("ok", "skipped"))
            shown.append(Cell(text, small, strong=bold))
        rank = "" if row in table.apart or pd.isna(ranks.get(row)) else f"{ranks[row]:.1f}"
        rows.append([Cell(row, origin.get(row, "")), *shown, Cell(rank)])
    header = [Cell("Method"), *(Cell(column.title, column.subtitle) for column in columns)]
    over = "" if len(shared) == len(keys) else f" over the {len(shared)} columns that all of them have"
    form = (
        f"After the last epoch, all folds pooled; \N{PLUS-MINUS SIGN} half of the 95 % interval over subjects; mean "
        f"rank{over}; {DASH}: left out of this study, or cannot be trained there."
    )
    return Part([*header, Cell("Mean rank")], rows), form, _leak(table, columns)


def _leak(table: TableData, columns: list[Column]) -> str:
    """Say what picking the best test epoch would do to these numbers, and to a method that learns nothing."""
    frame = table.frame[table.frame["column"].isin([column.key for column in columns])]
    ours = frame[~frame["row"].isin(table.apart)]
    gain = (ours["as_published"] - ours["honest"]).dropna()
    picked = ours[ours["epochs"] > 1].dropna(subset=["honest", "null"])  # of one epoch there is none to pick
    if gain.empty or picked.empty:
        return ""
    most, null = ours.loc[gain.idxmax()], picked["null"]
    below = int((picked["honest"] < null).sum())
    title = next(column.title for column in columns if column.key == most["column"])
    return (
        f"With each method at its best epoch of every test subject, as most released code scores, these numbers would "
        f"rise by up to {fraction(gain.max(), 2)} ({most['row']} on {title}: {fraction(most['honest'])} becomes "
        f"{fraction(most['as_published'])}), and the null model, which learns nothing, would stand at "
        f"{span(null.min(), null.max())} with as many epochs as a method has: above {below} of the {len(picked)} "
        f"honest scores of methods with epochs."
    )


def _published(table: TableData) -> Part:
    columns = [column for column in table.columns if column.scored]
    columns = [column for column in columns if column.key.split()[-1] in F1] or columns
    frame = table.frame.set_index(["row", "column"])
    kept = [row for row in table.frame["row"].unique() if row in table.main or row == NULL_ROW]
    printed = any(not pd.isna(frame.loc[(row, column.key), "published"]) for row in kept for column in columns)
    rows, origin = [], origins(table.frame)
    for row in kept:
        shown, theirs = [], []
        for column in columns:
            cell = frame.loc[(row, column.key)]
            leaks = cell["rule"] in LEAKING and not pd.isna(cell["as_published"] - cell["honest"])
            null = "" if pd.isna(cell["null"]) else f", null {fraction(cell['null'])}"  # of as many epochs
            leaky = f"leaky {fraction(cell['as_published'])}{null}" if leaks and row != NULL_ROW else ""
            shown.append(Cell(fraction(cell["honest"]), half(cell["ci_low"], cell["ci_high"]), leaky))
            theirs.append(Cell("" if row == NULL_ROW else fraction(cell["published"])))
        rows.append([Cell(row, origin.get(row, "")), *shown, *([Cell(""), *theirs] if printed else [])])
    here, there = ("synthetic clips", "real clips, as printed") if table.synthetic else ("", "as printed")
    metrics = {column.subtitle for column in columns}
    shared = metrics.pop() if len(metrics) == 1 else ""  # the metric of all columns stands once
    header = [Cell("Method", shared), *(_head(column, here, shared) for column in columns)]
    theirs = [Cell(""), *(_head(column, there, shared) for column in columns)]  # an empty column sets these apart
    header += theirs if printed else []
    if more := rows_run(table.frame) - rows_run(table.frame[table.frame["row"].isin(kept)]):
        rows.append([Cell(f"{more} more, on its page"), *[Cell("")] * (len(header) - 1)])
    return Part(header, rows)


def _head(column: Column, clips: str, shared: str) -> Cell:
    return Cell(column.title, ", ".join(filter(None, ["" if shared else column.subtitle, clips])))
