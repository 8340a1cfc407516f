"""Which of our protocols a card's columns stand for. Only cards are read here: the rules ask at every start."""

from collections.abc import Iterable, Mapping

from apexbench.config.protocols import ProtocolCard
from apexbench.config.tables import Table


def place(name: str, protocols: Mapping[str, ProtocolCard]) -> tuple[str, str] | None:
    """Return (protocol, slice) for the name of a protocol (slice "") or of a slice; None if we have neither."""
    if name in protocols:
        return name, ""
    return next(((protocol, name) for protocol, card in protocols.items() if name in card.slices), None)


def needed(card: Table, protocols: Mapping[str, ProtocolCard], study: Iterable[str]) -> list[str]:
    """Return the protocols of a study whose files a table reads, in the study's order."""
    if card.kind == "published":
        places = [place(column.beside or column.protocol, protocols) for column in card.columns if column.honest]
        wanted = {found[0] for found in places if found}
    else:
        wanted = {card.protocol} if card.protocol else set(protocols)
    return [protocol for protocol in study if protocol in wanted]
