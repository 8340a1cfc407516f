"""A bundle of someone else, checked without any clip."""

import argparse
from pathlib import Path

from apexbench.errors import printable

HELP = "check a bundle: every file's checksum, and every score made anew from its predictions; status 1 if one differs"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="a file of `apexbench bundle`, or a folder of `apexbench merge`")


def run(wanted: argparse.Namespace) -> int:
    """Print what is equal, or which cells differ."""
    from apexbench.sharing.archive import opened
    from apexbench.sharing.verify import verify

    with opened(wanted.bundle) as bundle:
        verdict = verify(bundle)
        print(f"{wanted.bundle}: {len(bundle.manifest.files)} files are as their checksums say")
    print(*map(printable, verdict.lines()), sep="\n")
    return int(bool(verdict.differences))
