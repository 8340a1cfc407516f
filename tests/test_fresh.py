"""No stale file counts as up to date: after a failure, without records, when code or a user's file changes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
CHAIN = """
rule all:
    input: "c"
rule a:
    output: "a"
    log: "a.log"
    params: value=config["value"]
    script: "step.py"
rule b:
    input: "a"
    output: "b"
    log: "b.log"
    script: "step.py"
rule c:
    input: "b"
    output: "c"
    log: "c.log"
    script: "step.py"
"""
STEP = """
import pathlib
import sys
from apexbench.errors import InputError
from apexbench.jobs import job
with job(snakemake.log[0]):
    if pathlib.Path(f"fail-{snakemake.rule}").exists():
        raise InputError("the disk is full")
    if pathlib.Path(f"write-nothing-{snakemake.rule}").exists():
        sys.exit()
    read = [pathlib.Path(path).read_text() for path in snakemake.input]
    pathlib.Path(snakemake.output[0]).write_text(" ".join([*read, str(snakemake.params.get("value", ""))]).strip())
"""


class Chain:
    """A workflow of three files, each made of the one before, and the command in its folder."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "Snakefile").write_text(CHAIN)
        (folder / "step.py").write_text(STEP)

    def run(self, *words, value=1, code=0):
        done = self.start(*words, value=value)
        text, _ = done.communicate(timeout=100)
        assert done.returncode == code, text
        return text

    def start(self, *words, value=1):
        words = [BIN / "snakemake", "--cores", "1", *words, "--config", f"value={value}"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        to = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(words, cwd=self.folder, env=environment, **to)


@pytest.fixture
def chain(tmp_path):
    return Chain(tmp_path)


@pytest.mark.parametrize("how", ["fail", "write-nothing"])
def test_a_job_that_failed_is_not_done(chain, how):
    """Its output is missing, between what is there above it and what is there below it, of before."""
    chain.run(value=1)
    (chain.folder / f"{how}-a").touch()
    chain.run("--latency-wait", "0", value=2, code=1)
    (chain.folder / f"{how}-a").unlink()
    chain.run(value=2)
    assert (chain.folder / "c").read_text() == "2"
