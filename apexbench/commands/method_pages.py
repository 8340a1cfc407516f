"""Pages of methods, written from their cards and docstrings."""

import argparse

HELP = "write docs/methods: a page for each method, an index, and how many parameters each has"


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(wanted: argparse.Namespace) -> int:
    """Write all pages anew; one that no card makes any more is deleted."""
    from apexbench.catalogue import Catalogue
    from apexbench.method_pages import FOLDER, files
    from apexbench.store.writing import atomic

    texts = files(Catalogue())
    for path, text in texts.items():
        with atomic(path) as part:
            part.write_text(text, encoding="utf-8")
    for path in set(FOLDER.glob("*.md")) - set(texts):
        path.unlink()
    print(f"{FOLDER}: {len(texts)} files written")
    return 0
