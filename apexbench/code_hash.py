"""Which files a script depends on, and the hash of their code: a rule reruns when its science changes, not its words.

The hash sees code only, as it is compiled. Comments, docstrings, line breaks and messages (what an exception is raised
with, what is logged) are not part of it, so that none of them throws away finished trainings; Python's version is.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType

# They check and report: a new key of some card must not retrain anything.
_NOT_SCIENCE = {"apexbench.config", "apexbench.errors", "apexbench.jobs"}
_LOGGERS = {"logging", "logger"}


def _file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _read(content: bytes, root: Path) -> tuple[frozenset[str], bytes]:
    """Return the modules of apexbench that a file's content imports, anywhere in it, and a digest of its code."""
    tree = ast.parse(content)
    names: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    imports = frozenset(name for name in names if name.split(".")[0] == "apexbench" and _file(root, name))
    digest = hashlib.sha256()
    _add(digest, compile(tree, "", "exec", dont_inherit=True))
    return imports, digest.digest()


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


def files_of(root: Path, *starts: str) -> list[Path]:
    """Return the files that `starts` (paths of scripts, or module names) import from apexbench, with themselves.

    Imports inside functions count. Importing a module does not count as importing its package: `from apexbench.frames
    import magnify` depends on all that frames/__init__ names, `from apexbench.frames.magnification import magnify` on
    one file.
    """
    waiting, seen = list(starts), set()
    files = set()
    while waiting:
        name = waiting.pop()
        if name in seen or ".".join(name.split(".")[:2]) in _NOT_SCIENCE:
            continue
        seen.add(name)
        file = root / name if name.endswith(".py") else _file(root, name)
        if file is None:
            raise FileNotFoundError(f"{name}: neither a file below {root} nor a module of apexbench")
        files.add(file)
        waiting += sorted(_read(file.read_bytes(), root)[0])
    return sorted(files)


def code_hash(root: Path, *starts: str) -> str:
    """Return a short hash over the code of `files_of(root, *starts)`."""
    total = hashlib.sha256()
    for file in files_of(root, *starts):
        total.update(f"{file.relative_to(root).as_posix()}\0".encode() + _read(file.read_bytes(), root)[1])
    return total.hexdigest()[:12]
