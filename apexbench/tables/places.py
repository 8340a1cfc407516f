"""Which of our protocols a card's columns stand for. Only cards are read here: the rules ask at every start."""

from collections.abc import Iterable, Iterator, Mapping

from apexbench.config.protocols import ProtocolCard
from apexbench.config.tables import PrintedColumn, Table


def place(name: str, protocols: Mapping[str, ProtocolCard]) -> tuple[str, str] | None:
    """Return (protocol, slice) for the name of a protocol (slice "") or of a slice; None if we have neither."""
    if name in protocols:
        return name, ""
    return next(((protocol, name) for protocol, card in protocols.items() if name in card.slices), None)


def as_scored(card: Table, row: str, column: PrintedColumn) -> PrintedColumn:
    """Return a column as one row is scored; what is printed only stays so."""
    if row not in card.by_row or not column.honest:
        return column
    return column.model_copy(update=card.by_row[row].metrics[column.metric])


def place_of(
    card: Table, row: str, column: PrintedColumn, protocols: Mapping[str, ProtocolCard]
) -> tuple[str, str] | None:
    """Return where our score beside a printed number stands: as the row says, else the column."""
    return place(card.beside.get(row, {}).get(column.protocol) or column.beside or column.protocol, protocols)


def places_of(card: Table, protocols: Mapping[str, ProtocolCard]) -> Iterator[tuple[str, str]]:
    """Yield (run, protocol) of all our scores that a table of another author shows."""
    rows = card.runs | {row: also.run for row, also in card.also.items()}
    for row, run in rows.items():
        for column in card.columns:
            found = place_of(card, row, column, protocols) if as_scored(card, row, column).honest else None
            if found:
                yield run, found[0]


def needed(card: Table, protocols: Mapping[str, ProtocolCard], study: Iterable[str]) -> list[str]:
    """Return the protocols of a study whose files a table reads, in the study's order."""
    if card.kind == "published":
        places = [place(column.beside or column.protocol, protocols) for column in card.columns if column.honest]
        wanted = {found[0] for found in places if found} | {protocol for _, protocol in places_of(card, protocols)}
    else:
        wanted = {card.protocol} if card.protocol else set(protocols)
    return [protocol for protocol in study if protocol in wanted]
