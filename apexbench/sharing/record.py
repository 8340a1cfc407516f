"""study.json of a bundle: which files make which scores, and what tables say of the study."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from apexbench.config.datasets import DatasetCard
from apexbench.config.methods import MethodCard
from apexbench.config.model import Model, check_name, read_yaml, validate
from apexbench.config.protocols import ProtocolCard
from apexbench.config.tables import Table
from apexbench.errors import InputError
from apexbench.sharing.archive import Bundle

STUDY = "study.json"
_CLASSES = 100
REBUILT = ("leaderboard", "published", "comparisons")
"""Kinds of tables that are made of scores: the others need the index of the clips, or the times of one machine."""


class Scored(Model):
    """What the scores of a protocol are made of."""

    card: ProtocolCard
    """As it was scored: of synthetic clips with their own counts."""
    source: str
    """`licensed` or `synthetic` clips."""
    runs: dict[str, tuple[str, ...]]
    """{run: its predictions files in the bundle}; of one that was not trained there, none."""
    inner: dict[str, tuple[str, ...]] = Field(default={})
    """{run: files of inner predictions}."""
    skipped: dict[str, str] = Field(default={})
    """{run: why it was not trained}."""
    keys: dict[str, str] = Field(default={})
    """{run: hash of all that its predictions depend on}."""
    origins: dict[str, str] = Field(default={})
    """{run: where its predictions come from}."""


class Record(Model):
    """study.json."""

    name: str
    """Of the study."""
    budget: str
    """Of its trainings."""
    seeds: tuple[int, ...]
    """Each run was trained once with each."""
    study_seed: int
    """Of the bootstrap and the null model."""
    real: tuple[str, ...]
    """Data sets that are no synthetic clips."""
    protocols: dict[str, Scored] = Field(min_length=1)
    """In the order of the study."""
    compared: dict[str, tuple[str, ...]]
    """{table: its runs, the reference first}; of "", all of the leaderboard."""
    oracles: tuple[str, ...] = ()
    """Runs that read what true action units have chosen."""
    circular: tuple[str, ...] = ()
    """Runs that read flow of what the same flow has magnified."""
    methods: tuple[str, ...]
    """All runs, in the order of tables; cards/methods has the card of each."""
    tables: dict[str, tuple[str, ...]]
    """{table that is made of scores: protocols that it reads}; cards/tables has the card of each."""
    date: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    """Of the newest scores."""
    licence: str = ""
    """Address of the licence of the results."""
    sources: tuple[str, ...] = ()
    """Of a merged bundle: those that it is of."""

    def origins(self) -> dict[str, str]:
        """Return {run: where its predictions come from}, over all protocols."""
        found: dict[str, dict[str, None]] = {}
        for its in self.protocols.values():
            for run, origin in its.origins.items():
                found.setdefault(run, {})[origin] = None
        return {run: ", ".join(origins) for run, origins in found.items()}


def written(value: Model | dict[str, Any]) -> bytes:
    """Return a JSON file of a card or a mapping."""
    value = value.model_dump(mode="json") if isinstance(value, Model) else value
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def read_record(bundle: Bundle) -> Record:
    """Read study.json; InputError, naming the field, for what it cannot hold."""
    place = Path(f"{bundle.name}: {STUDY}")
    try:
        value = json.loads(bundle.path(STUDY).read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: no JSON ({error})") from None
    its: Record = validate(Record, value, place)
    check_name(its.name, f"{place}: field 'name'")
    for name in (*its.protocols, *its.methods, *its.tables):
        check_name(name, str(place))
    for table, names in its.tables.items():
        for name in set(names) - {*its.protocols}:
            raise InputError(f"{place}: field 'tables.{table}': {name!r} is no protocol of this bundle")
    for protocol, scored in its.protocols.items():
        if len(scored.card.classes) > _CLASSES:
            raise InputError(f"{place}: field 'protocols.{protocol}.card.classes': more than {_CLASSES}")
        named = {run for runs in its.compared.values() for run in runs}
        unknown = sorted({*scored.runs, *scored.inner, *named} - {*its.methods})
        unknown += sorted({*its.methods} - {*scored.runs})
        if unknown:
            where = f"{place}: field 'protocols.{protocol}.runs'"
            raise InputError(f"{where}: {unknown[0]!r} has to stand here and in 'methods'")
        for files in (*scored.runs.values(), *scored.inner.values()):
            for name in files:
                bundle.path(name)
    return its


def _card(bundle: Bundle, name: str, model: type[Model]) -> Any:
    try:
        return validate(model, read_yaml(bundle.path(name)), Path(f"{bundle.name}: {name}"))
    except InputError as error:
        raise InputError(str(error).replace(str(bundle.folder), bundle.name)) from None


def method_card(bundle: Bundle, run: str) -> MethodCard:
    """Return the card of a run."""
    return _card(bundle, f"cards/methods/{run}.yaml", MethodCard)


def table_card(bundle: Bundle, table: str) -> Table:
    """Return the card of a table, what it names looked up."""
    return _card(bundle, f"cards/tables/{table}.yaml", Table)


def _entries(bundle: Bundle, name: str, model: type[Model]) -> dict[str, Any]:
    cards = read_yaml(bundle.path(name))
    if not isinstance(cards, dict):
        raise InputError(f"{bundle.name}: {name}: expected one entry for each name")
    return {key: validate(model, card, Path(f"{bundle.name}: {name}: {key}")) for key, card in cards.items()}


def protocol_cards(bundle: Bundle) -> dict[str, ProtocolCard]:
    """Return the protocols that the study and its tables name, with the official counts."""
    return _entries(bundle, "config/protocols.yaml", ProtocolCard)


def dataset_cards(bundle: Bundle) -> dict[str, DatasetCard]:
    """Return the data sets of the study."""
    return _entries(bundle, "config/datasets.yaml", DatasetCard)
