"""Parameters of networks at paper size: docs/methods/parameters.csv."""

import csv
import io
from collections.abc import Mapping

from apexbench.catalogue import CLASSES, Catalogue, parameters
from apexbench.config.methods import MethodCard


def counted(catalogue: Catalogue) -> dict[str, tuple[int, ...]]:
    """Return {card: parameters at paper size for each of CLASSES} of all cards that have a network."""
    counts = {}
    for name in catalogue.project.names("methods"):
        card = catalogue.project.card(name)
        found = [parameters(card.method, first_run(card, name, classes=number).params, number) for number in CLASSES]
        if None not in found:
            counts[name] = tuple(found)
    return counts


def counts_text(counts: Mapping[str, tuple[int, ...]]) -> str:
    """Return parameters.csv, which `apexbench list methods` reads without building a network."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["card", *(f"{number} classes" for number in CLASSES)])
    lines.writerows([name, *its] for name, its in sorted(counts.items()))
    return text.getvalue()


def first_run(card: MethodCard, name: str, budget="paper", protocol: str = "", classes: int = 0) -> MethodCard:
    """Return the card as it is under a budget and a protocol; of a sweep, its first run."""
    return next(iter(card.runs(name, budget, protocol, classes).values()))
