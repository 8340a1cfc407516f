"""The files under config/ that hold many entries, and the JSON schemas of all kinds."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from apexbench.config.datasets import DatasetCard, Repair
from apexbench.config.methods import MethodCard
from apexbench.config.model import Model, check_name, descriptions, read_yaml, validate
from apexbench.config.protocols import ProtocolCard
from apexbench.config.recipes import Recipes
from apexbench.config.settings import Settings
from apexbench.config.submissions import SubmissionCard
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
    kinds |= {"submission": SubmissionCard}
    texts = {name: _schema(model) for name, model in kinds.items()}
    # a study's own file says only what differs
    texts["study"] = {key: value for key, value in texts["settings"].items() if key != "required"}
    for name, model in several.items():
        schema = _schema(model)
        definitions = schema.pop("$defs", {})
        texts[name] = {"type": "object", "additionalProperties": schema, "$defs": definitions}
    return {name: json.dumps(schema, indent=1, sort_keys=True) + "\n" for name, schema in texts.items()}


def _schema(model: type[Model]) -> dict[str, Any]:
    """The JSON schema of a model, with the string below each of its fields, and of the models inside of it."""
    schema = model.model_json_schema()
    inside = {kind.__name__: kind for kind in _derived(Model)}
    for kind, part in [(model, schema), *((inside[name], part) for name, part in schema.get("$defs", {}).items())]:
        for field, text in descriptions(kind).items():
            part["properties"][field]["description"] = text
    return schema


def _derived(model: type[Model]) -> Iterator[type[Model]]:
    for kind in model.__subclasses__():
        yield kind
        yield from _derived(kind)


BEGIN, END = "<!-- settings: written by `apexbench schemas` -->", "<!-- /settings -->"


def settings_table() -> str:
    """Return the keys of config.yaml as a Markdown table: key, default, meaning."""
    lines = ["| key | default | what it means |", "|:--|:--|:--|"]
    meanings = descriptions(Settings)
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else f"`{json.dumps(field.default)}`"
        says = " ".join(meanings.get(name, "").split()).replace("<", "&lt;").replace("|", r"\|")
        lines.append(f"| `{name}` | {default} | {says} |")
    return "\n".join(lines)


def settings_page(page: str, path: str | os.PathLike) -> str:
    """Return the text of config/README.md with its table anew; InputError where its two marks are not there once."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise InputError(f"{path}: expected one line {BEGIN!r} and below it one line {END!r}; the table stands between")
    before, after = page[: page.index(BEGIN)], page[page.index(END) :]
    return f"{before}{BEGIN}\n\n{settings_table()}\n\n{after}"
