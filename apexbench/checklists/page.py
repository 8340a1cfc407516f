"""Checklists as a page of Markdown."""

from collections.abc import Mapping, Sequence

from apexbench.checklists import Item, neurips, reforms
from apexbench.checklists.records import Records

_OPEN = "open: "


def page(records: Records) -> str:
    """Return both checklists of a study, with an `open:` line wherever an author has something to say."""
    parts = [f"# Checklists of study `{records.name}`", ""]
    parts += ["Filled from the records of the study. Lines that begin with **open** are for the author to fill.", ""]
    for checklist in (reforms, neurips):
        parts += _checklist(checklist.TITLE, checklist.MODULES, records)
    return "\n".join(parts)


def _checklist(title: str, modules: Mapping[str, Sequence[Item]], records: Records) -> list[str]:
    lines = [f"## {title}", ""]
    for module, items in modules.items():
        lines += [f"### {module}", ""] if module else []
        for item in items:
            lines += [f"**{item.number} {item.title}**", "", *map(_line, answers(item, records)), ""]
    return lines


def answers(item: Item, records: Records) -> list[str]:
    """Return the lines of an item: what is on record, then what is open; of neither, that nothing is on record."""
    facts = list(dict.fromkeys(line for name in item.facts for line in getattr(records, name)()))
    return [*facts, *([_OPEN + item.open] if item.open else [])] or [f"{_OPEN}nothing is on record"]


def _line(text: str) -> str:
    return f"- **open:** {text.removeprefix(_OPEN)}" if text.startswith(_OPEN) else f"- {text}"
