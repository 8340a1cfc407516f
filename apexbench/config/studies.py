"""config/studies/<study>.yaml: what a study sets otherwise than config/config.yaml, and where each value came from.

A value of a later file, or of the command line, replaces the earlier one whole; see `over` for the one thing more.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from apexbench.config.model import check_name, read_yaml
from apexbench.errors import InputError, nearest

CONFIG = "config/config.yaml"
FOLDER = Path("config/studies")
TYPED = "--config"  # where a value came from that stands in no file
ALL = "all"
_BESIDE = {"protocols": "table_protocols", "methods": "table_methods"}


def study_names(root: str | os.PathLike = ".") -> list[str]:
    """Return the names of the studies that have a file."""
    return sorted(path.stem for path in (Path(root) / FOLDER).glob("*.yaml"))


def saved_names(root: str | os.PathLike = ".") -> list[str]:
    """Return the names of the studies that were run, and so saved."""
    return sorted(path.parent.name for path in Path(root).glob("results/*/study.yaml"))


def saved_file(name: str) -> Path:
    """Return where a study is saved as it was last run."""
    return Path("results") / name / "study.yaml"


def default_name(root: str | os.PathLike = ".") -> str:
    """Return the name of the study of config/config.yaml."""
    return str(_keys(Path(root) / CONFIG, CONFIG).get("study", ""))


def study_file(name: str, saved_first: bool = False) -> Path | None:
    """Return the file of a study: its own in config/studies, or as it was run; None for the study of config.yaml.

    With `saved_first` the study as it was run goes before its file. Raises InputError for a study that has neither.
    """
    check_name(name, f"study {name!r}")
    own, saved, default = FOLDER / f"{name}.yaml", saved_file(name), name == default_name()
    if saved_first and saved.is_file():
        return saved
    if default and not own.is_file():
        return None
    for file in (own, saved):
        if file.is_file():
            return file
    known = {*study_names(), *saved_names(), default_name()}
    raise InputError(
        f"{own}: no such file, and no {saved} of an earlier run; {nearest(name, known)}. A new study is a file there, "
        f"with those keys of {CONFIG} that differ"
    )


def as_it_was_run(name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the settings of a study, and where each came from: as it was run, else as its file says."""
    file = study_file(name, saved_first=True)
    return merged([CONFIG], [file] if file else [], {})


def _keys(path: Path, shown: str) -> dict[str, Any]:
    values = read_yaml(path)
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        raise InputError(f"{shown}: expected keys and values, as in {CONFIG}; found {type(values).__name__}")
    return dict(values)


def merged(
    base: Iterable[str | os.PathLike], files: Iterable[str | os.PathLike], typed: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the settings of a study, and {key: file, or `--config`} of where each came from.

    Raises InputError for a study's file that is named like another study, or names another one.

    Parameters
    ----------
    base : config/config.yaml.
    files : further ones, the later outdoes the earlier.
    typed : what the command line sets, which outdoes all.
    """
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for place, file in [*((CONFIG, file) for file in base), *(("", file) for file in files)]:
        shown = place or _shown(file)
        its = _keys(Path(file), shown)
        if not place and Path(shown).parent == FOLDER:
            its = _named(its, shown, values.get("study"))
        its = over(values, its)
        values |= its
        origin |= dict.fromkeys(its, shown)
    its = over(values, typed)
    return {**values, **its}, {**origin, **dict.fromkeys(its, TYPED)}


def over(below: Mapping[str, Any], its: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file sets over the values `below` it, with what follows from that.

    Whoever lists methods means these and no more: those that stand beside them for printed tables go with the list that
    is replaced, unless the file has others. `all` are those of both lists. So it is with protocols.

    >>> over({"methods": ["a"], "table_methods": ["b"]}, {"methods": ["c"]})
    {'methods': ['c'], 'table_methods': []}
    >>> over({"methods": ["a"], "table_methods": ["b"]}, {"methods": "all"})
    {'methods': ['a', 'b'], 'table_methods': []}
    """
    its = dict(its)
    for key, beside in _BESIDE.items():
        if its.get(key) in (ALL, [ALL]):
            its[key] = [*_listed(below.get(key)), *_listed(below.get(beside))]
        if key in its and below.get(beside):
            its.setdefault(beside, [])
    return its


def _listed(value: Any) -> list:
    return [value] if isinstance(value, str) else list(value or ())


def _named(values: dict[str, Any], shown: str, default: str | None) -> dict[str, Any]:
    """A study's values with its file's name as its own."""
    name = Path(shown).stem
    if values.get("study", name) != name:
        raise InputError(f"{shown}: field 'study': {values['study']!r}, but a study is named as its file; leave it out")
    if name == default:
        raise InputError(f"{shown}: {name!r} is the study of {CONFIG}, whose results it would replace; rename the file")
    return values | {"study": name}


def _shown(file: str | os.PathLike) -> str:
    """A file as messages name it: from the working directory, if it lies there."""
    path = Path(file).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
