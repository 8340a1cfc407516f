"""Bundles of several machines or laboratories as one."""

import argparse
from pathlib import Path

from apexbench.errors import InputError, printable

HELP = "join bundles of several machines or laboratories: their runs under the same protocols, in the same tables"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE", help="files of `apexbench bundle`")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="as results/joint; or joint.zip, a bundle"
    )


def run(wanted: argparse.Namespace) -> int:
    """Write scores and tables of all predictions, and say what was joined."""
    from apexbench.sharing.merge import merge

    if len(wanted.bundles) < 2:
        raise InputError("merge: one bundle; name two or more")
    print(*map(printable, merge(wanted.bundles, wanted.output)), sep="\n")
    return 0
