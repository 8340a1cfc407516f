"""A bundle against itself: scores and tables made anew from its predictions, and which cell differs."""

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from apexbench.errors import InputError
from apexbench.sharing.archive import Bundle
from apexbench.sharing.contents import RECORDS, record_in, versions_here
from apexbench.sharing.rebuild import make_scores, make_tables
from apexbench.sharing.record import Record, read_record, written

CLOSE = 2.5e-6  # scores are written with six digits
KEYS = {
    "scores": ("slice", "run", "rule"),
    "comparisons": ("table", "run", "reference", "score"),
    "tables": ("row", "column"),
}
_NONE = "nothing"


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
    """What was compared, and what differs."""

    record: Record
    versions: dict[str, tuple[str, str]]
    cells: int = 0
    differences: list[Difference] = field(default_factory=list)

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


def verify(bundle: Bundle) -> Verdict:
    """Make scores, comparisons and tables of an opened bundle anew, and compare them cell by cell.

    Numbers are equal to the sixth digit. Raises InputError if predictions cannot be scored: damaged, of other clips or
    labels than the protocol's table, or other than their records say.
    """
    record = read_record(bundle)
    _check_records(bundle)
    here = versions_here()
    versions = {name: (theirs, here.get(name, "")) for name, theirs in bundle.manifest.versions.items()}
    verdict = Verdict(record, versions)
    with tempfile.TemporaryDirectory(prefix="apexbench-verify-") as folder:
        made = Path(folder)
        make_scores(bundle, record, made)
        make_tables(bundle, record, made, made, ["csv"])
        files = [f"{kind}/{protocol}.csv" for kind in ("scores", "comparisons") for protocol in record.protocols]
        for name in [*files, *(f"tables/{table}.csv" for table in record.tables)]:
            frames = [_read(bundle.path(name), f"{bundle.name}: {name}"), _read(made / name, name)]
            verdict.cells += frames[1].size
            verdict.differences += differences(name, *frames)
    return verdict


def _check_records(bundle: Bundle) -> None:
    """Raise InputError if records.json is not what the predictions say of themselves."""
    files = sorted(name for name in bundle.manifest.files if name.startswith("predictions/"))
    try:
        records = {name: record_in(bundle.path(name)) for name in files}
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:  # pyarrow's are OSError or ValueError
        raise InputError(f"{bundle.name}: a damaged predictions file ({error})") from None
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


def _equal(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return math.isclose(float(one), float(other), rel_tol=0, abs_tol=CLOSE)
    except ValueError:
        return False
