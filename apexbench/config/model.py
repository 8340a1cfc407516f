"""What all cards share: the base model, messages that name file and field, YAML, and a stable hash."""

import ast
import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from apexbench.errors import InputError, nearest

Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]  # 96 and "96"


class Model(BaseModel):
    """Base of all cards: unknown keys are refused, values cannot change afterwards.

    The string below a field is what editors show of it (`descriptions`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return {field: the string below it}, of what a model inherits too.

    pydantic reads them as well, but then at every start: a twentieth of that of a study.
    """
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if issubclass(kind, BaseModel) and kind is not BaseModel:
            body = ast.parse(inspect.getsource(kind)).body[0].body
            for field, text in pairwise(body):
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                    found[field.target.id] = inspect.cleandoc(text.value.value)
    return found


def _path(value: Any, location: tuple, missing: bool) -> list:
    """The part of a pydantic location that stands in the file: without the names of the alternatives it tried."""
    path = []
    for place, part in enumerate(location, 1):
        listed = isinstance(value, list | tuple) and isinstance(part, int)
        if listed or (isinstance(value, Mapping) and part in value):
            value = value[part]
        elif not (missing and place == len(location)):
            continue
        path.append(part)
    return path


def _keys(model: Any, path: list) -> list[str]:
    """The keys that the card inside `model` at `path` knows; none where anything goes."""
    for part in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[part].annotation
        else:
            model = (get_args(model) or (None,))[-1]
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _complaint(
    error: ValidationError, file: Path, model: type[BaseModel], value: Any, origin: Mapping[str, str]
) -> InputError:
    lines: dict[str, list[str]] = {}  # alternatives of one field make one line
    found = {}
    for item in error.errors():
        path = _path(value, item["loc"], item["type"] == "missing")
        field = f"{origin.get(path[0], file) if path else file}: "
        field += f"field {'.'.join(map(str, path))!r}: " if path else ""
        if item["type"] == "extra_forbidden":
            text = f"unknown key; {nearest(str(path[-1]), _keys(model, path[:-1]))}"
        elif item["type"] == "missing":
            text = "missing"
        else:
            text = item["msg"].removeprefix("Value error, ")
            if path:
                found[field] = f"; found {item['input']!r}"
        lines.setdefault(field, []).append(text)
    return InputError(
        "\n".join(f"{field}{', or: '.join(texts)}{found.get(field, '')}" for field, texts in lines.items())
    )


def validate(model: type[Model], value: Any, file: Path, origin: Mapping[str, str] | None = None) -> Any:
    """Return `value` as `model`, or raise an InputError with a line for each wrong field of `file`.

    origin : {key: its file} of keys that came from elsewhere.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{file}: expected keys and values, found {type(value).__name__}")
    try:
        return model.model_validate(dict(value))
    except ValidationError as error:
        raise _complaint(error, file, model, value, origin or {}) from None


# libyaml's parser, a tenth of the time, where PyYAML was built with it
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML 1.2 in one point: true and false are booleans, the words on, off, yes and no are texts, so keys, too."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:bool"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


NAME = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_.+-]*")
_DEEPEST, _NODES, _BYTES = 40, 200_000, 10 * 2**20  # our largest file has 12 levels, 5000 values and 100 KB
_SCRIPT = re.compile(r"<(?:/?script|!--)", re.IGNORECASE)


def check_name(name: Any, where: str) -> None:
    """Raise an InputError for a name that could not be that of a file.

    >>> check_name("casme2-3", "config/protocols.yaml")
    """
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise InputError(f"{where}: {name!r} is a name: letters, digits and _ . + - only, no . or - first; rename it")


def read_yaml(path: Path) -> Any:
    """Read one YAML file; a syntax error names file, line and column.

    Raises InputError too for what is no file, for keys that stand twice, of which YAML's parser would keep the last,
    and for what would not end: levels or aliases without number.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: expected a file, found a folder or a pipe")
        if path.stat().st_size > _BYTES:
            raise InputError(f"{path}: {path.stat().st_size >> 20} MB; a card is smaller")
        text = path.read_text(encoding="utf-8")
        _check_events(text, path)
        return yaml.load(text, _Loader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"{path}{place}: not valid YAML ({getattr(error, 'problem', error)})") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8 ({error})") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:  # of !!int and others
        raise InputError(f"{path}: not valid YAML ({error})") from None


@dataclass
class _Open:
    """A list or a mapping that is not read to its end; `before` values stand before it.

    Of a mapping `keys` has the lines of those that were read, and `at_key` says whether a key comes next.
    """

    anchor: str | None
    before: int
    keys: dict[str, int] | None
    at_key: bool = True


def _check_events(text: str, path: Path) -> None:
    """Raise an InputError for too many levels or values, aliases spelt out, for keys that stand twice, or for what ends
    a script of the report."""
    sizes: dict[str, int | None] = {}  # of what an anchor names; None while it is open
    within: list[_Open] = []
    count = 0

    def refuse(event: yaml.Event, what: str) -> InputError:
        return InputError(f"{path}, line {event.start_mark.line + 1}: {what}")

    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.NodeEvent) and within and within[-1].keys is not None:
            if within[-1].at_key and isinstance(event, yaml.ScalarEvent):
                if (first := within[-1].keys.get(event.value)) is not None:
                    raise refuse(event, f"key {event.value!r} stands twice, first in line {first}; keep one of them")
                within[-1].keys[event.value] = event.start_mark.line + 1
            within[-1].at_key = not within[-1].at_key
        if isinstance(event, yaml.CollectionStartEvent):
            within.append(_Open(event.anchor, count, {} if isinstance(event, yaml.MappingStartEvent) else None))
            if event.anchor:
                sizes[event.anchor] = None
            if len(within) > _DEEPEST:
                raise refuse(event, f"more than {_DEEPEST} levels; a card has fewer")
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = within.pop()
            if ended.anchor:
                sizes[ended.anchor] = count - ended.before
        elif isinstance(event, yaml.ScalarEvent):
            if event.anchor:
                sizes[event.anchor] = 1
            if _SCRIPT.search(event.value):
                raise refuse(event, "<script, </script and <!-- would break the report; write it without <")
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor, 0)
            if size is None:
                raise refuse(event, f"*{event.anchor} stands inside of what it names")
            count += size
        count += isinstance(event, yaml.NodeEvent)
        if count > _NODES:
            raise refuse(event, f"more than {_NODES} values, its aliases spelt out; a card has fewer")


def digest(value: Any) -> str:
    """Return a short stable hash of a JSON-able value or a card."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]
