"""A run that is killed at any moment goes on by the same command, to the same tables; nothing half-written stays."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from test_workflow import BIN, call, make_copy

from apexbench.store.writing import POINTS

# one file of each stage, in the order in which they are made; a `*` goes over folders
FILES = {
    "render": "results/synthetic/*/clips",
    "render, its truth": "results/synthetic/*/truth.safetensors",
    "index": "results/index/*.csv",
    "index, its seal": "results/index/smic-hs.csv.seal",
    "protocol": "results/protocols/smic-3.csv",
    "faces": "results/faces/*.csv",
    "frames": "results/frames/*.safetensors",
    "magnify": "results/magnified/*.safetensors",
    "flow": "results/flow/*.safetensors",
    "features": "results/features/*/?-?.safetensors",
    "features, one subject": "results/features/*.subjects/*",
    "pack": "results/packs/*.safetensors",
    "train, one fold": "results/runs/*.folds/*",
    "train": "results/runs/*/folds*.parquet",
    "scores": "results/small/scores/*.csv",
    "comparisons": "results/small/comparisons/*.csv",
    "learning curves": "results/small/curves/*.csv",
    "pictures of clips": "results/small/figures/*.jpg",
    "figures": "results/small/figures/*.svg",
    "table": "results/small/tables/*.tex",
    "readme": "*/README.md",
}
WORDS = ["--config", 'protocols=["smic-3"]', 'methods=["majority","resnet-linear","ststnet"]', 'tables=["leaderboard"]']


def tables(folder: Path) -> dict[str, bytes]:
    """The README and all tables and figures of the small study: what a reader sees."""
    places = [folder / "results/small" / kind for kind in ("tables", "figures")]
    files = [folder / "README.md", *(path for place in places for path in place.rglob("*") if path.is_file())]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def killed(folder: Path, marks: Path, *wishes: str, words: Sequence[str] = WORDS) -> bool:
    """Run the small study with kills asked for; tell whether one came: it takes the whole of the run with it."""
    marks.mkdir(exist_ok=True)
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    asked = {"PATH": path, "PYTHONPATH": str(folder), "APEXBENCH_KILL": " ".join([str(marks), *wishes])}
    command = ["snakemake", "--cores", "2", *words, "all"]
    options = {"cwd": folder, "env": {**os.environ, **asked}, "start_new_session": True, "timeout": 1200}
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
    return done.returncode != 0


def unfinished(folder: Path) -> list[Path]:
    kept = [path for kind in ("folds", "subjects") for path in folder.glob(f"results/**/*.{kind}")]
    return [*folder.rglob(".part-*"), *folder.glob("results/**/*.before*"), *kept]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, bytes]:
    folder = make_copy(tmp_path_factory.mktemp("whole") / "study")
    call(folder, "snakemake", "--cores", "2", *WORDS, "all")
    return tables(folder)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_every_stage_survives_a_kill_of_the_whole_run(undisturbed, tmp_path, point):
    folder, marks = make_copy(tmp_path / "study"), tmp_path / "marks"
    wishes = [f"{point}:{pattern}" for pattern in FILES.values()]
    left = 0
    while killed(folder, marks, *wishes):
        left += bool(unfinished(folder))
    never = [stage for number, stage in enumerate(FILES) if not (marks / str(number)).exists()]
    assert not never, "they were not killed"
    assert (left > len(FILES) / 2) == (point != "after-rename")
    assert tables(folder) == undisturbed
    assert unfinished(folder) == []


MAJORITY = ['protocols=["smic-3"]', 'methods=["majority"]', 'tables=["leaderboard"]']


def together(folder: Path, *options: str) -> dict[str, tuple[int, str]]:
    """Start two studies at once in one folder; return how each ended, and what it said."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    started = {}
    for name in "ab":
        command = ["snakemake", "--cores", "1", *options, f"results/{name}/tables/leaderboard.csv"]
        out = (folder / f"{name}.txt").open("w")
        place = {"cwd": folder, "env": {**os.environ, "PATH": path, "PYTHONPATH": str(folder)}}
        words = [*command, "--config", f"study={name}", *MAJORITY]
        started[name] = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT, **place)
    return {name: (process.wait(1200), (folder / f"{name}.txt").read_text()) for name, process in started.items()}


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--nolock"]], ids=["locked", "nolock"])
def test_two_studies_at_once_are_both_right_or_one_is_refused_and_then_right(tmp_path, options):
    folder = make_copy(tmp_path / "study")
    ended = together(folder, *options)
    if not options:  # one found the other at work, or came when it had ended
        codes = sorted(code for code, _ in ended.values())
        assert codes in ([0, 0], [0, 1])
        for code, text in ended.values():
            assert (code == 0) != ("another run is at work on results/" in text), text
            assert "Traceback" not in text and ("`snakemake --cores 1" in text) == (code == 1)
    for name in "ab":  # the same command goes on, whatever became of the first
        call(folder, "snakemake", "--cores", "1", f"results/{name}/tables/leaderboard.csv", "--config",
             f"study={name}", *MAJORITY)  # fmt: skip
    a, b = ((folder / f"results/{name}/tables/leaderboard.csv").read_bytes() for name in "ab")
    assert a == b and b",ok," in a and unfinished(folder) == []
