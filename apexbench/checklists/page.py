"""Checklists as a page of Markdown."""

from collections.abc import Mapping, Sequence

from apexbench.checklists import Item, neurips, reforms
from apexbench.checklists.records import Records

_OPEN = "open: "


def page(records: Records) -> str:
    """Return both checklists of a study, with an `open:` line wherever an author has something to say."""
    parts = [f"# Checklists of study `{records.name}`", ""]
    parts += ["Filled from the records of the study. Lines that begin with **open** are for the author to fill.", ""]
    said: dict[str, str] = {}
    for checklist in (reforms, neurips):
        parts += [f"## {checklist.TITLE}", "", *_modules(checklist.SHORT, checklist.MODULES, records, said)]
    return "\n".join(parts)


def _modules(short: str, modules: Mapping[str, Sequence[Item]], records: Records, said: dict[str, str]) -> list[str]:
    lines = []
    for module, items in modules.items():
        lines += [f"### {module}", ""] if module else []
        for item in items:
            lines += [f"**{item.number} {item.title}**", "", *map(_line, answers(item, records, said, short)), ""]
    return lines


def answers(item: Item, records: Records, said: dict[str, str], short: str) -> list[str]:
    """Return the lines of an item: what is on record, then what is open; of neither, that nothing is on record.

    said : {fact: where it stands already}, which this adds to: no fact is told twice, items point to it.
    """
    facts, elsewhere = [], []
    for name in item.facts:
        if name in said:
            elsewhere.append(said[name])
        elif lines := getattr(records, name)():
            facts += lines
            said[name] = f"{short} {item.number}"
    facts += [f"see {', '.join(dict.fromkeys(elsewhere))}"] if elsewhere else []
    return [*dict.fromkeys(facts), *([_OPEN + item.open] if item.open else [])] or [f"{_OPEN}nothing is on record"]


def _line(text: str) -> str:
    return f"- **open:** {text.removeprefix(_OPEN)}" if text.startswith(_OPEN) else f"- {text}"
