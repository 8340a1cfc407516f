"""JSON schemas of the YAML files."""

import argparse
from pathlib import Path

HELP = "write config/schemas/*.json from the cards' types, for editors"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, nargs="?", default=Path("config/schemas"))


def run(wanted: argparse.Namespace) -> int:
    """Write one schema for each kind of file."""
    from apexbench.config.files import schemas
    from apexbench.store import atomic

    for name, text in schemas().items():
        with atomic(wanted.folder / f"{name}.json") as part:
            part.write_text(text)
    print(f"{wanted.folder}: schemas written")
    return 0
