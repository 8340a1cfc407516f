"""What a table is made of, and what it is before rendering."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from apexbench.config.datasets import DatasetCard
from apexbench.config.methods import MethodCard
from apexbench.config.protocols import ProtocolCard
from apexbench.config.tables import Table
from apexbench.errors import InputError
from apexbench.gpu_hours import Work
from apexbench.store.checksums import check_seal

COLUMNS = [
    "row", "column", "published", "as_published", "honest", "ci_low", "ci_high", "seeds", "n", "k", "status", "note",
    "printed", "protocol", "slice", "metric", "rule", "score", "ours_note", "honest_sd",
    "epochs", "null", "origin",
]  # fmt: skip
COUNTS = ("seeds", "n", "k", "epochs")
FRACTIONS = ("published", "as_published", "honest", "honest_sd", "ci_low", "ci_high", "null")
SYNTHETIC = "Synthetic clips"
WARNING = f"{SYNTHETIC}: these numbers say nothing about real data."
Files = Mapping[str, str | os.PathLike]


@dataclass(frozen=True)
class StudyFacts:
    """What a table says of the study that it is of.

    `real` are the data sets that are no synthetic clips; `table_methods` runs that only printed tables show.
    """

    name: str
    budget: str
    seeds: tuple[int, ...]
    real: frozenset[str]
    table_methods: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Return the line that stands below every table."""
        seeds = ", ".join(map(str, self.seeds))
        return f"Study {self.name}: budget {self.budget}, seed{'s' * (len(self.seeds) > 1)} {seeds}."


@dataclass(frozen=True)
class TableInputs:
    """Everything that tables may be made of.

    Parameters
    ----------
    published : folder of the published numbers.
    protocols, datasets : every card that there is.
    methods : the cards of the study's runs, in its order.
    oracles : those of them that read what the true action units of a test clip have chosen: marked wherever they stand.
    circular : those that read flow of what the same flow has magnified: marked alike.
    scores : {protocol: scores}, the study's protocols in its order. A run without rows keeps its cell, with a status.
    benchmarks : {(protocol, run): benchmark TSV files of its training jobs}.
    counts : {protocol: CSV of clips expected and found}.
    indexes, findings : {data set: index CSV}, {data set: CSV of what its loader found}.
    comparisons : {protocol: CSV of the runs against the best one, and against those that tables name}.
    work : (protocol, run, its counted work at paper budget) of what a printed table shows of the study's runs.
    partial : the study may be unfinished.
    study : its name and what is asked of it; None leaves out the line that says so.
    origins : {run: where its predictions come from}: `RUN_HERE`, or who made them.
    """

    published: str | os.PathLike = "config/published"
    protocols: Mapping[str, ProtocolCard] = field(default_factory=dict)
    datasets: Mapping[str, DatasetCard] = field(default_factory=dict)
    methods: Mapping[str, MethodCard] = field(default_factory=dict)
    oracles: frozenset[str] = frozenset()
    circular: frozenset[str] = frozenset()
    scores: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    benchmarks: Mapping[tuple[str, str], Iterable[str | os.PathLike]] = field(default_factory=dict)
    counts: Files = field(default_factory=dict)
    indexes: Files = field(default_factory=dict)
    findings: Files = field(default_factory=dict)
    comparisons: Files = field(default_factory=dict)
    work: Sequence[tuple[str, str, Work | None]] = ()
    partial: bool = False
    study: StudyFacts | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    def clips_sentence(self, datasets: Iterable[str]) -> str:
        """Say which of some data sets are real clips and which synthetic; "" where the study is not known."""
        titles = {name: self.datasets[name].title for name in dict.fromkeys(datasets) if name in self.datasets}
        if self.study is None or not titles:
            return ""
        real = [title for name, title in titles.items() if name in self.study.real]
        made = [title for name, title in titles.items() if name not in self.study.real]
        if not real:
            return WARNING
        says = f"Real clips: {'; '.join(real)}."
        if made:
            says += f" {SYNTHETIC}: {'; '.join(made)}; numbers of protocols with these say nothing about real data."
        return says

    def shown(self, rows: Sequence[str] = ()) -> dict[str, MethodCard]:
        """Return those of `rows` that are runs of the study, in their order; without rows, those of the leaderboard."""
        if rows:
            return {run: self.methods[run] for run in rows if run in self.methods}
        return {run: card for run, card in self.methods.items() if card.leaderboard}

    def not_shown(self, rows: Sequence[str]) -> str:
        """Name those of `rows` that are no runs of the study; "" if all are."""
        absent = [run for run in rows if run not in self.methods]
        return f"Not part of this study: {', '.join(absent)}." if absent else ""

    def only_printed(self) -> str:
        """Name the runs that are trained only where a printed table has them; "" if there are none."""
        runs = self.study.table_methods if self.study else ()
        titles = ", ".join(sorted(self.methods[run].title for run in runs))
        return f"Not here, as they are trained only where a printed table has them: {titles}." if runs else ""


@dataclass(frozen=True)
class Column:
    """Head of a table's column: its key in the frame, two lines, and whether our runs are scored in it.

    `leaks`: an as-published score below it leaks; `mixed`: others do not.
    """

    key: str
    title: str
    subtitle: str = ""
    scored: bool = True
    leaks: bool = True
    mixed: bool = False


@dataclass(frozen=True, eq=False)
class TableData:
    """A table before rendering: `frame` is tidy, one row per cell.

    Parameters
    ----------
    warning : whether the clips are synthetic or real, or both.
    caption : a line break begins a paragraph.
    details : {heading: lines} of the HTML page alone, for they may name clips.
    compare : what it takes to compare with the printed numbers, a line each.
    apart : rows that learn nothing: no ranks, and below the others.
    main : rows of runs that stand on the leaderboard, those of the README's short form.
    """

    name: str
    card: Table
    caption: str
    warning: str
    frame: pd.DataFrame
    columns: Sequence[Column] = ()
    details: Mapping[str, Sequence[str]] = field(default_factory=dict)
    compare: Sequence[str] = ()
    apart: frozenset[str] = frozenset()
    main: frozenset[str] = frozenset()

    @property
    def synthetic(self) -> bool:
        """Whether some of its clips are synthetic: then no printed number may stand beside a score."""
        return SYNTHETIC in self.warning

    @property
    def kind(self) -> str:
        return self.card.kind

    @property
    def title(self) -> str:
        return self.card.title


def card_file(name: str) -> str:
    """Return the path of a table's card, for messages."""
    return f"config/tables/{name}.yaml"


def join(*sentences: str, by: str = " ") -> str:
    """Join the sentences that say something; paragraphs `by` a line break."""
    return by.join(sentence.strip() for sentence in sentences if sentence.strip())


def tidy(
    cells: list[dict], columns: list[str], counts: Iterable[str] = (), numbers: Iterable[str] = ()
) -> pd.DataFrame:
    """Return cells as a frame of `columns`; what is neither a count nor a number is text, empty where missing."""
    counts, numbers = list(counts), list(numbers)
    texts = [name for name in columns if name not in {*counts, *numbers}]
    frame = pd.DataFrame(cells, columns=columns)
    frame[texts] = frame[texts].astype(object).fillna("")
    return frame.astype(
        {**dict.fromkeys(texts, str), **dict.fromkeys(counts, "Int64"), **dict.fromkeys(numbers, float)}
    )


def read_csv(path: str | os.PathLike, columns: Iterable[str], mend: str) -> pd.DataFrame:
    """Read a CSV as text, all fields as they are; raise an InputError if it or a column is missing."""
    check_seal(path)
    try:
        frame = pd.read_csv(Path(path), dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {mend}") from None
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame()
    missing = [column for column in columns if column not in frame]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}; {mend}")
    return frame
