"""Parameters of networks at paper size: docs/methods/parameters.csv."""

import csv
import io
from collections.abc import Mapping

from apexbench.catalogue import CLASSES, Catalogue, parameters


def counted(catalogue: Catalogue) -> dict[str, tuple[int, ...]]:
    """Return {run: parameters at paper size for each of CLASSES} of all cards that have a network."""
    counts = {}
    for name in catalogue.project.names("methods"):
        card = catalogue.project.card(name)
        under = {number: card.runs(name, "paper", classes=number) for number in CLASSES}
        for run in under[CLASSES[0]]:
            found = [parameters(card.method, under[number][run].params, number) for number in CLASSES]
            if None not in found:
                counts[run] = tuple(found)
    return counts


def counts_text(counts: Mapping[str, tuple[int, ...]]) -> str:
    """Return parameters.csv, which `apexbench list methods` reads without building a network."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["run", *(f"{number} classes" for number in CLASSES)])
    lines.writerows([name, *its] for name, its in sorted(counts.items()))
    return text.getvalue()
