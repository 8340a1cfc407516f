"""How Snakemake's side grows with the number of jobs, in CPU seconds and memory, and how many files a large study has.

.venv/bin/python benchmarks/scale.py        # some six minutes of CPU and 2 GB; writes scale.md and scale.svg
.venv/bin/python benchmarks/scale.py --look # a tenth of the jobs, one run of each, prints the page only
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from apexbench.study import Study

HERE = Path(__file__).parent
ROOT = HERE.parent
SNAKEMAKE = [sys.executable, "-c", "from apexbench.snakemake_cli import main; main()"]
LINKED = ("Snakefile", "rules", "workflow", "apexbench", "profiles", "envs", "README.md")

# one job a fold: 336 trainings a seed, of methods that are trained with every seed
FOLDS = {
    "methods": ["shuffled-labels", "ststnet", "mmnet", "mixmeformer", "mlsp", "fsb-lr-lr"],
    "protocols": ["casme2-5", "samm-3", "smic-3", "mmew-4", "megc2019"],
    "table_protocols": [],
    "table_methods": [],
    "folds_per_job": 1,
    "leave_out": {},
}
SEEDS = (1, 3, 12, 60, 300)
LIMITS = {20_160: "20 s, 500 MB", 100_800: "100 s, 2 GB"}

# the planned study: 40 methods, 12 protocols, 5 seeds at paper budget and the official numbers of subjects
PLANNED = {
    "protocols": [
        "casme2-5", "casme2-3", "casme2-7", "samm-5", "samm-3", "smic-3", "mmew-4", "mmew-6", "casme3-3", "casme3-7",
        "megc2019", "megc2018-cde",
    ],
    "table_protocols": [],
    "table_methods": [],
    "tables": ["leaderboard", "data", "comparisons", "runtime"],
    "scale": "full",
    "budget": "paper",
    "source": "synthetic",
}  # fmt: skip
LIKE = ["shuffled-labels", "icip", "sbml-lr-lr", "fsb-lr-lr", "ststnet", "mmnet", "mixmeformer", "mlsp", "srmcl"]


@dataclass
class Run:
    """A dry run: its training jobs, the folds that they train, CPU seconds (user and system) and peak memory in MB."""

    jobs: int
    folds: int
    seconds: float
    memory: float


def study_folder(folder: Path, methods: int = 0) -> Path:
    """Make a folder to run in: this code, and config/ with `methods` cards more, each like one that is there."""
    folder.mkdir()
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "config", folder / "config")
    for number in range(methods):
        other = LIKE[number % len(LIKE)]
        card = {"like": other, "title": f"Planned {number}", "params": {}}
        (folder / f"config/methods/planned-{number:02}.yaml").write_text(yaml.safe_dump(card))
    return folder


def planned(methods: int, seeds: int) -> dict:
    """Return the settings of a planned study of so many methods and seeds."""
    return PLANNED | {"methods": [f"planned-{n:02}" for n in range(methods)], "seeds": list(range(seeds))}


def trainings(folder: Path, settings: dict) -> tuple[int, int]:
    """Return how many training jobs a study has, and how many folds these train."""
    study = Study(yaml.safe_load((folder / "config/config.yaml").read_text()) | settings, folder)
    trained = [(protocol, run) for run in study.runs for protocol in study.trained_on(run)]
    files = [path for protocol, run in trained for path in study.predictions(protocol, run)]
    ranges = [map(int, re.search(r"folds(\d+)-(\d+)\.", path).groups()) for path in files]
    return len(files), sum(last - first + 1 for first, last in ranges)


def snakemake(folder: Path, settings: dict, *words: str) -> tuple[float, float, str]:
    """Dry-run `all` in a folder; return CPU seconds, peak memory in MB and what it printed."""
    (folder / "study.json").write_text(json.dumps({"study": "scale"} | settings))
    words = ("--dry-run", "--cores", "2", "--resources", "gpu=0", "--configfile", "study.json", *words, "--", "all")
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen([*SNAKEMAKE, *words], cwd=folder, stdout=printed, stderr=printed)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        text = printed.read()
    if process.returncode:
        sys.exit(f"snakemake {' '.join(words)} failed:\n{text[-3000:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, text


def dry_run(folder: Path, settings: dict, times: int = 1) -> Run:
    """Measure dry runs; medians."""
    measured = [snakemake(folder, settings, "--quiet")[:2] for _ in range(times)]
    run = Run(*trainings(folder, settings), *map(statistics.median, zip(*measured, strict=True)))
    print(run, file=sys.stderr, flush=True)
    return run


def files_of(text: str) -> Counter:
    """Return how many files jobs write into each folder of results/, by what a dry run prints of them.

    >>> files_of("    output: results/a/b.csv, results/a/c.csv\\n    log: results/logs/b.log\\n")
    Counter({'a': 2, 'logs': 1})
    """
    lines = re.findall(r"^    (?:output|log|benchmark): (.*)$", text, re.MULTILINE)
    paths = [path.split()[0] for line in lines for path in line.split(", ")]
    return Counter(path.split("/")[1] for path in paths if path.startswith("results/"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, the first column on the left."""
    lines = [head, [":--", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(curve: Sequence[Run], default: Run, whole: Run, single: Run, files: Counter) -> str:
    """Return the page: of the curve, the default study, and the planned one with all folds or one in a job.

    `files` are those of the planned study with all folds in a job, by folder.
    """
    named = [("the default study", default, "2 s")]
    named += [("one job a fold", run, LIMITS.get(run.jobs, "")) for run in curve]
    named += [("the planned study, all folds in a job", whole, "20 s, 1 GB"), ("the same, one job a fold", single, "")]
    rows = [
        [what, f"{run.jobs:,}", f"{run.folds:,}", f"{run.seconds:.1f} s", f"{run.memory:,.0f} MB", limit]
        for what, run, limit in named
    ]
    first, last = curve[0], curve[-1]
    each, more = (
        1000 * (getattr(last, what) - getattr(first, what)) / (last.jobs - first.jobs) for what in ("seconds", "memory")
    )
    counts = [[f"results/{name}", f"{count:,}"] for name, count in sorted(files.items())]
    return f"""# How Snakemake's side grows

    python benchmarks/scale.py

{time.strftime("%Y-%m-%d")}, 2 cores, shared with other work. CPU seconds (user and system: not those of the clock)
and peak memory of `snakemake --dry-run --quiet`, start-up included; medians of three, of more than 50,000 jobs one run.

{table(["dry run", "training jobs", "folds trained", "CPU", "memory", "limit"], rows)}

![CPU seconds and memory against training jobs, both axes logarithmic](scale.svg)

One job a fold: six methods under five protocols, 56 folds, with more and more seeds. From the first to the last row of
them a job costs {each:.2f} ms and {more:.0f} KB: both grow as the number of jobs does.

The planned study: 40 methods, each like one of ten that are there, 12 protocols and 5 seeds, at paper budget and with
the official numbers of subjects.

## Files of the planned study, all folds in a job

{table(["folder", "files"], [*counts, ["all", f"{sum(files.values()):,}"]])}

Each job has a log and a benchmark. Not counted: the `.seal` beside each table and each file of predictions, Snakemake's
record of each file in `.snakemake`, and the frames of clips that are rendered. With one job a fold there would be
{3 * (single.jobs - whole.jobs):,} files more, three a job: take it where a fold takes long, not by habit.
"""


def picture(curve: Sequence[Run], whole: Run, single: Run, file: Path) -> None:
    """Draw CPU seconds and memory against training jobs."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "scale"
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    jobs = [run.jobs for run in curve]
    for axis, what, unit in zip(axes, ("seconds", "memory"), ("CPU seconds", "MB"), strict=True):
        values = [getattr(run, what) for run in curve]
        axis.loglog(jobs, values, "o-", color="#20639b", label="one job a fold")
        axis.loglog(whole.jobs, getattr(whole, what), "D", color="#c0392b", label="planned study, all folds in a job")
        axis.loglog(single.jobs, getattr(single, what), "s", color="#c0392b", label="planned study, one job a fold")
        axis.loglog(jobs, [values[-1] * n / jobs[-1] for n in jobs], ":", color="grey", label="in proportion to jobs")
        axis.set(xlabel="training jobs", ylabel=unit)
        axis.grid(which="major", alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and write or print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--look", action="store_true", help="a tenth of the jobs, one run of each; writes nothing")
    look = parser.parse_args(words).look
    times, seeds, methods = (1, (1, 3, 30), 4) if look else (3, SEEDS, 40)
    with tempfile.TemporaryDirectory() as name:
        folder = study_folder(Path(name) / "study", methods)
        default = dry_run(folder, {}, times)
        curve = [dry_run(folder, FOLDS | {"seeds": list(range(n))}, 1 if n > 150 else times) for n in seeds]
        whole = dry_run(folder, planned(methods, 5), times)
        files = files_of(snakemake(folder, planned(methods, 5), "-p")[2])
        single = dry_run(folder, planned(methods, 5) | {"folds_per_job": 1})
    text = page(curve, default, whole, single, files)
    if look:
        print(text)
        return
    (HERE / "scale.md").write_text(text)
    picture(curve, whole, single, HERE / "scale.svg")


if __name__ == "__main__":
    main()
