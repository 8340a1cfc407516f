"""Classes that are found by the name of their file, `my-method` in `my_method.py`, and values checked for them."""

import importlib
import inspect
import pkgutil
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from apexbench.errors import InputError, nearest


def module_names(path: Iterable[str], but: Collection[str] = ()) -> list[str]:
    """Return the names of the modules of a package, without importing them."""
    return sorted(name.replace("_", "-") for name in _listed(tuple(path)) if name not in but)


@cache  # a study asks some hundred times, and each look lists the folder
def _listed(path: tuple[str, ...]) -> list[str]:
    return [module.name for module in pkgutil.iter_modules(path)]


def class_named(name: str, known: Collection[str], package: str, base: type, what: str) -> type:
    """Return the one class of a package's module that derives from `base`.

    Raises InputError with the nearest name if `name` is not `known`, and if the module has none or several.
    """
    if name not in known:
        raise InputError(f"unknown {what} {name!r}; {nearest(name, known)}")
    return _only_class(importlib.import_module(f"{package}.{name.replace('-', '_')}"), base)


@cache
def _only_class(module: ModuleType, base: type) -> type:
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, base) and member.__module__ == module.__name__ and not member.__name__.startswith("_")
    ]
    if len(found) != 1:
        raise InputError(f"{module.__file__}: expected one {base.__name__} class, found {len(found)}")
    return found[0]


def checked(model: type[BaseModel], values: Mapping[str, Any], where: str, what: str) -> Any:
    """Return values as `model`; InputError, a line for each mistake, which `where` begins and `what` calls a value."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name, text = ".".join(map(str, item["loc"])), item["msg"].removeprefix("Value error, ")
            if not name:
                lines.append(f"{where}: {text}")
            elif item["type"] == "extra_forbidden":
                lines.append(f"{where}: unknown {what} {name!r}; {nearest(name, model.model_fields)}")
            else:
                lines.append(f"{where}: {what} {name!r}: {text}; found {item['input']!r}")
        raise InputError("\n".join(lines)) from None
