"""The README's cluster command on a real Slurm of one node with two GPUs that are none (.ci/slurm starts it)."""

import json
import re
import shutil
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from test_workflow import ROOT, call, make_copy, planned

pytestmark = pytest.mark.cluster

CONFIG = """
study: small
folds_per_job: 2
minutes_per_job: 7
protocols: [samm-3]
methods: [majority, on-slurm]
tables: [leaderboard]
"""
# STSTNet, but Slurm's GPU is none: it is trained on the CPU, and what was given stands as the GPU's name in the record.
METHOD = """
import os, pathlib, subprocess, time
from dataclasses import replace
import torch
from apexbench.methods.ststnet import STSTNet


class OnSlurm(STSTNet):
    def scores(self, train, labels, test, fold):
        job = os.environ["SLURM_JOB_ID"]
        given = f"{job} {os.environ['CUDA_VISIBLE_DEVICES']}"
        torch.cuda.get_device_name = lambda: given
        try:
            pathlib.Path("cancelled").touch(exist_ok=False)
        except FileExistsError:
            return super().scores(train, labels, test, replace(fold, device="cpu"))
        pathlib.Path("cancelled").write_text(given)
        subprocess.run(["scancel", job])
        time.sleep(60)
"""


def _missing() -> str:
    if not find_spec("snakemake_executor_plugin_slurm"):
        return "no executor for Slurm: make setup-cluster"
    if not shutil.which("sinfo"):
        return "no Slurm: .ci/slurm start, as root on Debian"
    nodes = subprocess.run(["sinfo", "--noheader", "--format=%P %G %t"], capture_output=True, text=True)
    return "" if "main* gpu:2" in nodes.stdout else f"not the Slurm of .ci/slurm: {nodes.stdout}{nodes.stderr}".strip()


def readme_command() -> list[str]:
    """Return the command that README.md shows for many machines."""
    (command,) = re.findall(r"`(snakemake --profile \S+ [^`]* all)`", (ROOT / "README.md").read_text())
    return command.split()


@pytest.fixture(scope="module")
def submitted(tmp_path_factory) -> tuple[Path, str]:
    """A copy in which the README's command has run, and what its log says."""
    if reason := _missing():
        pytest.skip(reason)
    folder = make_copy(tmp_path_factory.mktemp("slurm"))
    (folder / "config/config.yaml").write_text(CONFIG)
    (folder / "apexbench/methods/on_slurm.py").write_text(METHOD)
    (folder / "config/methods/on-slurm.yaml").write_text(
        "method: on-slurm\ntitle: on Slurm\ninputs: {flow: tvl1-28}\nbudgets: {quick: {params: {epochs: 2}}}\n"
    )
    # the profile looks after its jobs every 20 s, the test when they should have ended: Snakemake starts three times
    start = time.monotonic()
    planned(folder)
    wait = round(3.2 * (time.monotonic() - start))
    profile = folder / "profiles/slurm/config.yaml"
    setting = r"(?m)^(slurm-init-seconds-before-status-checks): \d+"
    text, changed = re.subn(setting, rf"\1: {wait}", profile.read_text())
    assert changed == 1
    profile.write_text(text)
    call(folder, *readme_command())
    return folder, newest_log(folder)


def newest_log(folder: Path) -> str:
    """What Snakemake says of each job: the console has a line for each stage only."""
    return max((folder / ".snakemake/log").glob("*.snakemake.log")).read_text()


@pytest.fixture
def trained(submitted) -> dict[str, str]:
    """{Slurm's job: the GPUs that it saw} of the finished trainings on a GPU."""
    files = sorted((submitted[0] / "results/runs/samm-3/on-slurm").glob("*/seed0/folds*.parquet"))
    return dict(json.loads(pq.read_schema(file).metadata[b"apexbench"])["device"].split() for file in files)


@pytest.fixture
def killed(submitted) -> dict[str, str]:
    """The same of the one that was cancelled."""
    return dict([(submitted[0] / "cancelled").read_text().split()])


def shown(job: str) -> dict[str, str]:
    """Return what Slurm says of a job."""
    text = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=True).stdout
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def test_the_small_study_is_whole(submitted, trained):
    folder, text = submitted
    assert "100%" in text and (folder / "results/small/tables/leaderboard.md").stat().st_size > 0
    assert len(trained) == 2, "three folds, two to a job"
    scores = pd.read_csv(folder / "results/small/scores/samm-3.csv").set_index("run")
    assert set(scores.loc["on-slurm", "status"]) == {"ok"}


def test_every_job_went_through_sbatch(submitted):
    folder, text = submitted
    submitted = re.findall(r"has been submitted with SLURM jobid \d+ \(log: .*?/slurm_logs/rule_(\w+)/", text)
    assert set(submitted) == set(planned(folder, "--forceall")) - {"all", "readme", "save_study", "table"}
    assert submitted.count("train") == 5, "two jobs of two runs, and one again"


def test_two_jobs_at_a_time_never_share_a_gpu(trained, killed):
    gpus = trained | killed
    assert set(gpus.values()) == {"0", "1"}
    when = {job: (shown(job)["StartTime"], shown(job)["EndTime"]) for job in gpus}
    together = [(a, b) for a in gpus for b in gpus if a < b and when[a][0] < when[b][1] and when[b][0] < when[a][1]]
    assert together and all(gpus[a] != gpus[b] for a, b in together)


def test_a_job_killed_by_scancel_is_tried_again(submitted, trained, killed):
    (job,) = killed
    assert shown(job)["JobState"] == "CANCELLED" and job not in trained
    assert "Trying to restart job" in submitted[1]


def test_a_training_asks_for_its_gpu_and_its_minutes(trained):
    for job in trained:
        assert shown(job)["TimeLimit"] == "00:07:00" and re.fullmatch(r"gres[:/]gpu[:=]1", shown(job)["TresPerJob"])


def test_another_scheduler_by_its_three_commands(submitted):
    words = ["--config", "study=generic", "seeds=[1]", "methods=[on-slurm]", "folds_per_job=all"]
    profile = ["--profile", "profiles/cluster-generic", "--resources", "gpu=2"]
    call(submitted[0], "snakemake", *profile, "results/generic/scores/samm-3.csv", *words)
    text = newest_log(submitted[0])
    assert len(re.findall(r"Submitted job \d+ with external jobid", text)) == 2, text
    scores = pd.read_csv(submitted[0] / "results/generic/scores/samm-3.csv").set_index("run")
    assert set(scores.loc["on-slurm", "status"]) == {"ok"}


def test_nothing_is_submitted_twice(submitted):
    assert "Nothing to be done" in call(submitted[0], *readme_command())
