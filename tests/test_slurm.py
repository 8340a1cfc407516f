"""The README's cluster command on a real Slurm of one node with two GPUs that are none (.ci/slurm starts it)."""

import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from test_workflow import ROOT, call, make_copy, planned

pytestmark = pytest.mark.cluster

CONFIG = """
study: small
folds_per_job: 1
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
        job, start = os.environ["SLURM_JOB_ID"], time.time()
        try:
            pathlib.Path("cancelled").touch(exist_ok=False)
        except FileExistsError:
            scores = super().scores(train, labels, test, replace(fold, device="cpu"))
            time.sleep(2)
        else:
            pathlib.Path("cancelled").write_text(job)
            subprocess.run(["scancel", job])
            time.sleep(60)
        name = f"{job} {os.environ['CUDA_VISIBLE_DEVICES']} {start} {time.time()}"
        torch.cuda.get_device_name = lambda: name
        return scores
"""


def _missing() -> str:
    if not find_spec("snakemake_executor_plugin_slurm"):
        return "no executor for Slurm: make setup-cluster"
    if not shutil.which("sinfo"):
        return "no Slurm: .ci/slurm start, as root on Debian"
    nodes = subprocess.run(["sinfo", "--noheader", "--format=%P %G %t"], capture_output=True, text=True)
    return "" if "main* gpu:2" in nodes.stdout else f"not the Slurm of .ci/slurm: {nodes.stdout}{nodes.stderr}".strip()


def readme_command() -> list[str]:
    """Return the command that README.md shows under 'On a cluster'."""
    section = (ROOT / "README.md").read_text().split("**On a cluster.**")[1]
    (command,) = re.findall(r"^snakemake .*? all\b", section, re.MULTILINE)[:1]
    return command.split()


@pytest.fixture(scope="module")
def submitted(tmp_path_factory) -> tuple[Path, str]:
    """A copy in which the README's command has run, and what it printed."""
    if reason := _missing():
        pytest.skip(reason)
    folder = make_copy(tmp_path_factory.mktemp("slurm"))
    (folder / "config/config.yaml").write_text(CONFIG)
    (folder / "apexbench/methods/on_slurm.py").write_text(METHOD)
    (folder / "config/methods/on-slurm.yaml").write_text(
        "method: on-slurm\ntitle: on Slurm\ninputs: {flow: tvl1-28}\nbudgets: {quick: {params: {epochs: 2}}}\n"
    )
    profile = folder / "profiles/slurm/config.yaml"
    text, changed = re.subn(r"(?m)^(slurm-init-seconds-before-status-checks): \d+", r"\1: 2", profile.read_text())
    assert changed == 1, "only so that the test does not wait"
    profile.write_text(text)
    return folder, call(folder, *readme_command())


@pytest.fixture
def trained(submitted) -> pd.DataFrame:
    """A row of each training on a GPU: Slurm's job, the GPUs that it saw, when it began and ended."""
    files = sorted((submitted[0] / "results/runs/samm-3/on-slurm").rglob("folds*.parquet"))
    records = [json.loads(pq.read_schema(file).metadata[b"apexbench"])["device"].split() for file in files]
    return pd.DataFrame(records, columns=["job", "gpu", "start", "end"]).astype({"start": float, "end": float})


def test_the_small_study_is_whole(submitted, trained):
    folder, text = submitted
    assert "100%" in text and (folder / "results/small/tables/leaderboard.md").stat().st_size > 0
    assert len(trained) == 3, "a job for each fold"
    scores = pd.read_csv(folder / "results/small/scores/samm-3.csv").set_index("run")
    assert set(scores.loc["on-slurm", "status"]) == {"ok"}


def test_every_job_went_through_sbatch(submitted):
    folder, text = submitted
    submitted = re.findall(r"has been submitted with SLURM jobid \d+ \(log: .*?/slurm_logs/rule_(\w+)/", text)
    assert set(submitted) == set(planned(folder, "--forceall")) - {"all", "readme", "table"}
    assert submitted.count("train") == 7, "three folds of two runs, and one again"


def test_two_jobs_at_a_time_never_share_a_gpu(trained):
    assert set(trained["gpu"]) == {"0", "1"}
    rows = trained.to_dict("records")
    together = [(a, b) for i, a in enumerate(rows) for b in rows[:i] if a["start"] < b["end"] and b["start"] < a["end"]]
    assert all(a["gpu"] != b["gpu"] for a, b in together)


def test_a_job_killed_by_scancel_is_tried_again(submitted, trained):
    folder, text = submitted
    killed = (folder / "cancelled").read_text()
    assert killed not in set(trained["job"])
    state = subprocess.run(["scontrol", "show", "job", killed], capture_output=True, text=True).stdout
    assert "JobState=CANCELLED" in state and "Trying to restart job" in text


def test_a_training_asks_for_its_gpu_and_its_minutes(trained):
    for job in trained["job"]:
        shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True).stdout
        assert "TimeLimit=00:07:00" in shown and re.search(r"gres[:/]gpu[:=]1\b", shown), shown


def test_another_scheduler_by_its_three_commands(submitted):
    words = ["--config", "study=generic", "seeds=[1]", "methods=[majority,on-slurm]", "folds_per_job=all"]
    profile = ["--profile", "profiles/cluster-generic", "--resources", "gpu=2"]
    text = call(submitted[0], "snakemake", *profile, "results/generic/scores/samm-3.csv", *words)
    assert len(re.findall(r"Submitted job \d+ with external jobid", text)) == 3, text
    scores = pd.read_csv(submitted[0] / "results/generic/scores/samm-3.csv").set_index("run")
    assert set(scores.loc[["majority", "on-slurm"], "status"]) == {"ok"}


def test_nothing_is_submitted_twice(submitted):
    assert "Nothing to be done" in call(submitted[0], *readme_command())
