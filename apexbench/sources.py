"""Which source files a script depends on, and their hash: a rule reruns when its science changes, not when touched."""

import ast
import hashlib
from functools import cache
from pathlib import Path

# Validation and messages: a new key of some card must not throw away finished trainings.
_NOT_SCIENCE = {"apexbench.errors", "apexbench.jobs", "apexbench.project", "apexbench.sources"}


def _file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _imports(file: Path, root: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(name for name in names if name.split(".")[0] == "apexbench" and _file(root, name))


def sources(root: Path, *starts: str) -> list[Path]:
    """Return the files that `starts` (paths of scripts, or module names) import from apexbench, with themselves.

    Imports inside functions count. Importing a module does not count as importing its package: `from apexbench.frames
    import magnify` depends on all that frames/__init__ names, `from apexbench.frames.magnification import magnify` on
    one file.
    """
    waiting, seen = list(starts), set()
    files = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name in _NOT_SCIENCE or name.startswith("apexbench.config"):
            continue
        seen.add(name)
        file = root / name if name.endswith(".py") else _file(root, name)
        if file is None:
            raise FileNotFoundError(f"{name}: neither a file below {root} nor a module of apexbench")
        files.add(file)
        waiting += sorted(_imports(file, root))
    return sorted(files)


def code_hash(root: Path, *starts: str) -> str:
    """Return a short hash over the contents of `sources(root, *starts)`."""
    total = hashlib.sha256()
    for file in sources(root, *starts):
        total.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()[:12]
