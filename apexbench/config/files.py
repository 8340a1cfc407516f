"""The files under config/ that hold many entries, and the JSON schemas of all kinds."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apexbench.config.datasets import DatasetCard, Repair
from apexbench.config.methods import MethodCard
from apexbench.config.model import Model, check_name, read_yaml, validate
from apexbench.config.protocols import ProtocolCard
from apexbench.config.recipes import Recipes
from apexbench.config.settings import Settings
from apexbench.config.tables import Convention, Paper, TableCard
from apexbench.errors import InputError


def read_entries(folder: Path, name: str, model: type[Model]) -> dict[str, Any]:
    file = Path("config") / name
    cards = read_yaml(folder / name)
    if not isinstance(cards, Mapping):
        raise InputError(f"{file}: expected one entry for each name")
    checked = {}
    for key, value in cards.items():
        check_name(key, f"{file}: entry {key!r}")
        try:
            checked[key] = validate(model, value, file)
        except InputError as error:
            raise InputError(str(error).replace("field '", f"entry {key!r}, field '")) from None
    return checked


def read_cards(root: str | os.PathLike) -> tuple[dict[str, DatasetCard], dict[str, ProtocolCard]]:
    """Return the data sets and the protocols under `root`/config; empty if there is no config there."""
    folder = Path(root) / "config"
    if not folder.is_dir():
        return {}, {}
    return read_entries(folder, "datasets.yaml", DatasetCard), read_entries(folder, "protocols.yaml", ProtocolCard)


def read_repairs(root: str | os.PathLike) -> tuple[Repair, ...]:
    """Return the records of `root`/config/repairs.yaml, in file order; none if there is no such file."""
    file = Path("config/repairs.yaml")
    if not (Path(root) / file).is_file():
        return ()
    records = read_yaml(Path(root) / file) or []
    if not isinstance(records, list):
        raise InputError(f"{file}: expected a list of records, found {type(records).__name__}")
    checked = []
    for number, record in enumerate(records, 1):
        try:
            checked.append(validate(Repair, record, file))
        except InputError as error:
            raise InputError(str(error).replace(f"{file}: ", f"{file}: record {number}, ")) from None
    return tuple(checked)


def schemas() -> dict[str, str]:
    """Return the JSON schema of every kind of YAML file, for editors; config/schemas/ holds them."""
    several = {"datasets": DatasetCard, "protocols": ProtocolCard, "conventions": Convention, "papers": Paper}
    kinds = {"settings": Settings, "recipes": Recipes, "method": MethodCard, "table": TableCard}
    texts = {name: model.model_json_schema() for name, model in kinds.items()}
    for name, model in several.items():
        schema = model.model_json_schema()
        definitions = schema.pop("$defs", {})
        texts[name] = {"type": "object", "additionalProperties": schema, "$defs": definitions}
    return {name: json.dumps(schema, indent=1, sort_keys=True) + "\n" for name, schema in texts.items()}
