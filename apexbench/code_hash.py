"""Which files a script depends on, and the hash of their code: a rule reruns when its science changes, not its words.

The hash sees code only. Comments, docstrings, line breaks and messages (what an exception is raised with, what is
logged) are not part of it, so that none of them throws away finished trainings.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

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
def _read(content: bytes, root: Path) -> tuple[frozenset[str], str]:
    """Return the modules of apexbench that a file's content imports, anywhere in it, and its code without words."""
    tree = ast.parse(content)
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    imports = frozenset(name for name in names if name.split(".")[0] == "apexbench" and _file(root, name))
    return imports, ast.unparse(_Wordless().visit(tree))


class _Wordless(ast.NodeTransformer):
    """Takes out what does nothing, docstrings among it, whole logging calls and what exceptions are raised with."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if _is_text(node.value) or _is_logging(node.value) else node

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        if isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
        return node


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _is_logging(value: ast.expr) -> bool:
    function = value.func if isinstance(value, ast.Call) else None
    logger = function.value if isinstance(function, ast.Attribute) else None
    return isinstance(logger, ast.Name) and logger.id in _LOGGERS


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
        _, code = _read(file.read_bytes(), root)
        total.update(f"{file.relative_to(root).as_posix()}\0{code}\0".encode())
    return total.hexdigest()[:12]
