"""Table cards + scores + published numbers -> tidy tables: one row per cell."""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from apexbench.config import MethodCard, ProtocolCard, TableCard
from apexbench.errors import InputError, nearest

COLUMNS = [
    "row", "column", "published", "as_published", "honest", "ci_low", "ci_high", "seeds", "n", "k", "status", "note",
]  # fmt: skip
RUNTIME_COLUMNS = [
    "row", "column", "seeds", "folds", "epochs", "train_seconds", "seconds_per_fold", "device", "peak_mb",
    "status", "note",
]  # fmt: skip
TITLES = {"acc": "accuracy", "uf1": "UF1", "uar": "UAR", "weighted_f1": "weighted F1"}
NULL_RUN, NULL_ROW = "null", "null (random scores)"
WARNING = "Synthetic clips: these numbers say nothing about real data."
POOLED = "Leave one subject out; the predictions of all folds are pooled, then scored once."
LEAKY = (
    "Leaky scores take the best epoch of each test fold, picked on its own test clips, as most released code does: "
    "read them against the null row, which learns nothing and is scored by the same rule. "
    "Methods without epochs have nothing to pick: both scores are equal."
)


@dataclass(frozen=True)
class TableData:
    """A table before rendering: `frame` is tidy, `headers` gives a title and a subtitle for each of its columns."""

    name: str
    kind: str
    title: str
    caption: str
    warning: str
    frame: pd.DataFrame
    headers: dict[str, tuple[str, str]] = field(default_factory=dict)


def row_titles(methods: Mapping[str, MethodCard]) -> dict[str, str]:
    """Return {run: title}; runs that share a title are told apart by their name."""
    titles = [card.title for card in methods.values()]
    return {run: c.title if titles.count(c.title) == 1 else f"{c.title} ({run})" for run, c in methods.items()}


class _Scores:
    """What the runs of a study scored, with a status for those that did not."""

    def __init__(self, scores: Mapping[str, pd.DataFrame], protocols: Iterable[str], methods: Iterable[str]):
        self.scores, self.protocols, self.methods = scores, list(protocols), list(methods)

    def rows(self, protocol: str, run: str) -> tuple[pd.DataFrame, str, str]:
        """Return the rows of a run by rule, its status and a note."""
        frame = self.scores.get(protocol, pd.DataFrame(columns=["run", "rule"]))
        mine = frame[frame["run"] == run].set_index("rule")
        for kind, name, known in (("protocol", protocol, self.protocols), ("method", run, self.methods)):
            if name not in known:
                return mine.iloc[:0], "skipped", f"{kind} {name!r} is not part of this study"
        if "last" not in mine.index:
            return mine.iloc[:0], "failed", f"run {run!r} on {protocol!r} left no scores: see its log"
        honest = mine.loc["last"]
        if honest["status"] == "partial":
            return (
                mine,
                "partial",
                f"only {honest['n']} of {honest['expected']} clips in every seed".replace("<NA>", "all"),
            )
        if honest["status"] != "ok":
            return mine.iloc[:0], honest["status"], f"run {run!r} on {protocol!r} was {honest['status']}"
        return mine, "ok", ""

    def cell(self, protocol: str, run: str, metric: str) -> dict:
        """Return our part of a cell: both scores, the interval, the counts, the status."""
        rows, status, note = self.rows(protocol, run)
        if not len(rows):
            return {"status": status, "note": note}
        honest = rows.loc["last"]
        return {
            "as_published": rows.loc["fold-oracle", metric] if "fold-oracle" in rows.index else math.nan,
            "honest": honest[metric],
            "ci_low": honest[f"{metric}_low"],
            "ci_high": honest[f"{metric}_high"],
            **{name: honest[name] for name in ("seeds", "n", "k")},
            "status": status,
            "note": note,
        }

    def facts(self, protocols: Iterable[str], titles: Mapping[str, str]) -> tuple[str, str]:
        """Return the caption's sentence on protocols, clips, seeds and budget, and the warning on synthetic clips."""
        frames = {name: self.scores[name].dropna(subset=["n"]) for name in protocols if name in self.scores}
        frames = {name: frame for name, frame in frames.items() if len(frame)}
        if not frames:
            return "No run has scores yet.", ""
        clips = [
            f"{titles[name]} (n = {frame['n'].max()}, {frame['folds'].max()} folds)" for name, frame in frames.items()
        ]
        every = pd.concat(frames.values())
        seeds, budget = every["seeds"].max(), " and ".join(sorted(set(every["budget"].dropna())))
        plural = "1 seed" if seeds == 1 else f"mean of {seeds} seeds, intervals from the first"
        warning = WARNING if (every["data_source"] != "licensed").any() else ""
        return f"Clips: {'; '.join(clips)}. Budget: {budget}; {plural}.", warning


def _tidy(cells: list[dict], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(cells, columns=columns)
    counts = [name for name in ("seeds", "n", "k", "folds", "epochs") if name in columns]
    texts = [name for name in ("row", "column", "device", "status", "note") if name in columns]
    numbers = [name for name in columns if name not in counts + texts]
    frame[texts] = frame[texts].fillna("")
    return frame.astype({**dict.fromkeys(counts, "Int64"), **dict.fromkeys(numbers, float)})


def _join(*sentences: str) -> str:
    return " ".join(sentence.strip() for sentence in sentences if sentence.strip())


def _leaderboard(card, name, ours, protocols, methods) -> TableData:
    cells, headers = [], {}
    for run, title in row_titles(methods).items():
        for protocol, its in protocols.items():
            for printed, metric in card.metrics.items():
                column = f"{protocol} {printed}"
                headers[column] = its.title, TITLES[metric]
                cells.append({"row": title, "column": column, **ours.cell(protocol, run, metric)})
    facts, warning = ours.facts(protocols, {name: its.title for name, its in protocols.items()})
    form = "Each cell: score after the last epoch, its 95 % interval (bootstrap over subjects), and the leaky score."
    absent = "" if NULL_RUN in methods else f"The null row is absent: add {NULL_RUN!r} to the methods."
    caption = _join(card.caption, facts, POOLED, form, LEAKY, absent)
    return TableData(name, card.kind, card.title, caption, warning, _tidy(cells, COLUMNS), headers)


def read_published(path: Path, table: str, protocol: str) -> pd.DataFrame:
    """Return the printed numbers of one table under one protocol, in file order."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    missing = [c for c in ("table", "row", "protocol", "metric", "value", "caveat") if c not in frame]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}")
    part = frame[frame["table"] == table]
    if part.empty:
        raise InputError(f"{path}: no table {table!r} (the name of its card); {nearest(table, set(frame['table']))}")
    known = set(part["protocol"])
    part = part[part["protocol"] == protocol]
    if part.empty:
        raise InputError(f"{path}: table {table!r} has no row of protocol {protocol!r}; {nearest(protocol, known)}")
    twice = part[part.duplicated(["row", "metric"])]
    if len(twice):
        row, metric = twice.iloc[0][["row", "metric"]]
        raise InputError(f"{path}, row {twice.index[0] + 2}: {row!r}, {metric!r} is given twice under {protocol!r}")
    values = pd.to_numeric(part["value"], errors="coerce")
    wrong = part[(part["value"] != "") & ~values.between(0, 1) & ~part["metric"].isin(["params", "flops"])]
    if len(wrong):
        value = wrong.iloc[0]["value"]
        raise InputError(
            f"{path}, row {wrong.index[0] + 2}: field 'value': expected a fraction in [0, 1], found {value!r}"
        )
    return part.assign(value=values)


def _published(card, name, ours, protocols, methods, folder) -> TableData:
    path = Path(folder) / card.published
    printed = read_published(path, name, card.protocol)
    labels = list(dict.fromkeys(printed["row"]))
    absent = [metric for metric in card.metrics if metric not in set(printed["metric"])]
    for field_, wanted, known in (("metrics", absent, set(printed["metric"])), ("ours", card.ours, labels)):
        for key in wanted:
            if key not in known:
                raise InputError(
                    f"config/tables/{name}.yaml: field {field_!r}: {path} has no {key!r}; {nearest(key, known)}"
                )
    values = printed.set_index(["row", "metric"])
    rows = [(label, card.ours.get(label)) for label in labels]
    if len(ours.rows(card.protocol, NULL_RUN)[0]) and NULL_RUN not in card.ours.values():
        rows.append((NULL_ROW, NULL_RUN))
    cells = []
    for label, run in rows:
        for metric, our_metric in card.metrics.items():
            cell = {"status": "published-only", "note": ""}
            if run is not None:
                cell = ours.cell(card.protocol, run, our_metric)
            if (label, metric) in values.index:
                line = values.loc[(label, metric)]
                cell["published"] = line["value"]
                cell["note"] = "; ".join(filter(None, [line["caveat"], cell["note"]]))
            cells.append({"row": label, "column": metric, **cell})
    title = protocols[card.protocol].title if card.protocol in protocols else card.protocol
    facts, warning = ours.facts([card.protocol], {card.protocol: title})
    same = ", ".join(f"{printed} = our {TITLES[metric]}" for printed, metric in card.metrics.items())
    caption = _join(
        card.caption, f"Protocol {card.protocol}; {same}.", facts, POOLED,
        "Published: as printed. Honest: after the last epoch, with a 95 % interval (bootstrap over subjects).", LEAKY,
    )  # fmt: skip
    headers = {printed: (printed, TITLES[metric]) for printed, metric in card.metrics.items()}
    return TableData(name, card.kind, card.title, caption, warning, _tidy(cells, COLUMNS), headers)


def _peak(paths: Iterable[str | os.PathLike]) -> float:
    peaks = []
    for path in paths:
        try:
            peaks += pd.read_csv(path, sep="\t", na_values=["-"])["max_rss"].astype(float).dropna().tolist()
        except (FileNotFoundError, KeyError, ValueError) as error:
            raise InputError(f"{path}: expected a benchmark file with a column 'max_rss' ({error!r})") from None
    return max(peaks, default=math.nan)


def _runtime(card, name, ours, protocols, methods, benchmarks) -> TableData:
    cells = []
    for run, title in row_titles(methods).items():
        for protocol in protocols:
            rows, status, note = ours.rows(protocol, run)
            cell = {"row": title, "column": protocol, "status": status, "note": note}
            if len(rows):
                honest = rows.loc["last"]
                cell |= {key: honest[key] for key in ("seeds", "folds", "epochs", "device")}
                cell["train_seconds"] = honest["seconds"]
                cell["seconds_per_fold"] = honest["seconds"] / (honest["folds"] * honest["seeds"])
                cell["peak_mb"] = _peak(benchmarks.get((protocol, run), ()))
            cells.append(cell)
    facts, warning = ours.facts(protocols, {name: its.title for name, its in protocols.items()})
    form = "Training time summed over folds and seeds; peak memory of the largest job."
    return TableData(
        name, card.kind, card.title, _join(card.caption, facts, form), warning, _tidy(cells, RUNTIME_COLUMNS)
    )


def build_table(
    card: TableCard,
    name: str,
    scores: Mapping[str, pd.DataFrame],
    published_folder: str | os.PathLike,
    protocols: Mapping[str, ProtocolCard],
    methods: Mapping[str, MethodCard],
    benchmarks: Mapping[tuple[str, str], Iterable[str | os.PathLike]] | None = None,
) -> TableData:
    """Build one table.

    Parameters
    ----------
    card, name : the card and its file name without .yaml; for published tables also the value of column `table`.
    scores : {protocol: frame of `scores.score_runs`}. A run without rows stays in the table, with its status.
    published_folder : where the published numbers lie.
    protocols, methods : those of the study, in its order.
    benchmarks : for runtime tables, {(protocol, run): benchmark TSV files of its jobs}.
    """
    if card.protocol is not None and card.kind != "published":
        protocols = {key: its for key, its in protocols.items() if key == card.protocol}
    if not card.metrics and card.kind != "runtime":
        raise InputError(f"config/tables/{name}.yaml: field 'metrics': name at least one, e.g. {{uf1: uf1}}")
    ours = _Scores(scores, protocols, methods)
    if card.kind == "leaderboard":
        return _leaderboard(card, name, ours, protocols, methods)
    if card.kind == "published":
        return _published(card, name, ours, protocols, methods, published_folder)
    return _runtime(card, name, ours, protocols, methods, benchmarks or {})
