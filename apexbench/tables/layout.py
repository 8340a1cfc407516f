"""A tidy table laid out as rows of cells with footnotes: what Markdown, LaTeX and HTML share."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import pandas as pd

from apexbench.config.published import NULL_ROW
from apexbench.config.submissions import RUN_HERE
from apexbench.evaluation.selection import LEAKING
from apexbench.numbers import DASH, chance, digits, fraction, interval, number, signed, spread
from apexbench.printed import SIZES
from apexbench.tables.data import COUNTED, DATASETS, PROTOCOLS
from apexbench.tables.table import Column, TableData
from apexbench.tables.words import SHORT, null_words

HERE = "Run here, on synthetic clips"
PRINTED_PART = "Real clips, as printed"
ABREAST = 2  # scored columns that stand side by side; with more of them a row takes three lines


_WORD = re.compile(r"[^\W\d_]")
_SD = re.compile(r"sd (0?\.\d+)")  # a remark: of a printed number its standard deviation


def decimals(text: str) -> int:
    """Return how many digits stand behind the point of a number.

    >>> decimals(".712"), decimals("62"), decimals("\N{EN DASH}")
    (3, 0, 0)
    """
    return len(text.partition(".")[2])


@dataclass(frozen=True)
class Cell:
    """Main text, a small addition, a line that is marked as leaking, and numbers of footnotes.

    `tone` is leaks, ours or quiet; `indent` marks the lines below a row that belong to it, `strong` the best.
    """

    text: str
    small: str = ""
    leaky: str = ""
    notes: tuple[int, ...] = ()
    tone: str = ""
    indent: bool = False
    strong: bool = False


@dataclass(frozen=True)
class Part:
    """A header and rows of cells, under a title where a table has several parts."""

    header: list[Cell]
    rows: list[list[Cell]]
    title: str = ""

    def texts(self) -> list[bool]:
        """Tell of each column whether it holds words: those stand left, numbers on their decimal point."""
        columns = list(zip(*self.rows, strict=True))[1:] or [()] * (len(self.header) - 1)
        return [True, *(any(_WORD.search(cell.text) for cell in column) for column in columns)]

    def decimals(self) -> list[int]:
        """Return the most decimals of a number in each column."""
        return [max((decimals(cell.text) for cell in column), default=0) for column in zip(*self.rows, strict=True)]


@dataclass(frozen=True)
class Grid:
    """The parts of a table; `notes` are the footnotes from 1 up, `every` the remarks that hold for all numbers."""

    parts: list[Part]
    notes: list[str]
    every: list[str] = field(default_factory=list)


class _Notes:
    """Numbers footnotes in the order in which they are first asked for."""

    def __init__(self):
        self.texts: list[str] = []

    def __call__(self, remarks: Iterable[str]) -> tuple[int, ...]:
        remarks = dict.fromkeys(filter(None, remarks))
        self.texts.extend(remark for remark in remarks if remark not in self.texts)
        return tuple(sorted(self.texts.index(remark) + 1 for remark in remarks))


def _remarks(text: str) -> list[str]:
    return [remark for remark in text.split("; ") if remark]


def origins(frame: pd.DataFrame) -> dict[str, str]:
    """Return {row: where its predictions come from} of a tidy table; nothing where all were made by the study."""
    found = frame.loc[frame["origin"] != ""].groupby("row")["origin"].first().to_dict()
    return found if set(found.values()) - {RUN_HERE} else {}


def _runtime(table: TableData, notes: _Notes) -> list[Part]:
    header = [Cell(text) for text in ("Method", "Protocol", "Seeds", "Folds", "Epochs")]
    titles = {column.key: column.title for column in table.columns}
    header += [Cell("Training", "s"), Cell("CPU", "s"), Cell("Per fold", "s"), Cell("Device")]
    header += [Cell("Peak memory", "MB")]
    rows = []
    for cell in table.frame.itertuples():
        counts = [Cell(DASH if pd.isna(value) else str(value)) for value in (cell.seeds, cell.folds, cell.epochs)]
        times = [Cell(number(time)) for time in (cell.train_seconds, cell.cpu_seconds, cell.seconds_per_fold)]
        times.append(Cell(cell.device or DASH))
        status = "" if cell.status == "ok" else cell.status
        first = [Cell(cell.row, status, notes=notes(_remarks(cell.note))), Cell(titles[cell.column])]
        rows.append([*first, *counts, *times, Cell(number(cell.peak_mb))])
    return [Part(header, rows)]


def _leaderboard(table: TableData, notes: _Notes) -> list[Part]:
    header = [Cell("Method"), *(Cell(column.title, column.subtitle) for column in table.columns)]
    rows: dict[str, list[Cell]] = {}
    origin = origins(table.frame)
    for cell in table.frame.itertuples():
        null = null_words(cell.null, cell.epochs)
        leaky = (
            "" if pd.isna(cell.as_published) else f"leaky {fraction(cell.as_published)}{f' ({null})' if null else ''}"
        )
        small = [spread(cell.honest_sd), interval(cell.ci_low, cell.ci_high), cell.status * (cell.status != "ok")]
        shown = Cell(fraction(cell.honest), " ".join(filter(None, small)), leaky, notes(_remarks(cell.note)))
        rows.setdefault(cell.row, [Cell(cell.row, origin.get(cell.row, ""))]).append(shown)
    return [Part(header, list(rows.values()))]


def _comparisons(table: TableData, notes: _Notes) -> list[Part]:
    header = [Cell("Method"), Cell("Protocol"), Cell("Reference"), Cell("Difference")]
    titles = {column.key: column.title for column in table.columns}
    header += [Cell("Permutation", "p"), Cell("Holm", "p"), Cell("McNemar", "p"), Cell("Holm", "p")]
    rows, origin = [], origins(table.frame)
    for cell in table.frame.itertuples():
        small = ", ".join(filter(None, [cell.status * (cell.status != "ok"), origin.get(cell.row, "")]))
        first = [Cell(cell.row, small, notes=notes(_remarks(cell.note)))]
        difference = Cell(
            f"{fraction(cell.difference)} {SHORT.get(cell.score, cell.score)}", interval(cell.low, cell.high)
        )
        chances = [cell.p_permutation, cell.p_holm, cell.p_mcnemar, cell.p_mcnemar_holm]
        rows.append(
            [*first, Cell(titles[cell.column]), Cell(cell.reference), difference, *map(Cell, map(chance, chances))]
        )
    return [Part(header, rows)]


def _found(cell: Mapping[str, str]) -> str:
    return f"{cell['found']} / {cell['expected']}" if cell["expected"] else cell["found"] or DASH


def _listed(cells: Mapping[str, Mapping[str, str]], prefix: str) -> str:
    """Return 'name found / expected' of all cells whose column begins with `prefix`, but for those without any."""
    named = {key.removeprefix(prefix): cell for key, cell in cells.items() if key.startswith(prefix)}
    shown = [f"{_found(cell)} {name}" for name, cell in named.items() if cell["found"] != "0" or cell["expected"]]
    return ", ".join(shown) or DASH


def _data(table: TableData, notes: _Notes) -> list[Part]:
    counted = [text.capitalize() for text in COUNTED.values()]
    heads = {
        DATASETS: ["Data set", "Label set", "Clips", "Subjects", "Apex", *counted],
        PROTOCOLS: ["Protocol", "Label set", "Clips", "Subjects", "Classes"],
    }
    parts = []
    for group, head in heads.items():
        rows = []
        for row, frame in table.frame[table.frame["group"] == group].groupby("row", sort=False):
            cells = frame.set_index("column").to_dict("index")
            shown = [cells["label set"]["found"], _found(cells["clips"]), _found(cells["subjects"])]
            shown += [_listed(cells, "apex " if group == DATASETS else "class ")]
            if group == DATASETS:
                shown += [cells[text]["found"] for text in COUNTED.values()]
            remarks = _remarks(frame["note"].iloc[0])
            status = Cell(frame["status"].iloc[0], notes=notes(remarks), tone="quiet")
            rows.append([Cell(row), *map(Cell, shown), status])
        if rows:
            parts.append(Part([*map(Cell, head), Cell("Status")], rows))
    return parts


def _shared_remarks(frame: pd.DataFrame) -> tuple[list[str], dict[str, list[str]]]:
    """Return the remarks on every printed score of a table, and those on every printed score of a row."""
    scores = frame[~frame["column"].str.split().str[-1].isin(SIZES) & frame["printed_here"]]
    by_row, every = {}, None
    for row, part in scores.groupby("row", sort=False):
        common = [remark for remark in part["remarks"].iloc[0] if all(remark in some for some in part["remarks"])]
        by_row[row] = common if len(part) > 1 else []
        every = common if every is None else [remark for remark in every if remark in common]
    every = every if every and len(by_row) > 1 else []
    return every, {row: [remark for remark in some if remark not in every] for row, some in by_row.items()}


def _published_text(cell: pd.Series, column: Column) -> str:
    if pd.isna(cell["published"]):
        return DASH if cell["printed"] else ""
    if column.key.split()[-1] in SIZES:
        return cell["printed"]
    return fraction(cell["published"], digits(cell["published"], cell["printed"]))


def _state(part: pd.DataFrame) -> str:
    states = dict.fromkeys(part["status"])
    return ", ".join(state for state in states if state != "published-only" or len(states) == 1)


def _scores(cell: pd.Series, column: Column) -> tuple[Cell, Cell, Cell]:
    """Return the as-published and the honest cell of our run, and the difference; empty if a column is printed only.

    Of real clips the difference is honest minus published; of synthetic ones what choosing on the test clips adds.
    """
    if not column.scored:
        return Cell(""), Cell(""), Cell("")
    as_published, honest = fraction(cell["as_published"]), fraction(cell["honest"])
    leaks = cell["rule"] in LEAKING and as_published != DASH
    said = ["leaky" * column.mixed, null_words(cell["null"], cell["epochs"])] * leaks
    return (
        Cell(as_published, ", ".join(filter(None, said)), tone="leaks" * leaks),
        Cell(honest, _uncertainty(cell), tone="ours" * (honest != DASH)),
        Cell(signed(cell["difference"]), tone="quiet"),
    )


def _uncertainty(cell: Mapping) -> str:
    return " ".join(filter(None, [spread(cell["honest_sd"]), interval(cell["ci_low"], cell["ci_high"])]))


def _published_header(columns: Sequence[Column], abreast: bool) -> list[Cell]:
    header = [Cell("Method")]
    for column in columns:
        if abreast and column.scored:
            header += [Cell(column.title, "published"), *_our_heads(column, "honest \N{MINUS SIGN} published")]
        else:
            header.append(Cell(column.title, column.subtitle))
    return header


def _our_heads(column: Column, difference: str) -> list[Cell]:
    marked = {"tone": "leaks"} if column.leaks else {}
    return [
        Cell(column.title, _label(column.leaks, column.mixed), **marked),
        Cell(column.title, "honest"),
        Cell(column.title, difference),
    ]


def _label(leaks: bool, mixed: bool = False) -> str:
    return f"as-published, {'some ' * mixed}leaky" if leaks else "as-published"


def _published(table: TableData, notes: _Notes) -> tuple[list[Part], list[str]]:
    """Lay a published table out: of real clips printed numbers and ours side by side, of synthetic ones apart.

    Where no run of ours, nor the null model, has a score there is nothing but what is printed.
    """
    frame = table.frame.copy()
    own = [set(_remarks(text)) for text in frame["ours_note"]]
    frame["remarks"] = [[r for r in _remarks(t) if r not in o] for t, o in zip(frame["note"], own, strict=True)]
    frame["printed_here"] = frame["published"].notna() | (frame["remarks"].map(len) > 0)
    also = table.card.also
    frame["printed_here"] &= ~frame["row"].isin(list(also))
    every, by_row = _shared_remarks(frame)
    said = {row: _remarks(also[row].note) if row in also else by_row.get(row, []) for row in frame["row"].unique()}
    frame["remarks"] = [
        [remark for remark in remarks if remark not in every + said[row]]
        for row, remarks in zip(frame["row"], frame["remarks"], strict=True)
    ]
    frame["difference"] = (
        frame["as_published" if table.synthetic else "honest"] - frame["honest" if table.synthetic else "published"]
    )
    lay = _apart if table.synthetic else _side_by_side
    return lay(table, frame, said, notes), every


def _side_by_side(table: TableData, frame: pd.DataFrame, said: Mapping[str, list[str]], notes: _Notes) -> list[Part]:
    """Put our scores beside each printed number, or, with many columns, in lines below it."""
    ours = any(column.scored for column in table.columns)  # or there is no status to tell
    tried = frame["status"] != "published-only"
    abreast = bool(tried.any()) and sum(column.scored for column in table.columns) <= ABREAST
    rows, origin = [], origins(frame)
    for row, part in frame.groupby("row", sort=False):
        cells = part.set_index("column")
        first = Cell(row, origin.get(row, ""), notes=notes(said[row]))
        printed = _printed(row, cells, table.columns, notes)
        scores = [_scores(cells.loc[column.key], column) for column in table.columns]
        status = [_status(part, notes)] if ours else []
        if abreast:
            pairs = zip(table.columns, printed, scores, strict=True)
            rows.append([first, *(c for column, p, o in pairs for c in ([p, *o] if column.scored else [p])), *status])
            continue
        rows.append([first, *printed, *status])
        if tried[part.index].any():
            leaky, honest, difference = zip(*scores, strict=True)
            scored = part["column"].isin([column.key for column in table.columns if column.scored])
            leaks = bool(part.loc[scored, "rule"].isin(LEAKING).any())
            rows.append([Cell(_label(leaks), indent=True, tone="leaks" * leaks), *leaky, Cell("")])
            rows.append([Cell("honest", indent=True, tone="ours"), *honest, Cell("")])
            rows.append([Cell("honest \N{MINUS SIGN} published", indent=True, tone="quiet"), *difference, Cell("")])
    header = _published_header(table.columns, abreast)
    return [Part([*header, Cell("Status")] if ours else header, rows)]


def _apart(table: TableData, frame: pd.DataFrame, said: Mapping[str, list[str]], notes: _Notes) -> list[Part]:
    """Put our scores on synthetic clips into a part of their own, so that no printed number stands beside one.

    Of a table without a printed number that is the only part, and has the remarks on its rows.
    """
    any_printed = frame["published"].notna().any()
    columns, parts = [column for column in table.columns if column.scored], []
    abreast = len(columns) <= ABREAST
    added = "as-published \N{MINUS SIGN} honest"
    rows, origin = [], origins(frame)
    for row, part in frame[frame["status"] != "published-only"].groupby("row", sort=False):
        cells = part.set_index("column")
        scores = [_scores(cells.loc[column.key], column) for column in columns]
        nulls = [fraction(cells.loc[column.key, "null"]) for column in columns]
        shown = [cell for some in scores for cell in some]
        shown = shown if abreast else [_stacked(*some, null) for some, null in zip(scores, nulls, strict=True)]
        remarks = said[row] if row in table.card.also or not any_printed else []
        rows.append([Cell(row, origin.get(row, ""), notes=notes(remarks)), *shown, _status(part, notes)])
    if rows and columns:
        heads = [_our_heads(column, added) for column in columns]
        stacked = [Cell(column.title, column.subtitle) for column in columns]
        head = [cell for some in heads for cell in some] if abreast else stacked
        parts.append(Part([Cell("Method"), *head, Cell("Status")], rows, HERE))
    rows = []
    for row in frame.loc[frame["printed_here"] & any_printed, "row"].unique():
        cells = frame[frame["row"] == row].set_index("column")
        rows.append([Cell(row, notes=notes(said[row])), *_printed(row, cells, table.columns, notes)])
    if rows:
        parts.append(Part([Cell("Method"), *(Cell(c.title, c.subtitle) for c in table.columns)], rows, PRINTED_PART))
    return parts


def _stacked(leaky: Cell, honest: Cell, difference: Cell, null: str) -> Cell:
    """Return the honest score; below it the as-published one, and if that leaks the null model's of as many epochs."""
    text = "" if leaky.text == DASH else f"as-published {leaky.text}"
    if text and leaky.tone:
        text = f"{text} ({difference.text})" + f", null {null}" * (null != DASH)
    return Cell(honest.text, honest.small, text, tone=honest.tone)


def _printed(row: str, cells: pd.DataFrame, columns: Sequence[Column], notes: _Notes) -> list[Cell]:
    """Return what is printed in a row, with its standard deviations and footnotes."""
    shown = []
    for column in columns:
        cell = cells.loc[column.key]
        sds = {remark: spread(float(found[1])) for remark in cell["remarks"] if (found := _SD.fullmatch(remark))}
        text = "" if row == NULL_ROW else _published_text(cell, column)
        own = [remark for remark in cell["remarks"] if remark not in sds]
        shown.append(Cell(text, " ".join(sds.values()), notes=notes(own)))
    return shown


def _status(part: pd.DataFrame, notes: _Notes) -> Cell:
    remarks = [remark for text in part["ours_note"] for remark in _remarks(text)]
    return Cell(_state(part), notes=notes(remarks), tone="quiet")


LAYOUTS: dict[str, Callable[[TableData, _Notes], list[Part]]] = {
    "leaderboard": _leaderboard,
    "runtime": _runtime,
    "comparisons": _comparisons,
    "data": _data,
}


@lru_cache(maxsize=1)  # three formats ask, one after another
def grid(table: TableData) -> Grid:
    """Lay the tidy frame out; each distinct remark becomes one footnote."""
    notes = _Notes()
    if table.kind == "published":
        parts, every = _published(table, notes)
        return Grid(parts, notes.texts, every)
    return Grid(LAYOUTS[table.kind](table, notes), notes.texts)
