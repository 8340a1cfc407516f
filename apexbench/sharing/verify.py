"""A bundle against itself: scores and tables made anew from its predictions, and which cell differs."""

import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from apexbench.errors import InputError
from apexbench.protocols import unexpected
from apexbench.sharing.archive import Bundle
from apexbench.sharing.clips import check_clips
from apexbench.sharing.contents import RECORDS, versions_here
from apexbench.sharing.rebuild import FORMATS, make_scores, make_tables
from apexbench.sharing.record import REBUILT, Record, read_record, table_card, training_record, written

CLOSE = 2.5e-6  # scores are written with six digits
KEYS = {
    "scores": ("slice", "run", "rule"),
    "comparisons": ("table", "run", "reference", "score"),
    "tables": ("row", "column"),
}
_NONE = "nothing"
_HOURS = re.compile(r"Hours on a GPU: [^<\n]*")  # of the study's networks, which a bundle has not


@dataclass(frozen=True)
class Difference:
    """One cell of a file that is not what the predictions give."""

    file: str
    cell: str
    column: str
    bundled: str
    made: str

    def __str__(self) -> str:
        where = ", ".join(filter(None, [self.file, self.cell, self.column]))
        return f"{where}: {self.bundled or _NONE} in the bundle, {self.made or _NONE} from its predictions"


@dataclass
class Verdict:
    """What was compared, and what differs.

    unchecked : files that no score is made of and no predictions make; noted : what a reader should know beside it.
    """

    record: Record
    versions: dict[str, tuple[str, str]]
    cells: int = 0
    differences: list[Difference] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)

    def lines(self, shown: int = 20) -> Iterator[str]:
        """Yield what was found, in words."""
        runs = sum(bool(paths) for its in self.record.protocols.values() for paths in its.runs.values())
        what = (
            f"{self.cells} cells of scores under {', '.join(self.record.protocols)} ({runs} trainings and the null "
            f"model, all selection rules and slices), of comparisons and of {len(self.record.tables)} table(s)"
        )
        if not self.differences:
            yield f"equal: {what}, made anew from the predictions"
        else:
            yield f"{len(self.differences)} of {what} differ"
        for difference in self.differences[:shown]:
            yield f"  {difference}"
        if len(self.differences) > shown:
            yield f"  and {len(self.differences) - shown} more"
        other = [f"{name} {theirs} (here {ours})" for name, (theirs, ours) in self.versions.items() if theirs != ours]
        if self.differences and other:
            yield f"made with other versions, which may be why: {', '.join(other)}"
        if self.unchecked:
            yield f"not checked, since no predictions make it: {', '.join(self.unchecked)}"
        yield from self.noted


def verify(bundle: Bundle) -> Verdict:
    """Make scores, comparisons and tables of an opened bundle anew, and compare them cell by cell, or line by line.

    Numbers are equal to the sixth digit. Raises InputError if predictions cannot be scored: damaged, of other clips or
    labels than the protocol's table, or other than their records say; and if that table is not of the protocol's split.
    """
    record = read_record(bundle)
    _check_records(bundle)
    here = versions_here()
    versions = {name: (theirs, here.get(name, "")) for name, theirs in bundle.manifest.versions.items()}
    verdict = Verdict(record, versions)
    for protocol, scored in record.protocols.items():
        table = check_clips(bundle, protocol, scored)
        verdict.noted += _shortened(f"protocol {protocol}, by its official counts: ", unexpected(scored.card, table))
    verdict.noted += _untrained(record)
    with tempfile.TemporaryDirectory(prefix="apexbench-verify-") as folder:
        made = Path(folder)
        make_scores(bundle, record, made)
        make_tables(bundle, record, made, made)
        files = [f"{kind}/{protocol}.csv" for kind in ("scores", "comparisons") for protocol in record.protocols]
        for name in [*files, *(f"tables/{table}.csv" for table in record.tables)]:
            frames = [_read(bundle.path(name), f"{bundle.name}: {name}"), _read(made / name, name)]
            verdict.cells += frames[1].size
            verdict.differences += differences(name, *frames)
        texts = [f"tables/{table}.{form}" for table in record.tables for form in FORMATS if form != "csv"]
        for name in texts:
            verdict.differences += _other_words(name, bundle.path(name), made / name)
    verdict.differences += _dropped(bundle, record)
    verdict.unchecked = _unchecked(bundle, record)
    return verdict


def _shortened(start: str, lines: Sequence[str], shown: int = 5) -> list[str]:
    more = [f"and {len(lines) - shown} more"] if len(lines) > shown else []
    return [start + "; ".join([*lines[:shown], *more])] if lines else []


def _untrained(record: Record) -> list[str]:
    """Say of which seeds of the study there are no predictions: methods without randomness have the first only."""
    names = [name for its in record.protocols.values() for names in its.runs.values() for name in names]
    lacking = [seed for seed in record.seeds if not any(f"/seed{seed}/" in name for name in names)]
    return [f"no predictions of seed {', '.join(map(str, lacking))}"] if lacking and names else []


def _dropped(bundle: Bundle, record: Record) -> list[Difference]:
    """The tables of scores that have a card and files, and that study.json does not name: nothing would check them."""
    found = []
    for name in bundle.manifest.files:
        table = name.removeprefix("tables/").removesuffix(".csv")
        card = f"cards/tables/{table}.yaml"
        unnamed = name == f"tables/{table}.csv" and table not in record.tables and card in bundle.manifest.files
        if unnamed and table_card(bundle, table).kind in REBUILT:
            found.append(Difference(name, "", "", "a table", ""))
    return found


def _unchecked(bundle: Bundle, record: Record) -> list[str]:
    """The files of results that are not compared, and what of the tables' texts is not."""
    made = {f"{kind}/{protocol}.csv" for kind in ("scores", "comparisons") for protocol in record.protocols}
    made |= {f"tables/{table}.{form}" for table in record.tables for form in FORMATS}
    for its in record.protocols.values():
        made |= {name for some in (its.runs, its.inner) for names in some.values() for name in names}
    folders = ("scores/", "comparisons/", "tables/", "predictions/")
    found = [name for name in bundle.manifest.files if name.startswith(folders) and name not in made]
    texts = [bundle.path(f"tables/{table}.md") for table in record.tables]
    hours = any(_HOURS.search(path.read_text(encoding="utf-8", errors="replace")) for path in texts)
    return found + ["the hours on a GPU below tables"] * hours


def _check_records(bundle: Bundle) -> None:
    """Raise InputError if records.json is not what the predictions say of themselves."""
    files = sorted(name for name in bundle.manifest.files if name.startswith("predictions/"))
    records = {name: training_record(bundle, name) for name in files}
    if written(records) != bundle.path(RECORDS).read_bytes():
        raise InputError(f"{bundle.name}: records.json is not what the predictions say of themselves; bundle it anew")


def _read(path: Path, name: str) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise InputError(f"{name}: not a table ({error})") from None


def differences(name: str, bundled: pd.DataFrame, made: pd.DataFrame) -> list[Difference]:
    """Return the cells that differ between two tables of texts, found by their key columns.

    >>> tables = [pd.DataFrame({"row": ["a"], "column": ["x"], "honest": [text]}) for text in (".51", ".52")]
    >>> print(*differences("tables/t.csv", *tables))
    tables/t.csv, a / x, honest: .51 in the bundle, .52 from its predictions
    """
    keys = [key for key in KEYS[name.partition("/")[0]] if key in made]
    sides = [bundled.columns, made.columns]
    found = [
        Difference(name, "", column, *("a column" if column in side else "" for side in sides))
        for column in dict.fromkeys([*bundled, *made])
        if column not in bundled or column not in made
    ]
    if any(key not in bundled for key in keys):
        return found
    shared = [column for column in made if column in bundled]
    sides = [_by_key(frame, keys) for frame in (bundled, made)]
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        rows = [side.get(key) for side in sides]
        cell = " / ".join(filter(None, key[:-1]))
        if rows[0] is None or rows[1] is None:
            found.append(Difference(name, cell, "", *("a row" if row is not None else "" for row in rows)))
            continue
        for column in shared:
            pair = [row[column] for row in rows]
            if not _equal(*pair):
                found.append(Difference(name, cell, column, *pair))
    return found


def _by_key(frame: pd.DataFrame, keys: Sequence[str]) -> dict[tuple, dict[str, str]]:
    """{key, and which of the rows of that key: row}."""
    rows, seen = {}, {}
    for row in frame.to_dict("records"):
        key = tuple(row[name] for name in keys)
        seen[key] = seen.get(key, 0) + 1
        rows[*key, str(seen[key])] = row
    return rows


def _other_words(name: str, bundled: Path, made: Path) -> list[Difference]:
    """The first line of a table's text that is another."""
    sides = [
        _HOURS.sub("", path.read_text(encoding="utf-8", errors="replace")).splitlines() for path in (bundled, made)
    ]
    for number, pair in enumerate(zip_longest(*sides, fillvalue=""), 1):
        if pair[0] != pair[1]:
            return [Difference(name, f"line {number}", "", *(text.strip()[:80] for text in pair))]
    return []


def _equal(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return math.isclose(float(one), float(other), rel_tol=0, abs_tol=CLOSE)
    except ValueError:
        return False
