"""The walls of the package, and the environment's files in step."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "apexbench").rglob("*.py"))
FLOOR = {
    "errors",
    "config",
    "project",
    "gpu_hours",
    "clips",
    "store",
    "labels",
    "numbers",
    "oracles",
    "persons",
    "printed",
    "weights",
    "registry",
    "instructions",
    "manifest",
    "taken_over",
    "torchvision_shim",
    "dynamo_shim",
    "timm_resnet",
    "imagenet",
}
SCRIPTS = sorted((ROOT / "workflow/scripts").glob("*.py"))
SIDE = {"datasets", "frames", "motion", "features", "methods", "protocols", "evaluation"}
COMMANDED = {"bibliography", "catalogue", "checklists", "cli", "export", "method_pages", "score", "sharing", "study"}
# what each part of the package may import besides itself
MAY = {
    **dict.fromkeys(FLOOR, FLOOR),
    **dict.fromkeys(SIDE, FLOOR),
    "frames": {"errors", "registry", "weights"},
    "motion": {"errors"},
    "training": FLOOR | {"methods", "protocols"},
    "tables": FLOOR | {"evaluation", "protocols"},
    "figures": FLOOR | {"evaluation"},
    "score": FLOOR | {"evaluation"},
    "stages": FLOOR | SIDE | {"training", "tables", "figures", "score"},
    "sharing": FLOOR | {"evaluation", "protocols", "stages", "study", "tables"},
    "jobs": FLOOR,
    "code_hash": set(),
    "recipes": FLOOR | SIDE,
    "alone": FLOOR | {"tables"},
    "study": FLOOR | SIDE | {"alone", "code_hash", "recipes", "tables", "training"},  # which pre-trainings may be used
    "snakemake_cli": {
        "snakemake_speed",
        "warm_start",
        "console",
        "config",
        "errors",
        "job_records",
        "run_lock",
        "taken_over",
        "tries",
    },
    "snakemake_speed": set(),
    "console": {"time_left"},
    "time_left": set(),
    "job_records": {"code_hash"},
    "run_lock": set(),
    "tries": set(),
    "warm_start": set(),
    "warm_libraries": {"torchvision_shim"},
    "catalogue": FLOOR | {"alone", "methods", "tables"},
    "export": FLOOR | {"evaluation", "protocols"},
    "checklists": FLOOR | {"evaluation", "protocols", "study"},
    "bibliography": FLOOR | {"code_hash", "study"},
    "method_pages": FLOOR | {"catalogue", "code_hash", "features", "methods"},
    "commands": FLOOR | SIDE | COMMANDED,
    "cli": FLOOR | {"commands"},
}
# The portraits are measured by the detector that measures real faces; an apex is spotted where the sheet has none;
# one way of magnifying motion is to measure it.
EXCEPTIONS = {
    ("apexbench.datasets.synthetic.portraits", "apexbench.frames.detection"),
    ("apexbench.datasets.apex", "apexbench.frames.detection"),
    ("apexbench.datasets.apex", "apexbench.frames.pictures"),
    ("apexbench.datasets.apex", "apexbench.frames.spotting"),
    ("apexbench.frames.magnifying.flow_warp", "apexbench.motion"),
    # anyone's workbook of predictions is read as those of the releases are
    ("apexbench.score.reading", "apexbench.datasets.sheets"),
}

# scripts whose stage has another name than they
OTHER_STAGES = {
    "train": set(),  # training is a floor of its own
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


def _breaches(file):
    """The imports of a file that its floor forbids."""
    module = _module(file)
    names = {name for name in _imports(file) if name.split(".")[0] == "apexbench"}
    if module == "apexbench":
        return [f"{module} must import nothing, but {name}" for name in names]
    part = module.split(".")[1]
    if part not in MAY:
        return [f"{module}: which floor does it belong to? See MAY"]
    allowed = MAY[part] | {part}
    return [
        f"{module} must not import {name}"
        for name in sorted(names)
        if name.split(".")[1] not in allowed and (module, name) not in EXCEPTIONS
    ]


def test_imports_go_one_way():
    assert [breach for file in FILES for breach in _breaches(file)] == []


def test_the_exceptions_are_in_use():
    for module, name in EXCEPTIONS:
        assert name in _imports(ROOT / f"{module.replace('.', '/')}.py")


def test_snakemake_stays_outside():
    names = ("snakemake_cli", "snakemake_speed", "console", "job_records", "run_lock", "tries", "warm_libraries")
    command = {f"apexbench.{name}" for name in names}
    inside = [file for file in FILES if _module(file) not in command]
    importing = [_module(file) for file in inside if any(name.split(".")[0] == "snakemake" for name in _imports(file))]
    assert importing == [] and _uses("snakemake", inside) == []


def test_no_hash_that_changes_with_the_process():
    """hash() differs from run to run; use hashlib."""
    assert _uses("hash", [*FILES, *SCRIPTS]) == []


def _uses(name, files):
    """Where files name a variable or function, 'file:line' each."""
    return [
        f"{file}:{node.lineno}"
        for file in files
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Name) and node.id == name
    ]


def test_each_script_calls_the_stage_of_its_name():
    calls = {file.stem: {name for name in _imports(file) if name.startswith("apexbench.stages.")} for file in SCRIPTS}
    assert {name: stages for name, stages in calls.items() if stages != {f"apexbench.stages.{name}"}} == OTHER_STAGES


def test_checking_the_config_imports_nothing_heavy():
    code = """
import sys
from apexbench.project import load_project
from apexbench.methods import find, names
from apexbench.code_hash import Code
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


def _pinned(lock="requirements"):
    pins = _lock().pins(ROOT / f"envs/{lock}.lock")
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


def test_what_clusters_need_is_pinned_apart_and_changes_one_version():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["cluster"]
    pinned = _pinned("cluster")
    for text in map(Requirement, wanted):
        assert pinned[_name(text.name)] in text.specifier
    assert set(pinned) & set(_pinned()) == {"python-dateutil"}


def test_nothing_is_pinned_twice():
    names = [_name(pin.split("==")[0]) for pin in _lock().pins(ROOT / "envs/requirements.lock")]
    assert len(names) == len(set(names))
