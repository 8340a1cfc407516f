"""The files of the code that a page names: of a method, its networks, the extractors of its features."""

import ast
import inspect
from pathlib import Path
from typing import Any

from apexbench.code_hash import Code
from apexbench.config.methods import MethodCard
from apexbench.config.recipes import Recipes
from apexbench.features import find as find_extractor
from apexbench.methods import Method

HERE = Path(__file__).resolve().parents[2]
_PLUMBING = {"apexbench.methods.base", "apexbench.methods.deep", "apexbench.methods.mixing.mixable"}


def modules_of(kind: type[Method]) -> list:
    """Return the modules of a method and of the methods that it derives from, but for what all methods share."""
    modules = dict.fromkeys(inspect.getmodule(base) for base in kind.__mro__)
    names = "apexbench.methods."
    return [one for one in modules if one.__name__.startswith(names) and one.__name__ not in _PLUMBING]


def networks_of(kind: type[Method], code: Code) -> list[tuple[Path, str]]:
    """Return (file, docstring) of each module of networks/ that a method imports; none of them is imported here."""
    found = code.files_of(kind.__module__)
    files = [file for file in found if file.parent.name == "networks" and file.stem != "__init__"]
    own = kind.__module__.rpartition(".")[2]
    return [(file, _docstring(file)) for file in sorted(files, key=lambda file: (file.stem != own, file.stem))]


def extractors_of(card: MethodCard, recipes: Recipes) -> list[tuple[Path, str]]:
    """Return (file, docstring) of the extractors of all features that a card names."""
    features = recipes.features
    names = dict.fromkeys(features[one].extractor for one in card.recipes().values() if one in features)
    files = [Path(inspect.getfile(find_extractor(name))) for name in names]
    return [(file, _docstring(file)) for file in files]


def link_to(module: Any) -> str:
    """Return a link from a page to a module, or to the file of one."""
    file = module if isinstance(module, Path) else Path(inspect.getfile(module))
    path = file.resolve().relative_to(HERE)
    return f"[{path.relative_to('apexbench').as_posix()}](../../{path.as_posix()})"


def _docstring(file: Path) -> str:
    return ast.get_docstring(ast.parse(file.read_bytes())) or ""
