"""Which files a script depends on, and the hash of their code: a rule reruns when its science changes, not its words.

The hash sees code only, as it is compiled. Comments, docstrings, line breaks and messages (what an exception is raised
with, what is logged) are not part of it, so that none of them throws away finished trainings; Python's version is.

What was found in a file is kept beside Python's own compiled files, by the checksum of the file's bytes.

The hashes of a run are those of its beginning. `edited` tells which files of one have other code by now: a job that
reads them would go on record under a hash that is not its own.
"""

import ast
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache, cached_property
from importlib.util import cache_from_source
from pathlib import Path
from types import CodeType

# They check and report: a new key of some card must not retrain anything. What of cards decides on numbers while a job
# runs is no code of theirs: `labels`, `oracles`, `printed`.
_NOT_SCIENCE = {"apexbench.config", "apexbench.errors", "apexbench.jobs"}
_LOGGERS = {"logging", "logger"}
_MOST = 2000  # files whose code is kept: ten times ours, as each edit makes one more
_HASHED: dict[str, tuple["Code", tuple[str, ...]]] = {}  # what each hash of this process is of


def edited(code: str) -> list[Path]:
    """Return the files whose code is no longer what it was when this process made a hash of them; none of other texts.

    Files whose times and size are as they were are not opened.
    """
    own, starts = _HASHED.get(code, (None, ()))
    return own.edited(*starts) if own else []


@cache
def _read(content: bytes) -> tuple[list[str], str]:
    """Return the modules of apexbench that a file's content may import, anywhere in it, and a digest of its code."""
    tree = ast.parse(content)
    names: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    digest = hashlib.sha256()
    _add(digest, compile(tree, "", "exec", dont_inherit=True))
    return sorted(name for name in names if name.split(".")[0] == "apexbench"), digest.hexdigest()


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements inside a node, after taking out what does nothing: docstrings among it, whole logging calls
    and what exceptions are raised with."""
    for block in ("body", "orelse", "finalbody"):
        inside = getattr(node, block, None)
        if isinstance(inside, list):
            kept = [statement for statement in inside if not _says_only(statement)]
            if inside and not kept and block == "body" and not isinstance(node, ast.Module):
                kept = [ast.copy_location(ast.Pass(), inside[0])]
            setattr(node, block, kept)
            for statement in kept:
                if isinstance(statement, ast.Raise) and isinstance(statement.exc, ast.Call):
                    statement.exc.args, statement.exc.keywords = [], []
                yield statement
                yield from _statements(statement)
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield from _statements(part)


def _says_only(statement: ast.stmt) -> bool:
    """Tell whether a statement is a text, a whole call of a logger, or nothing."""
    if not isinstance(statement, ast.Expr):
        return isinstance(statement, ast.Pass)
    value = statement.value
    if isinstance(value, ast.Constant):
        return isinstance(value.value, str)
    function = value.func if isinstance(value, ast.Call) else None
    logger = function.value if isinstance(function, ast.Attribute) else None
    return isinstance(logger, ast.Name) and logger.id in _LOGGERS


def _add(digest, value) -> None:
    """Add to a digest what a compiled constant is: of code all that runs, but no line numbers."""
    if isinstance(value, CodeType):
        facts = (
            value.co_name, value.co_flags, value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount,
            value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars,
        )  # fmt: skip
        digest.update(repr(facts).encode() + value.co_code + value.co_exceptiontable)
        for constant in value.co_consts:
            _add(digest, constant)
    elif isinstance(value, tuple):
        digest.update(f"({len(value)}".encode())
        for item in value:
            _add(digest, item)
    elif isinstance(value, frozenset):  # in another order in every process
        digest.update(repr(sorted(map(repr, value))).encode())
    else:
        digest.update(f"{type(value).__name__}{value!r},".encode())


class Code:
    """The code below `root`, a folder that holds apexbench/, as it is when it is first asked for."""

    def __init__(self, root: str | os.PathLike):
        self._root = Path(root)
        self._seen: dict[str, tuple[Path, list[str], str]] = {}
        self._states: dict[Path, tuple[int, ...]] = {}

    def files_of(self, *starts: str) -> list[Path]:
        """Return the files that `starts` (paths of scripts, or module names) import from apexbench, with themselves.

        Imports inside functions count. Importing a module does not count as importing its package: `from
        apexbench.frames import magnify` depends on all that frames/__init__ names, `from apexbench.frames.magnification
        import magnify` on one file.
        """
        return sorted(self._reached(starts))

    def hash(self, *starts: str) -> str:
        """Return a short hash over the code of `files_of(*starts)`."""
        total = hashlib.sha256()
        for file, digest in sorted(self._reached(starts).items()):
            total.update(f"{file.relative_to(self._root).as_posix()}\0".encode() + bytes.fromhex(digest))
        code = total.hexdigest()[:12]
        _HASHED[code] = self, starts
        return code

    def edited(self, *starts: str) -> list[Path]:
        """Return those of `files_of(*starts)` whose code has changed since it was first asked for, or that are gone."""
        return [file for file, digest in sorted(self._reached(starts).items()) if not self._is_still(file, digest)]

    def _is_still(self, file: Path, digest: str) -> bool:
        try:
            if (state := _state(file)) == self._states[file]:
                return True
            same = self._kept.read(file.read_bytes())[1] == digest
        except (OSError, SyntaxError, ValueError):
            return False
        if same:
            self._states[file] = state
        return same

    def _reached(self, starts: Iterable[str]) -> dict[Path, str]:
        """{file: digest of its code}."""
        waiting, seen = list(starts), set()
        reached = {}
        while waiting:
            name = waiting.pop()
            if name in seen or ".".join(name.split(".")[:2]) in _NOT_SCIENCE:
                continue
            seen.add(name)
            if name not in self._seen:
                self._seen[name] = self._look(name)
            file, imports, reached[file] = self._seen[name]
            waiting += imports
        self._kept.write()
        return reached

    def _look(self, name: str) -> tuple[Path, list[str], str]:
        """The file of a script or module, the modules of ours that it imports, and a digest of its code."""
        file = self._root / name if name.endswith(".py") else self._modules.get(name)
        if file is None:
            raise FileNotFoundError(f"{name}: neither a file below {self._root} nor a module of apexbench")
        self._states[file] = _state(file)  # before it is read: what is written between the two is noticed
        names, digest = self._kept.read(file.read_bytes())
        return file, [name for name in names if name in self._modules], digest

    @cached_property
    def _modules(self) -> dict[str, Path]:
        """{name: file} of all modules."""
        modules = {}
        for file in sorted((self._root / "apexbench").rglob("*.py")):
            name = file.relative_to(self._root).with_suffix("")
            modules[".".join(name.parent.parts if file.stem == "__init__" else name.parts)] = file
        return modules

    @cached_property
    def _kept(self) -> "_Kept":
        return _Kept(Path(cache_from_source(self._root / "apexbench/code_hash.py")).with_suffix(".json"))


def _state(file: Path) -> tuple[int, ...]:
    facts = file.stat()
    return facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino


class _Kept:
    """What `_read` found in files before, in a file of our own: {checksum of a file's bytes: [names, digest]}."""

    def __init__(self, path: Path):
        self._path, self._found, self._new = path, {}, False
        self._by = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode()).hexdigest()
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(path.read_bytes())
            self._found = kept["found"] if kept["by"] == self._by else {}

    def read(self, content: bytes) -> tuple[list[str], str]:
        """Return what `_read` does."""
        key = hashlib.sha256(content).hexdigest()
        if key not in self._found:
            self._found[key], self._new = _read(content), True
        return self._found[key]

    def write(self) -> None:
        """Keep what is new, where Python keeps what it has compiled, and if it does."""
        if self._new and not sys.dont_write_bytecode:
            last = dict(list(self._found.items())[-_MOST:])
            part = self._path.with_suffix(f".{os.getpid()}")
            with suppress(OSError):
                part.write_text(json.dumps({"by": self._by, "found": last}))
                part.replace(self._path)
        self._new = False
