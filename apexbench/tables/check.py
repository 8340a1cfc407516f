"""Checks what cards say of scores and selection rules against those that there are, before any job runs."""

from collections.abc import Mapping

from apexbench.config.tables import NO_RULE, PRINTED_ONLY, Convention, Table
from apexbench.errors import InputError, nearest
from apexbench.evaluation.selection import RULES
from apexbench.evaluation.tasks import SCORES


def check_scoring(conventions: Mapping[str, Convention], tables: Mapping[str, Table]) -> None:
    """Raise an InputError, naming file and field, for a score or a rule that there is not."""
    for name, convention in conventions.items():
        for metric, scoring in convention.metrics.items():
            if scoring != PRINTED_ONLY:
                where = f"config/conventions.yaml: entry {name!r}, field 'metrics.{metric}"
                _known(f"{where}.honest'", "score", scoring.honest, SCORES)
                if scoring.rule != NO_RULE:
                    _known(f"{where}.rule'", "rule", scoring.rule, RULES)
                _known(f"{where}.as_published'", "score", scoring.as_published or scoring.honest, SCORES)
    for name, table in tables.items():
        for column, score in table.metrics.items():
            _known(f"config/tables/{name}.yaml: field 'metrics.{column}'", "score", score, SCORES)


def _known(where: str, what: str, name: str, known) -> None:
    if name not in known:
        raise InputError(f"{where}: unknown {what} {name!r}; {nearest(name, known)}")
