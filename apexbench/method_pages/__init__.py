"""docs/methods: a page for each method with all that cards and code say of it, an index, and counts of parameters.

A card that is `like` another stands on that one's page. No score is on them: those are in docs/results.
"""

import os
from pathlib import Path

from apexbench.catalogue import COUNTS, Catalogue
from apexbench.method_pages.counts import counted, counts_text
from apexbench.method_pages.pages import Pages

FOLDER = COUNTS.parent


def files(catalogue: Catalogue) -> dict[Path, str]:
    """Return {file: its text} of docs/methods; networks are built to be counted, on torch's `meta` device.

    Raises InputError, naming card and field, for a card that its method does not take.
    """
    pages = Pages(catalogue, counted(catalogue))
    texts = {FOLDER / f"{card}.md": pages.page(card) for card in pages.members}
    return {**texts, FOLDER / "README.md": pages.index(), COUNTS: counts_text(pages.counts)}


def stale(catalogue: Catalogue, root: str | os.PathLike = ".") -> list[Path]:
    """Return the files of docs/methods that are not as they would be written, or that nothing writes any more."""
    texts, root = files(catalogue), Path(root)
    there = [path.relative_to(root) for path in (root / FOLDER).glob("*")]
    wrong = [path for path, text in texts.items() if not (root / path).is_file() or (root / path).read_text() != text]
    return sorted({*wrong, *(path for path in there if path not in texts)})
