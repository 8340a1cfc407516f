"""study.json of a bundle: which files make which scores, and what tables say of the study."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from pydantic import Field

from apexbench.config.datasets import DatasetCard
from apexbench.config.methods import MethodCard
from apexbench.config.model import Model, check_name, read_yaml, validate
from apexbench.config.protocols import ProtocolCard
from apexbench.config.tables import Table
from apexbench.errors import InputError
from apexbench.sharing.archive import Bundle
from apexbench.store.parquet import read_columns

STUDY = "study.json"
BOTH = " and "  # between the budgets of bundles that were merged
_CLASSES = 100
_FILE = re.compile(r"predictions/([^/]+)/([^/]+)/([^/]+)/seed(\d{1,18})/(inner\d+-)?folds\d+-\d+\.parquet")
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
    table_methods: tuple[str, ...] = ()
    """Runs that only printed tables show."""
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


def record_in(content: bytes | Path) -> dict[str, Any]:
    """Return what a predictions file says of its training."""
    source = content if isinstance(content, Path) else pyarrow.BufferReader(content)
    return json.loads(pyarrow.parquet.read_schema(source).metadata[b"apexbench"])


def training_record(bundle: Bundle, name: str) -> dict[str, Any]:
    """Return what a predictions file of a bundle says of its training; InputError names one that is damaged."""
    try:
        its = record_in(bundle.path(name))
        if not isinstance(its, dict):
            raise ValueError("its record has no keys")
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:  # pyarrow's are OSError or ValueError
        raise InputError(f"{bundle.name}: {name}: a damaged predictions file ({error})") from None
    return its


def read_record(bundle: Bundle) -> Record:
    """Read study.json.

    Raises InputError, naming the field, for what it cannot hold, and for what its predictions do not bear out: the
    protocol, run, key and seed that their paths have, the budget and the kind of clips that they record.
    """
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
        if (set(scored.card.datasets) <= set(its.real)) != (scored.source == "licensed"):
            there = ", ".join(its.real) or "no data set"
            raise InputError(f"{place}: field 'protocols.{protocol}.source': {scored.source!r}, but 'real' has {there}")
        if len(scored.card.classes) > _CLASSES:
            raise InputError(f"{place}: field 'protocols.{protocol}.card.classes': more than {_CLASSES}")
        named = {run for runs in its.compared.values() for run in runs}
        unknown = sorted({*scored.runs, *scored.inner, *named} - {*its.methods})
        unknown += sorted({*its.methods} - {*scored.runs})
        if unknown:
            where = f"{place}: field 'protocols.{protocol}.runs'"
            raise InputError(f"{where}: {unknown[0]!r} has to stand here and in 'methods'")
        if lacking := sorted(run for run, files in scored.runs.items() if files and run not in scored.keys):
            raise InputError(f"{place}: field 'protocols.{protocol}.keys': no key of run {lacking[0]!r}")
        for field, run, name in _files(scored):
            _check_file(bundle, its, protocol, field, run, name)
    return its


def _files(scored: Scored) -> Iterator[tuple[str, str, str]]:
    """Yield field, run and name of every predictions file of a protocol."""
    for field in ("runs", "inner"):
        for run, names in getattr(scored, field).items():
            yield from ((field, run, name) for name in names)


def _check_file(bundle: Bundle, its: Record, protocol: str, field: str, run: str, name: str) -> None:
    """Raise InputError for a predictions file that study.json says something else of than its path and its record."""
    path, place = bundle.path(name), f"{bundle.name}: {STUDY}: field"
    found = _FILE.fullmatch(name)
    if found is None or found.groups()[:2] != (protocol, run) or bool(found[5]) != (field == "inner"):
        raise InputError(f"{place} 'protocols.{protocol}.{field}.{run}': {name} holds no such predictions")
    scored, said, seed = its.protocols[protocol], training_record(bundle, name), int(found[4])
    if scored.keys.get(run) != found[3]:
        raise InputError(f"{place} 'protocols.{protocol}.keys.{run}': {scored.keys.get(run)!r}, but there is {name}")
    if seed not in its.seeds:
        raise InputError(f"{place} 'seeds': {', '.join(map(str, its.seeds))}, but there is {name}")
    for what, wanted in (("source", (scored.source,)), ("budget", its.budget.split(BOTH))):
        theirs = said.get({"source": "data_source"}.get(what, what))
        if theirs not in wanted:
            where = f"protocols.{protocol}.source" if what == "source" else what
            raise InputError(f"{place} {where!r}: {' or '.join(wanted)}, but {name} says {theirs!r}")
    try:
        seeds = set(read_columns(path, ["seed"])["seed"].unique().to_pylist())
    except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
        raise InputError(f"{bundle.name}: {name}: a damaged predictions file ({error})") from None
    if seeds - {seed}:
        raise InputError(f"{bundle.name}: {name}: has predictions of other seeds than {seed}; bundle it anew")


def read_bundled(bundle: Bundle, name: str) -> Any:
    """Read a YAML file of a bundle; InputError names the bundle, not the folder that it was unpacked into."""
    try:
        return read_yaml(bundle.path(name))
    except InputError as error:
        raise InputError(str(error).replace(f"{bundle.folder}/", f"{bundle.name}: ")) from None


def _card(bundle: Bundle, name: str, model: type[Model]) -> Any:
    return validate(model, read_bundled(bundle, name), Path(f"{bundle.name}: {name}"))


def method_card(bundle: Bundle, run: str) -> MethodCard:
    """Return the card of a run."""
    return _card(bundle, f"cards/methods/{run}.yaml", MethodCard)


def table_card(bundle: Bundle, table: str) -> Table:
    """Return the card of a table, what it names looked up."""
    return _card(bundle, f"cards/tables/{table}.yaml", Table)


def entries_of(bundle: Bundle, name: str) -> dict[str, Any]:
    """Return the entries of a file of a bundle's configuration."""
    found = read_bundled(bundle, name)
    if not isinstance(found, dict):
        raise InputError(f"{bundle.name}: {name}: expected one entry for each name")
    return found


def _entries(bundle: Bundle, name: str, model: type[Model]) -> dict[str, Any]:
    cards = entries_of(bundle, name)
    return {key: validate(model, card, Path(f"{bundle.name}: {name}: {key}")) for key, card in cards.items()}


def protocol_cards(bundle: Bundle) -> dict[str, ProtocolCard]:
    """Return the protocols that the study and its tables name, with the official counts."""
    return _entries(bundle, "config/protocols.yaml", ProtocolCard)


def dataset_cards(bundle: Bundle) -> dict[str, DatasetCard]:
    """Return the data sets of the study."""
    return _entries(bundle, "config/datasets.yaml", DatasetCard)
