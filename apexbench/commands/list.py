"""What there is: methods, protocols, tables, data sets, studies, recipes."""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apexbench.errors import InputError, nearest

HELP = "list methods, protocols, tables, datasets, studies or recipes, or some of them by name"
_KINDS = ("methods", "protocols", "tables", "datasets", "studies", "recipes")
Row = Mapping[str, Any]


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _yes(value: bool) -> str:
    return "yes" if value else ""


def _counted(names: Sequence[str]) -> str:
    """A list that may be long: its length and how it begins."""
    return ", ".join(names) if len(names) < 4 else f"{len(names)}: {', '.join(names[:3])}, ..."


def _epochs(row: Row) -> str:
    paper, quick = row["epochs"]["paper"], row["epochs"]["quick"]
    return "" if paper is None else f"{paper} / {quick}"


def _official(row: Row) -> str:
    return ", ".join(what for what, known in row["official"].items() if known) or "not known"


def _studied(row: Row) -> str:
    return "where printed" if row["in_study"] and row["where_printed"] else _yes(row["in_study"])


def _clips_are(row: Row) -> str:
    where = {"licensed": f"licensed, {row['folder']}", "synthetic": "synthetic", "absent": f"none; put {row['folder']}"}
    return where[row["clips_are"]]


def _run_here(row: Row) -> str:
    return "" if row["rows"] is None else f"{row['run_here']} of {row['rows']}"


# {kind: {head of a column: its cell}}
_COLUMNS: dict[str, dict[str, Callable[[Row], str]]] = {
    "methods": {
        "method": lambda row: row["name"],
        "title": lambda row: row["title"],
        "year": lambda row: _number(row["year"]),
        "family": lambda row: row["family"],
        "inputs": lambda row: ", ".join(row["inputs"].values()),
        "epochs paper / quick": _epochs,
        "parameters": lambda row: _number(row.get("parameters")),
        "uncertain": lambda row: _number(len(row["certainty"]) or None),
        "in study": _studied,
        "tables": lambda row: _counted(row["tables"]),
        "uncertain are": lambda row: ", ".join(row["certainty"]),
    },
    "protocols": {
        "protocol": lambda row: row["name"],
        "title": lambda row: row["title"],
        "clips": lambda row: _number(row["clips"]),
        "classes": lambda row: str(len(row["classes"])),
        "split": lambda row: row["split"],
        "in study": lambda row: _yes(row["in_study"]),
        "official counts": _official,
        "data sets": lambda row: ", ".join(row["datasets"]),
    },
    "tables": {
        "table": lambda row: row["name"],
        "paper": lambda row: row["paper"],
        "kind": lambda row: row["kind"],
        "rows run here": _run_here,
        "in study": lambda row: _yes(row["in_study"]),
        "title": lambda row: row["title"],
    },
    "datasets": {
        "data set": lambda row: row["name"],
        "title": lambda row: row["title"],
        "loader": lambda row: row["loader"],
        "clips": lambda row: _number(row["clips"]),
        "subjects": lambda row: _number(row["subjects"]),
        "in study": lambda row: _yes(row["in_study"]),
        "clips are": _clips_are,
    },
    "studies": {
        "study": lambda row: row["name"],
        "file": lambda row: row["file"],
        "budget": lambda row: str(row["budget"]),
        "run": lambda row: _yes(row["run"]),
        "report": lambda row: row["report"],
        "methods": lambda row: _counted(_several(row["methods"])),
        "protocols": lambda row: _counted(_several(row["protocols"])),
    },
    "recipes": {
        "recipe": lambda row: row["name"],
        "kind": lambda row: row["kind"],
        "made of": lambda row: row["made_of"],
        "how": lambda row: row["how"] + (" (oracle)" if row["oracle"] else ""),
        "px": lambda row: _number(row["size"]),
        "read by": lambda row: _counted(row["read_by"]),
    },
}
_AFTER = {
    "tables": "A table, or all tables of a paper, by itself: snakemake --cores 2 tables/memix-samm3, papers/memix",
    "studies": "apexbench run STUDY, apexbench report STUDY",
    "methods": "epochs: of budgets paper and quick; parameters: at paper size, for 3 classes",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", help=", ".join(_KINDS))
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; left out: all")
    parser.add_argument("--json", action="store_true", help="all that is known, as JSON")


def run(wanted: argparse.Namespace) -> int:
    """Print a table, or JSON; InputError with the nearest name for what there is not."""
    from apexbench.catalogue import KINDS, Catalogue

    if wanted.kind not in _KINDS:
        raise InputError(f"list: unknown kind {wanted.kind!r}; {nearest(wanted.kind, _KINDS)}")
    rows = KINDS[wanted.kind](Catalogue())
    known = {row["name"]: row for row in rows}
    for name in wanted.names:
        if name not in known:
            raise InputError(f"list {wanted.kind}: unknown name {name!r}; {nearest(name, known)}")
    rows = [known[name] for name in wanted.names] or rows
    if wanted.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    columns = _COLUMNS[wanted.kind]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    cells = [[cell(row) for cell in columns.values()] for row in rows]
    print(*aligned(list(columns), cells, width), sep="\n")
    if sys.stdout.isatty() and wanted.kind in _AFTER:
        print(f"\n{_AFTER[wanted.kind]}")
    return 0


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Return lines of columns: text to the left, whole numbers to the right, cut at `width` characters.

    >>> aligned(["name", "clips"], [["samm-3", "133"], ["x", ""]])
    ['name    clips', 'samm-3    133', 'x']
    """
    columns = list(zip(heads, *rows, strict=True))
    numbers = [all(cell.isdigit() for cell in column[1:] if cell) and any(column[1:]) for column in columns]
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for row in [heads, *rows]:
        cells = [
            cell.rjust(size) if number else cell.ljust(size)
            for cell, size, number in zip(row, widths, numbers, strict=True)
        ]
        line = "  ".join(cells).rstrip()
        lines.append(line if width is None or len(line) <= width else f"{line[: width - 1]}…")
    return lines


def _several(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
