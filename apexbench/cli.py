"""The console command `apexbench`."""

import argparse
import sys
from pathlib import Path

from apexbench.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run one command; bad input is one line on stderr and status 1."""
    parser = argparse.ArgumentParser(prog="apexbench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    index = commands.add_parser("index", help="read one release and print what it holds, before any run")
    index.add_argument("dataset")
    index.add_argument("root", type=Path, help="the folder of the release, as distributed")
    index.add_argument("--apex", choices=("sheet", "midpoint"), default="sheet")
    schemas = commands.add_parser("schemas", help="write config/schemas/*.json from the cards' types, for editors")
    schemas.add_argument("folder", type=Path, nargs="?", default=Path("config/schemas"))
    wanted = parser.parse_args(arguments)
    try:
        if wanted.command == "index":
            _print_index(wanted.dataset, wanted.root, wanted.apex)
        else:
            _write_schemas(wanted.folder)
    except InputError as error:
        print(f"apexbench: {error}", file=sys.stderr)
        return 1
    return 0


def _print_index(dataset: str, root: Path, apex: str) -> None:
    from apexbench.datasets import load_index

    frame = load_index(dataset, root, apex=apex)
    print(f"{dataset}: {len(frame)} clips, {frame['subject'].nunique()} subjects, {frame['n_frames'].sum()} frames")
    for emotion, count in frame["emotion"].value_counts().items():
        print(f"  {emotion:12s} {count}")


def _write_schemas(folder: Path) -> None:
    from apexbench.config import schemas
    from apexbench.store import atomic

    for name, text in schemas().items():
        with atomic(folder / f"{name}.json") as part:
            part.write_text(text)
    print(f"{folder}: schemas written")


if __name__ == "__main__":
    sys.exit(main())
