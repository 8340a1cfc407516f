"""Table cards + scores + published numbers -> tidy tables: one row per cell."""

import math
import os
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from apexbench.config.published import NULL_ROW
from apexbench.config.tables import Table
from apexbench.errors import InputError
from apexbench.labels import is_multilabel
from apexbench.tables.comparisons import comparisons_table
from apexbench.tables.data import data_table
from apexbench.tables.published import published_table
from apexbench.tables.row_titles import row_titles
from apexbench.tables.run_scores import NULL_RUN, RunScores
from apexbench.tables.table import (
    COLUMNS,
    COUNTS,
    FRACTIONS,
    Column,
    TableData,
    TableInputs,
    join,
    tidy,
)
from apexbench.tables.words import MULTILABEL, SHORT

RUNTIME_COLUMNS = [
    "row", "column", "seeds", "folds", "epochs", "train_seconds", "cpu_seconds", "seconds_per_fold", "device",
    "peak_mb", "status", "note",
]  # fmt: skip
CELL = "Each cell: score after the last epoch, its 95 % interval (bootstrap over subjects), and the leaky score."
LEAKY = (
    "Leaky scores take the best epoch of each test fold, picked on its own test clips, as most released code does. "
    "Methods without epochs have nothing to pick: both scores are equal."
)


def _study(card: Table, scores: RunScores) -> list[str]:
    return [name for name in scores.study if card.protocol in (None, name)]


def _part_title(name: str, protocol: str, inputs: TableInputs) -> str:
    parts = inputs.protocols[protocol].slices[name]
    return " + ".join(inputs.datasets[d].title if d in inputs.datasets else d for d in parts) + " part"


def _places(card: Table, scores: RunScores, inputs: TableInputs) -> list[tuple[tuple[str, str], str, Column]]:
    """The columns of a leaderboard: (protocol, slice), score, head. A slice that is the whole again is left out."""
    places = []
    for protocol in _study(card, scores):
        its = inputs.protocols.get(protocol)
        slices = its.slices.items() if its else ()
        parts = [part for part, inside in slices if its.average == "datasets" or set(inside) != set(its.datasets)]
        for part in ["", *parts]:
            for printed, metric in card.metrics.items():
                if (metric in MULTILABEL) == bool(its and is_multilabel(its)):
                    what = f"{_part_title(part, protocol, inputs)}, {SHORT[metric]}" if part else SHORT[metric]
                    column = Column(f"{part or protocol} {printed}", scores.title(protocol), what)
                    places.append(((protocol, part), metric, column))
    return places


def _leaderboard(card: Table, name: str, inputs: TableInputs) -> TableData:
    scores = RunScores(inputs)
    study, places = _study(card, scores), _places(card, scores, inputs)
    rows = row_titles(inputs.shown(card.rows))
    runs = [(protocol, run) for run in rows for protocol in study]
    if scores.null_epochs(study):
        rows = {**rows, NULL_RUN: NULL_ROW}
    cells = []
    for run, title in rows.items():
        for where, metric, head in places:
            cell = scores.cell(where, run, metric, "fold-oracle", metric)
            cells.append({"row": title, "column": head.key, **cell, "note": cell["ours_note"]})
    frame = tidy(cells, COLUMNS, COUNTS, FRACTIONS)
    facts, warning = scores.facts(study)
    elsewhere = inputs.study.table_methods if inputs.study else ()
    others = [run for run in inputs.methods if run not in rows and run not in elsewhere]
    absent, in_tables = ("", "") if card.rows else (scores.nowhere(others, study), inputs.only_printed())
    first = join(scores.progress(runs), inputs.not_shown(card.rows), absent, card.caption, facts)
    caption = join(first, join(CELL, LEAKY, scores.null_sentence(study)), in_tables, by="\n")
    apart = frozenset({title for run, title in rows.items() if run == NULL_RUN or inputs.methods[run].control})
    return TableData(name, card, caption, warning, frame, [head for *_, head in places], apart=apart)


def _measured(paths: Iterable[str | os.PathLike], column: str) -> list[float]:
    """Return a column of the benchmark files of jobs, one value each; nan where a job was too short to be measured."""
    values = []
    for path in paths:
        try:
            values += pd.read_csv(path, sep="\t", na_values=["-"])[column].astype(float).tolist()
        except (FileNotFoundError, KeyError, ValueError) as error:
            raise InputError(f"{path}: expected a benchmark file with a column {column!r} ({error!r})") from None
    return values


def _runtime(card: Table, name: str, inputs: TableInputs) -> TableData:
    scores = RunScores(inputs)
    study, rows_of = _study(card, scores), row_titles(inputs.shown(card.rows))
    cells = []
    for run, title in rows_of.items():
        for protocol in study:
            rows, status, note = scores.rows((protocol, ""), run)
            cell = {"row": title, "column": protocol, "status": status, "note": note}
            if len(rows):
                honest = rows.loc["last"]
                cell |= {key: honest[key] for key in ("seeds", "folds", "epochs", "device")}
                cell["train_seconds"] = honest["seconds"]
                cell["seconds_per_fold"] = honest["seconds"] / (honest["folds"] * honest["seeds"])
                files = list(inputs.benchmarks.get((protocol, run), ()))
                cell["peak_mb"] = pd.Series(_measured(files, "max_rss"), dtype=float).max()
                cell["cpu_seconds"] = sum(_measured(files, "cpu_time")) if files else math.nan
            cells.append(cell)
    frame = tidy(
        cells,
        RUNTIME_COLUMNS,
        ("seeds", "folds", "epochs"),
        ("train_seconds", "cpu_seconds", "seconds_per_fold", "peak_mb"),
    )
    facts, warning = scores.facts(study)
    form = (
        "Training time summed over folds and seeds, by the clock; CPU: processor time of the same jobs, start-up "
        "included, which other work on the machine hardly changes; peak memory of the largest job."
    )
    progress = scores.progress((protocol, run) for run in rows_of for protocol in study)
    caption = join(progress, inputs.not_shown(card.rows), card.caption, facts, form)
    return TableData(name, card, caption, warning, frame, [Column(name, scores.title(name)) for name in study])


KINDS = {
    "leaderboard": _leaderboard,
    "published": published_table,
    "runtime": _runtime,
    "data": data_table,
    "comparisons": comparisons_table,
}


def build_table(card: Table, name: str, inputs: TableInputs) -> TableData:
    """Build one table from its card; `name` is the card's file name without .yaml. Its last line names the study."""
    table = KINDS[card.kind](card, name, inputs)
    return replace(table, caption=join(table.caption, inputs.study.sentence() if inputs.study else "", by="\n"))
