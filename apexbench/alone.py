"""Tables by themselves: `tables/<table>` and `papers/<paper>` make a study of what these tables show, and no more.

Its runs are found by their keys like those of any study, so what another study has trained is not trained again.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apexbench.config.tables import Table
from apexbench.errors import InputError, nearest
from apexbench.project import Project, load_project
from apexbench.tables.places import needed, places_of

TARGETS = ("tables/", "papers/")


def asked_alone(targets: Iterable[str]) -> list[str]:
    """Return the targets that name tables or papers; InputError if there are others beside them.

    >>> asked_alone(["tables/memix-k", "papers/aman"]), asked_alone(["all"])
    (['papers/aman', 'tables/memix-k'], [])
    """
    targets = sorted(targets)
    alone = [target for target in targets if target.startswith(TARGETS)]
    others = [target for target in targets if target not in alone]
    if alone and others:
        raise InputError(
            f"{', '.join(alone)}: makes a study of its own, so {', '.join(others)} cannot be made with it; give two "
            f"commands"
        )
    return alone


def papers(names: Iterable[str]) -> dict[str, list[str]]:
    """Return {paper: its tables}: those whose names begin with it.

    >>> papers(["memix-k", "memix-alpha", "leaderboard"])
    {'memix': ['memix-k', 'memix-alpha']}
    """
    found: dict[str, list[str]] = {}
    for name in names:
        paper, hyphen, _ = name.partition("-")
        if hyphen:
            found.setdefault(paper, []).append(name)
    return found


def tables_of(target: str, names: Sequence[str]) -> list[str]:
    """Return the tables that a target names, of all `names` that there are; InputError with the nearest name."""
    kind, _, name = target.partition("/")
    known = {"tables": {table: [table] for table in names}, "papers": papers(names)}
    if kind not in known:
        raise InputError(f"field 'only': {target!r}: expected tables/<table> or papers/<paper>")
    if name not in known[kind]:
        raise InputError(f"{target}: no such {kind[:-1]}; {nearest(name, known[kind])}")
    return known[kind][name]


def alone(
    settings: Mapping[str, Any],
    only: Sequence[str] | str,
    root: str | os.PathLike,
    origin: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the settings of a study of what some tables show, its name that of the study and of the tables.

    Budget, seeds, source and all else are those of `settings`. A table of the study's own runs (the leaderboard, the
    data) has all of them; one whose card names its rows has these under the protocols that their cards name.
    """
    only = [only] if isinstance(only, str) else only
    project = load_project(settings, root, origin)
    names = [table for target in only for table in tables_of(target, project.names("tables"))]
    tables = {name: project.table(name) for name in dict.fromkeys(names)}
    protocols: dict[str, None] = {}  # on whose leaderboards, comparisons and counts runs stand
    pairs: dict[tuple[str, str], None] = {}
    for card in tables.values():
        if card.kind != "published":
            protocols |= dict.fromkeys(_studied(card, project))
        pairs |= dict.fromkeys(_shown(card, project))
    runs = list(dict.fromkeys(run for run, _ in pairs))
    printed = [protocol for card in tables.values() for protocol in _printed_under(card, project)]
    return {
        **settings,
        "study": re.sub(r"[^\w-]", "-", "-".join([project.settings.study, *(target.split("/")[1] for target in only)])),
        "protocols": list(protocols),
        "table_protocols": [name for name in dict.fromkeys(printed) if name not in protocols],
        "methods": runs,
        "table_methods": [],
        "leave_out": {p: [run for run in runs if (run, p) not in pairs] for p in protocols},
        "tables": list(tables),
        "only": list(only),
    }


def _printed_under(card: Table, project: Project) -> list[str]:
    if card.kind == "data":
        return list(project.settings.table_protocols)
    return needed(card, project.protocols, project.protocols) if card.kind == "published" else []


def _shown(card: Table, project: Project) -> list[tuple[str, str]]:
    """(run, protocol) of all that a table shows."""
    if card.kind == "published":
        return list(places_of(card, project.protocols))
    if card.kind == "data":
        return []
    studied = _studied(card, project)
    if named := _named(card):
        return [(run, protocol) for protocol in studied for run in named]
    shown = [run for run, its in project.methods.items() if its.leaderboard]
    return [(run, protocol) for protocol in studied for run in shown if not project.left_out(protocol, run)]


def _named(card: Table) -> list[str]:
    return list(dict.fromkeys([*card.rows, *filter(None, [card.reference])]))


def _studied(card: Table, project: Project) -> list[str]:
    """The study's protocols of a table of our runs; of those for printed tables only what a card of its runs names."""
    if card.protocol:
        return [card.protocol]
    its = project.settings
    runs = (project.methods.get(run) or project.runs_of("config/tables", "rows", run)[1][run] for run in _named(card))
    wanted = {protocol for run in runs for protocol in run.protocols or its.protocols} or {*its.protocols}
    return [protocol for protocol in dict.fromkeys([*its.protocols, *its.table_protocols]) if protocol in wanted]
