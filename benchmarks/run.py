"""Run every benchmark and print one Markdown page; `make benchmark`. About half an hour on two cores.

.venv/bin/python benchmarks/run.py > page.md
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from apexbench.instructions import environment as pins
from apexbench.instructions import processor

HERE = Path(__file__).parent
ROOT = HERE.parent
BIN = Path(sys.executable).parent


def call(*words: str, cwd: Path = ROOT) -> tuple[str, float]:
    """Run a command with this environment's programs first; return what it printed and its seconds."""
    environment = {**os.environ, **pins("avx2"), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    start = time.perf_counter()
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout, time.perf_counter() - start


def pipeline(folder: Path) -> str:
    """The default study from nothing, in a clone: wall time, the largest job, start-up and DAG."""
    import pandas as pd

    clone = folder / "clone"
    call("git", "clone", "--quiet", str(ROOT), str(clone))
    _, dry = call("snakemake", "--cores", "2", "--dry-run", "--quiet", "all", cwd=clone)
    _, wall = call("snakemake", "--cores", "2", "--resources", "gpu=0", "all", cwd=clone)
    _, again = call("snakemake", "--cores", "2", cwd=clone)
    files = list((clone / "results" / "benchmarks").rglob("*.tsv"))
    jobs = pd.concat([pd.read_csv(file, sep="\t", na_values="-").assign(rule=file.parts[-2]) for file in files])
    diff, _ = call("git", "diff", "--stat", "README.md", cwd=clone)
    return (
        "| the default study, from nothing, 2 cores | |\n|:--|--:|\n"
        f"| `snakemake --cores 2 --resources gpu=0 all` | {wall:.0f} s |\n| jobs | {len(jobs)} |\n"
        f"| largest job, resident memory | {jobs['max_rss'].max():.0f} MB |\n"
        f"| start-up and DAG (dry run) | {dry:.1f} s, {dry / wall:.1%} of the wall time |\n"
        f"| a second run, nothing to do | {again:.1f} s |\n"
        f"| README.md afterwards | {'changed' if diff else 'as committed'} |"
    )


def dry_run() -> str:
    """A study of 20,160 trainings: 6 methods, 56 folds, 60 seeds."""
    methods = ["shuffled-labels", "ststnet", "mmnet", "mixmeformer", "mlsp", "fsb-lr-lr"]
    words = ["snakemake", "all", "--cores", "2", "--dry-run", "--quiet", "--config", "study=large", "folds_per_job=1"]
    words += ["leave_out={}", "table_protocols=[]"]
    seconds = sorted(call(*words, f"seeds={list(range(60))}", f"methods={methods}")[1] for _ in range(3))
    return (
        "| dry run of 20,160 trainings (6 methods, 56 folds, 60 seeds) | |\n|:--|--:|\n"
        f"| median of three, with start-up | {seconds[1]:.1f} s |"
    )


def main() -> None:
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {processor()}, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory() as folder:
        print(f"## The whole study\n\n{pipeline(Path(folder))}\n", flush=True)
    print(f"## Snakemake\n\n{dry_run()}\n", flush=True)
    print(
        f"## Training: `python benchmarks/training.py`\n\n{call(sys.executable, 'benchmarks/training.py')[0]}",
        flush=True,
    )
    steps = call(sys.executable, "benchmarks/transformers.py", "--steps", "3")[0]
    print(f"## MixMeFormer: `python benchmarks/transformers.py --steps 3`\n\n{steps}", flush=True)
    scoring = call(sys.executable, "benchmarks/scoring.py")[0]
    print(f"## Scoring: `python benchmarks/scoring.py`\n\n{scoring}", flush=True)
    held = call(sys.executable, "benchmarks/instructions.py")[0]
    print(f"## Instructions: `python benchmarks/instructions.py`\n\n{held}", flush=True)
    print(f"## Flow: `python benchmarks/flow.py`\n\n{call(sys.executable, 'benchmarks/flow.py')[0]}", flush=True)
    features = call(sys.executable, "benchmarks/features.py")[0]
    print(f"## Features: `python benchmarks/features.py`\n\n{features}", flush=True)
    magnified = call(sys.executable, "benchmarks/magnification.py")[0]
    print(f"## Magnification: `python benchmarks/magnification.py`\n\n{magnified}", flush=True)


if __name__ == "__main__":
    main()
