"""What Snakemake 9 does anew for each job although the answer is the same for all of a rule: here once.

That is a third of the time of a large DAG. No decision of Snakemake's changes. All of it are private parts: where a
version has another of them, nothing is replaced there, and Snakemake goes its own way.
"""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

_PATHS = 1000  # whose rules are remembered: the inputs that many jobs share are far fewer


def script_once(process_job: Callable) -> Callable:
    """Return a method of `ScriptProcessor` that looks once for the script of a rule, unless its name has wildcards."""

    def process(self, job) -> None:
        script = getattr(job.rule, self.script_type, None)
        if script is None or "{" in str(script):
            return process_job(self, job)
        there = self.__dict__.setdefault("_scripts_there", set())
        if job.rule not in there:
            process_job(self, job)
            there.add(job.rule)

    return process


def producers_once(match_producers: Callable) -> Callable:
    """Return a method of `OutputIndex` that finds the rules which make a path once, however many jobs read it."""

    def match(self, targetfile: str) -> set:
        found = self.__dict__.setdefault("_producers_found", {})
        if targetfile not in found:
            if len(found) >= _PATHS:
                found.clear()
            found[targetfile] = match_producers(self, targetfile)
        return set(found[targetfile])

    return match


def environment_once(expand: Callable, not_yet: object) -> Callable:
    """Return the getter of a job's `conda_env_spec`, which works out parameters only while its rule has no answer."""

    def asked(self):
        known = getattr(self.rule, "_expanded_conda_env", not_yet)
        return expand(self) if known is None or known is not_yet else known

    return asked


def one_of_a_name(new: Callable) -> Callable:
    """Return `__new__` of `AttributeGuard`: two stand in each list of paths, and hold nothing but their name."""
    made: dict[str, Any] = {}

    def shared(cls, name=None):
        if name is None:  # a copy, whose name comes afterwards
            return new(cls)
        if name not in made:
            made[name] = new(cls)
        return made[name]

    return shared


def spare() -> list[str]:
    """Put all of it in place, and return the names of what was replaced."""
    if _part("snakemake", "__version__").partition(".")[0] != "9":
        return []
    replaced = [
        _replace("snakemake.dag", "ScriptProcessor", "process_job", script_once, "self", "job"),
        _replace("snakemake.output_index", "OutputIndex", "match_producers", producers_once, "self", "targetfile"),
    ]
    guard, job, rule = (
        _part(f"snakemake.{module}", name)
        for module, name in (("iocontainers", "AttributeGuard"), ("jobs", "Job"), ("rules", "Rule"))
    )
    if _takes(getattr(guard, "__init__", None), "self", "name") and guard.__new__ is object.__new__:
        guard.__new__ = one_of_a_name(object.__new__)
        replaced.append("AttributeGuard.__new__")
    spec, not_yet = getattr(job, "conda_env_spec", None), _part("snakemake.rules", "_NOT_CACHED")
    if isinstance(spec, property) and not_yet is not None and "expand_conda_env" in vars(rule):
        job.conda_env_spec = property(environment_once(spec.fget, not_yet))
        replaced.append("Job.conda_env_spec")
    return list(filter(None, replaced))


def _part(module: str, name: str) -> Any:
    """A name of a module; None where there is none."""
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def _takes(function: Any, *names: str) -> bool:
    return inspect.isfunction(function) and list(inspect.signature(function).parameters) == list(names)


def _replace(module: str, owner: str, name: str, wrap: Callable, *takes: str) -> str:
    """Replace a method whose arguments are those that `wrap` expects; return its name, or nothing."""
    kind = _part(module, owner)
    method = getattr(kind, name, None)
    if not _takes(method, *takes):
        return ""
    setattr(kind, name, wrap(method))
    return f"{owner}.{name}"
