"""JSON schemas of the YAML files."""

import argparse
from pathlib import Path

HELP = "write config/schemas/*.json and the table of config/README.md from the cards' types"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, nargs="?", default=Path("config/schemas"))


def run(wanted: argparse.Namespace) -> int:
    """Write one schema for each kind of file, and the table of keys."""
    from apexbench.config.files import schemas, settings_page
    from apexbench.store.writing import atomic

    page = wanted.folder.parent / "README.md"
    if page.exists():
        text = settings_page(page.read_text(encoding="utf-8"), page)
        with atomic(page) as part:
            part.write_text(text, encoding="utf-8")

    for name, text in schemas().items():
        with atomic(wanted.folder / f"{name}.json") as part:
            part.write_text(text)
    print(f"{wanted.folder}: schemas written")
    return 0
