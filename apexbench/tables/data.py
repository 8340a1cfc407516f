"""Clips expected against clips found: one row for each data set and for each protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from apexbench.clips import APEX_SOURCES
from apexbench.config.datasets import DatasetCard
from apexbench.config.tables import Table
from apexbench.tables.table import WARNING, Files, TableData, TableInputs, join, read_csv, tidy

DATA_COLUMNS = ["row", "column", "expected", "found", "status", "note", "group"]
DATASETS, PROTOCOLS = "data set", "protocol"
COUNTED = {"repair": "repairs", "missing-frames": "missing frames", "dropped": "dropped"}  # kinds with a column
RERUN = "delete it and rerun the rule that writes it"
CAPTION = (
    "Found / expected; expected are the counts of the official lists, for a protocol of synthetic clips those of their "
    "plan. The status of a protocol compares its subjects too, one by one, where the list is known. Apex: taken from "
    "the sheet, set to the midpoint or to the last frame, spotted, or that of whoever provided flow maps. Repairs: "
    "entries of config/repairs.yaml whose old value was found. Missing frames: clips with gaps. Dropped: rows of the "
    "sheet, or clips, that are left out. "
    "Unchecked: there is nothing to compare with."
)


@dataclass(frozen=True)
class Row:
    """One row of the table: its counts by column, those expected, a footnote, and the lines that the page lists."""

    group: str
    title: str
    label_set: str
    found: Mapping[str, int]
    expected: Mapping[str, int]
    note: str = ""
    lines: tuple[str, ...] = ()

    def differences(self) -> list[str]:
        """Name every count that is not as expected."""
        differing = [key for key, count in self.expected.items() if self.found.get(key, 0) != count]
        return [f"{key}: expected {self.expected[key]}, found {self.found.get(key, 0)}" for key in differing]

    def cells(self, columns: list[str]) -> list[dict]:
        """Return the cells of `columns`; the status is ok, differs or unchecked."""
        status = "differs" if self.differences() else "ok" if self.expected else "unchecked"
        shared = {"row": self.title, "status": status, "note": self.note.replace("; ", ", "), "group": self.group}
        counts = [
            {**shared, "column": key, "expected": str(self.expected.get(key, "")), "found": str(self.found[key])}
            for key in columns
        ]
        return [{**shared, "column": "label set", "found": self.label_set}, *counts]


def _official(card: DatasetCard) -> dict[str, int]:
    counts = {"clips": card.expected_clips, "subjects": card.expected_subjects}
    counts |= {f"emotion {emotion.lower()}": count for emotion, count in card.expected_emotions.items()}
    return {key: count for key, count in counts.items() if count is not None}


def _dataset(name: str, inputs: TableInputs) -> tuple[Row, bool]:
    """Return a data set's row, and whether its clips are synthetic."""
    card = inputs.datasets[name]
    index = read_csv(inputs.indexes[name], ("subject", "emotion", "apex_source", "label_set"), RERUN)
    findings = read_csv(inputs.findings[name], ("kind", "place", "clip", "text"), RERUN)
    label_set = " + ".join(sorted(set(index["label_set"])))
    synthetic = label_set.startswith("synthetic")
    kinds, apexes = findings["kind"].value_counts(), index["apex_source"].value_counts()
    found = {"clips": len(index), "subjects": index["subject"].nunique()}
    found |= {f"apex {source}": int(apexes.get(source, 0)) for source in APEX_SOURCES}
    found |= {column: int(kinds.get(kind, 0)) for kind, column in COUNTED.items()}
    found |= {f"emotion {emotion}": n for emotion, n in index["emotion"].str.lower().value_counts().items()}
    remarks = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    title = card.title + " (synthetic)" * synthetic
    where = f"; named on this table's page and in {Path(inputs.findings[name]).name}"
    lines = tuple(": ".join(filter(None, line)) for line in findings[["kind", "place", "clip", "text"]].to_numpy())
    expected = _official(card) if not synthetic or label_set == "synthetic-full" else {}
    note = f"{card.title}: {remarks}{where}" if remarks else ""
    return Row(DATASETS, title, label_set, found, expected, note, lines), synthetic


def _protocol(name: str, inputs: TableInputs) -> Row:
    card = inputs.protocols[name]
    counts = read_csv(inputs.counts[name], ("what", "expected", "found"), RERUN)
    known = counts[counts["expected"] != ""]
    found = dict(zip(counts["what"], counts["found"].astype(int), strict=True))
    expected = dict(zip(known["what"], known["expected"].astype(int), strict=True))
    row = Row(PROTOCOLS, card.title, card.label_set, found, expected)
    lines = tuple(row.differences())
    note = f"{card.title}: counts that differ, by class and subject: {len(lines)}; named on this table's page"
    return replace(row, note=note, lines=lines) if lines else row


def _shown(row: Row) -> list[str]:
    """The columns that become cells: of a protocol the subjects are only compared, and named where they differ."""
    if row.group == DATASETS:
        return list(row.found)
    return [key for key in row.found if key in ("clips", "subjects") or key.startswith("class ")]


def _there(partial: bool, *files: Files) -> list[str]:
    """Return the names whose files are all there; without `partial` all of them: reading what lacks is an error."""
    return [name for name in files[0] if not partial or all(Path(some[name]).exists() for some in files)]


def data_table(card: Table, name: str, inputs: TableInputs) -> TableData:
    """Build the table of clips expected and found; the page lists every finding, the other formats only count them."""
    datasets = _there(inputs.partial, inputs.indexes, inputs.findings)
    protocols = _there(inputs.partial, inputs.counts)
    read = [_dataset(key, inputs) for key in datasets]
    rows = [row for row, _ in read] + [_protocol(key, inputs) for key in protocols]
    partial = ""
    if len(datasets) < len(inputs.indexes) or len(protocols) < len(inputs.counts):
        partial = (
            f"Partial: {len(datasets)} of {len(inputs.indexes)} data sets and {len(protocols)} of "
            f"{len(inputs.counts)} protocols are there."
        )
    frame = tidy([cell for row in rows for cell in row.cells(_shown(row))], DATA_COLUMNS)
    details = {f"Remarks on {row.title}: {len(row.lines)}": row.lines for row in rows if row.lines}
    warning = inputs.clips_sentence(datasets) or (WARNING if any(synthetic for _, synthetic in read) else "")
    return TableData(name, card, join(partial, card.caption, CAPTION), warning, frame, details=details)
