"""The walls of the package, and the environment's files in step."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "apexbench").rglob("*.py"))
FLOOR = {
    "errors",
    "config",
    "project",
    "clips",
    "store",
    "pretrained",
    "instructions",
    "torchvision_shim",
    "dynamo_shim",
}
SIDE = {"datasets", "frames", "motion", "features", "methods", "protocols", "evaluation"}
# what each part of the package may import besides itself
MAY = {
    **dict.fromkeys(FLOOR, FLOOR),
    **dict.fromkeys(SIDE, FLOOR),
    "frames": {"errors"},
    "motion": {"errors"},
    "training": FLOOR | {"methods", "protocols"},
    "tables": FLOOR | {"evaluation", "protocols"},
    "stages": FLOOR | SIDE | {"training", "tables"},
    "jobs": FLOOR,
    "sources": set(),
    "snakemake_cli": set(),
    "cli": FLOOR | SIDE | {"stages", "training", "tables"},
}
# The portraits are measured by the detector that measures real faces; an apex is spotted where the sheet has none.
EXCEPTIONS = {
    ("apexbench.datasets.synthetic.portraits", "apexbench.frames.detection"),
    ("apexbench.datasets.apex", "apexbench.frames.detection"),
    ("apexbench.datasets.apex", "apexbench.frames.spotting"),
}


def _module(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _tree(file):
    return ast.parse(file.read_text())


def _imports(file):
    """All modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import; write the whole name, code hashes rely on it"
            if node.module == "apexbench":
                found |= {f"apexbench.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return found


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_imports_go_one_way(file):
    module = _module(file)
    if module == "apexbench":
        assert not _imports(file)
        return
    part = module.split(".")[1]
    assert part in MAY, f"{module}: which floor does it belong to? See MAY"
    for name in _imports(file):
        if name.split(".")[0] == "apexbench" and (module, name) not in EXCEPTIONS:
            assert name.split(".")[1] in MAY[part] | {part}, f"{module} must not import {name}"


def test_the_exceptions_are_in_use():
    for module, name in EXCEPTIONS:
        assert name in _imports(ROOT / f"{module.replace('.', '/')}.py")


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_snakemake_stays_outside(file):
    if _module(file) != "apexbench.snakemake_cli":
        assert not {name for name in _imports(file) if name.split(".")[0] == "snakemake"}
        assert not [node for node in ast.walk(_tree(file)) if isinstance(node, ast.Name) and node.id == "snakemake"]


@pytest.mark.parametrize("file", [*FILES, *sorted((ROOT / "workflow/scripts").glob("*.py"))], ids=str)
def test_no_hash_that_changes_with_the_process(file):
    names = [node for node in ast.walk(_tree(file)) if isinstance(node, ast.Name) and node.id == "hash"]
    assert not names, f"{file}:{names[0].lineno}: hash() differs from run to run; use hashlib"


def test_checking_the_config_imports_nothing_heavy():
    code = """
import sys
from apexbench.project import load_project
from apexbench.methods import find, names
from apexbench.sources import code_hash
[find(name).Parameters() for name in names()]
print(*sorted({"torch", "sklearn", "numba", "snakemake"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# the environment


def _lock():
    spec = importlib.util.spec_from_file_location("lock", ROOT / "envs/lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _name(text):
    return re.sub(r"[-_.]+", "-", text).lower()


def _pinned():
    pins = _lock().pins(ROOT / "envs/requirements.lock")
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", pin) for pin in pins)
    return {_name(pin.split("==")[0]): pin.split("==")[1] for pin in pins}


def test_the_conda_file_is_the_lock():
    lock = _lock()
    assert (ROOT / "envs/apexbench.yaml").read_text() == lock.conda(lock.pins(ROOT / "envs/requirements.lock"))


def test_the_face_models_are_apart_and_the_same_for_conda():
    lock = _lock()
    (models,) = lock.pins(ROOT / "envs/models.lock")
    assert f"pip install --no-deps {models}\n" in (ROOT / "envs/apexbench.post-deploy.sh").read_text()
    assert models.split("==")[0] == "mediapipe" and "mediapipe" not in _pinned()


def test_every_direct_dependency_is_pinned_within_its_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = _pinned()
    for text in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        wanted = Requirement(text)
        assert _name(wanted.name) in pinned, f"{wanted.name} is not in envs/requirements.lock: run envs/lock.py"
        assert pinned[_name(wanted.name)] in wanted.specifier, f"{text} but {pinned[_name(wanted.name)]} is locked"


def test_nothing_is_pinned_twice():
    names = [_name(pin.split("==")[0]) for pin in _lock().pins(ROOT / "envs/requirements.lock")]
    assert len(names) == len(set(names))
