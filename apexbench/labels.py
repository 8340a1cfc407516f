"""What the card of a protocol says of labels: apart from the card's model, whose code is no part of any hash."""

from typing import Any


def classes_in(card: Any, dataset: str) -> dict[str, tuple[str, ...]]:
    """Return {class: values of the index's column} for the clips of one of a protocol's data sets."""
    return {**card.classes, **card.classes_of.get(dataset, {})}


def is_multilabel(card: Any) -> bool:
    """Tell whether a clip may have several classes of a protocol, or none."""
    return card.target == "aus"
