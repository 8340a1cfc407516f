"""No stale file counts as up to date: after a failure, without records, when code or a user's file changes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from apexbench.code_hash import Code, edited
from apexbench.job_records import count_unknown

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


def test_what_nothing_is_known_of_is_made_anew(chain):
    chain.run(value=1)
    shutil.rmtree(chain.folder / ".snakemake")
    table = chain.run("-n", value=2)
    assert re.search(r"^a +1 .* no record of how it was made$", table, re.MULTILINE), table
    chain.run(value=2)
    assert (chain.folder / "c").read_text() == "2"
    assert "Nothing to be done" in chain.run("-n", value=2)


def test_what_lies_in_a_storage_is_taken_as_it_is_where_nothing_is_known_of_it():
    """Records stay on the machine that made them."""
    reason = type("Reason", (), {"__slots__": ["no_metadata", "finished"], "__bool__": lambda self: False})
    records = type("Records", (), {"has_metadata": lambda self, job: False})
    count_unknown(reason, records)
    for stored in (True, False):
        job = SimpleNamespace(output=[SimpleNamespace(is_storage=stored)])
        asked = reason()
        asked.no_metadata, asked.finished = not records().has_metadata(job), False
        assert bool(asked) != stored


def test_touch_is_refused(chain):
    """It would let what was made of one value count as made of another."""
    chain.run(value=1)
    assert "--touch is refused" in chain.run("--touch", value=2, code=1)
    chain.run(value=2)
    assert (chain.folder / "c").read_text() == "2"


EDITED = """
from apexbench.code_hash import Code
hashed = Code(workflow.basedir).hash("steps.py")
rule a:
    output: "a"
    log: "a.log"
    params: code=hashed if config["value"] == 1 else ""
    script: "steps.py"
rule b:
    input: "a"
    output: "b"
    log: "b.log"
    params: run={"job": {"code": hashed}}
    script: "steps.py"
"""
STEPS = """
import pathlib, time
pathlib.Path(snakemake.rule + "-began").touch()
while pathlib.Path("slow").exists():
    time.sleep(0.05)
pathlib.Path(snakemake.output[0]).write_text("one")
"""


@pytest.mark.parametrize("value", [1, 2], ids=["at its end", "at its start"])
def test_a_job_whose_code_is_edited_while_the_run_goes_on_fails(chain, value):
    """It would go on record under the code of the run's beginning, and count as fresh when the edit is taken back."""
    files = [chain.folder / name for name in ("Snakefile", "steps.py", "slow")]
    for file, text in zip(files, (EDITED, STEPS, ""), strict=True):
        file.write_text(text)
    run = chain.start("b", value=value)
    while run.poll() is None and not (chain.folder / "a-began").exists():
        time.sleep(0.05)
    files[1].write_text(STEPS.replace('"one"', '"two"'))
    files[2].unlink()
    text, _ = run.communicate(timeout=100)
    assert run.returncode == 1, text
    assert f"rule {'ab'[value - 1]}: the code was edited since this run began (" in text and "steps.py" in text
    assert (chain.folder / "a").exists() == (value == 2) and not (chain.folder / "b-began").exists()
    files[1].write_text(STEPS)
    chain.run("b", value=value)
    assert (chain.folder / "b").read_text() == "one"


def test_edits_of_code_are_found_and_of_words_are_not(tmp_path):
    file, other = tmp_path / "one.py", tmp_path / "other.py"
    for path in (file, other):
        path.write_text("A = 1\n")
    code = Code(tmp_path)
    hashed = code.hash("one.py")
    assert edited(hashed) == [] == edited("nothing that was hashed")
    for text, found in (("A = 1  # word\n", []), ("A = 2\n", [file]), ("A = (\n", [file]), ("A = 1\n", [])):
        file.write_text(text)
        other.write_text(text)
        assert edited(hashed) == found
    file.unlink()
    assert edited(hashed) == [file]


def test_looking_at_the_code_of_a_job_takes_no_time():
    code = Code(ROOT)
    hashed = code.hash("workflow/scripts/train.py", "apexbench.methods.ststnet")
    took = []
    for _ in range(5):
        began = time.perf_counter()
        assert edited(hashed) == []
        took.append(time.perf_counter() - began)
    assert min(took) < 0.02


ORPHAN = """
import os, pathlib, time
from apexbench.jobs import job
with job(snakemake.log[0]):
    pathlib.Path("process").write_text(str(os.getpid()))
    pathlib.Path("process").rename("began")
    while pathlib.Path("slow").exists():
        time.sleep(0.05)
    pathlib.Path(snakemake.output[0]).write_text("late")
"""


def ends(process):
    """Wait until a process is gone, ten seconds at most."""
    until = time.monotonic() + 10
    while Path(f"/proc/{process}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert time.monotonic() < until, "it is still at work"


def test_a_job_does_not_outlive_a_killed_snakemake(chain):
    """It would write over what the next run makes."""
    (chain.folder / "step.py").write_text(ORPHAN)
    (chain.folder / "slow").touch()
    run = chain.start("a")
    while run.poll() is None and not (chain.folder / "began").exists():
        time.sleep(0.05)
    job = int((chain.folder / "began").read_text())
    run.kill()
    run.wait()
    try:
        ends(job)
    finally:
        (chain.folder / "slow").unlink()
    assert not (chain.folder / "a").exists()


BELOW_A_SHELL = """
import os, pathlib, signal, subprocess, sys, time
if len(sys.argv) == 1:  # the job, and who starts it by a shell that stays
    from apexbench.jobs import job
    with job("log"):
        pathlib.Path("process").write_text(str(os.getpid()))
        pathlib.Path("process").rename("began")
        time.sleep(60)
subprocess.run(f"{sys.executable} {sys.argv[0]}; true", shell=True)
"""


def test_nor_where_a_shell_stands_between_them(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(BELOW_A_SHELL)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    starter = subprocess.Popen([sys.executable, str(script), "start"], cwd=tmp_path, env=environment)
    while starter.poll() is None and not (tmp_path / "began").exists():
        time.sleep(0.05)
    job = int((tmp_path / "began").read_text())
    starter.kill()
    starter.wait()
    try:
        ends(job)
    finally:
        with suppress(ProcessLookupError):
            os.kill(job, signal.SIGKILL)
