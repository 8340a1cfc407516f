"""What is wrong with printed numbers, told by method, column and value."""

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

from apexbench.errors import InputError

HELP = "check printed numbers: whole clips, repeated pairs, mixed-up metrics"
# what each kind of finding means; the remark itself follows
_MEANS = {
    "granularity": "no whole number of correct clips gives this accuracy",
    "truncated": "cut off, not rounded",
    "padding": "its last zero may be padding",
    "swap": "two digits may have changed places",
    "same count": "another number for the same correct clips",
    "pair": "UF1 and UAR exclude each other",
    "metric": "not the metric that the column is named after",
    "duplicate": "printed elsewhere, too",
    "percent": "fraction or percentage",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="*", help="CSVs such as config/published/memix.csv; default: all")


def run(wanted: argparse.Namespace) -> int:
    """Print a line for each finding, by table."""
    from apexbench.evaluation.audit import audit_file

    files = wanted.files or sorted(Path("config/published").glob("*.csv"))
    if not files:
        raise InputError("config/published: no CSV files here; name the files to check")
    for path in files:
        findings = audit_file(path)
        with path.open(newline="", encoding="utf-8") as file:
            printed = list(csv.DictReader(file))
        print(f"{path}: {len(findings)} findings")
        table = None
        for finding in findings.itertuples():
            number = printed[finding.row]
            if number["table"] != table:
                table = number["table"]
                print(f"  {table}")
            print(f"    {_where(number)}: {_MEANS[finding.kind]}: {finding.text}")
    return 0


def _where(number: Mapping[str, str]) -> str:
    """A printed number by its method, column and value.

    >>> _where({"row": "STSTNet", "metric": "acc", "protocol": "samm-3", "printed": "68.10"})
    'STSTNet, acc on samm-3, printed 68.10'
    """
    under = f" on {number['protocol']}" if number["protocol"] else ""
    return f"{number['row']}, {number['metric']}{under}, printed {number['printed']}"
