"""Runs side by side, killed runs, killed jobs: Snakemake's locks and tries as the `snakemake` command has them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.persistence.file import FilePersistence
from snakemake_interface_common.exceptions import ApiError

from apexbench.run_lock import hold_runs
from apexbench.tries import Tries

BIN = Path(sys.executable).parent


class Held(FilePersistence):
    def __init__(self, folder, makes, reads=()):
        super().__init__(path=folder)
        self.began = time.time()
        self.all_outputfiles, self.all_inputfiles = lambda: makes, lambda: reads


hold_runs(Held)


def test_a_second_run_that_makes_the_same_files_is_refused_and_told_by_whom(tmp_path):
    with Held(tmp_path, ["a", "b"]).lock():
        for makes, reads in ((["b", "c"], []), (["c"], ["a"])):
            with pytest.raises(ApiError) as told, Held(tmp_path, makes, reads).lock():
                pass
            assert all(
                part in str(told.value) for part in ("another run is at work on", f"process {os.getpid()}", "Wait")
            )
    with Held(tmp_path, ["b", "c"]).lock():
        pass
    assert list((tmp_path / "locks").iterdir()) == []


def test_a_run_beside_another_ends_without_letting_its_files_go(tmp_path):
    with Held(tmp_path, ["a"]).lock():
        for makes in (["b"], []):
            with Held(tmp_path, makes, ["c"]).lock():
                pass
        with pytest.raises(ApiError, match="another run is at work on a:"), Held(tmp_path, ["a"]).lock():
            pass


def test_runs_that_start_at_the_same_moment_never_both_go_on(tmp_path):
    inside, most, refused = [], [], []
    Held(tmp_path, ["a"])  # its folders: eight that make them at once get into each other's way, in Snakemake

    def start():
        try:
            with Held(tmp_path, ["a"]).lock():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.05)
                inside.pop()
        except ApiError:
            refused.append(1)

    together = [threading.Thread(target=start) for _ in range(8)]
    [thread.start() for thread in together]
    [thread.join() for thread in together]
    assert max(most) == 1 and len(most) + len(refused) == 8


def test_a_killed_run_keeps_nothing(tmp_path):
    code = (
        "import sys, os; sys.path[:0] = sys.argv[2:]\nfrom test_runs_together import Held\n"
        "with Held(__import__('pathlib').Path(sys.argv[1]), ['a']).lock():\n os.kill(os.getpid(), 9)"
    )
    words = [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)]
    assert subprocess.run(words).returncode == -signal.SIGKILL
    assert len(list((tmp_path / "locks").glob("*.lock"))) == 1
    with Held(tmp_path, ["a"]).lock():
        pass


def test_a_lock_of_plain_snakemake_counts_and_unlock_takes_it(tmp_path):
    plain = Held(tmp_path, ["a"])
    plain._write_locks("output", ["a"])
    with pytest.raises(ApiError, match="snakemake --unlock"), Held(tmp_path, ["a"]).lock():
        pass
    Held(tmp_path, ["a"]).cleanup_locks()
    with Held(tmp_path, ["a"]).lock():
        pass


def test_unlock_leaves_what_a_run_at_work_holds(tmp_path):
    with Held(tmp_path, ["a"]).lock():
        Held(tmp_path, ["a"]).cleanup_locks()
        with pytest.raises(ApiError, match="another run is at work on a:"), Held(tmp_path, ["a"]).lock():
            pass


def test_a_plan_of_before_another_run_ended_is_refused(tmp_path):
    """What it has found up to date, the other has made anew since."""
    planned = [Held(tmp_path, ["c"], ["a"]), Held(tmp_path, ["a"]), Held(tmp_path, ["d"], ["e"])]
    with Held(tmp_path, ["a"]).lock():
        pass
    for plan in planned[:2]:
        with pytest.raises(ApiError, match="has made a: the plan is of before"), plan.lock():
            pass
    for plan in (planned[2], Held(tmp_path, ["c"], ["a"])):
        with plan.lock():
            pass
    for file in (tmp_path / "ended").iterdir():
        os.utime(file, (1, 1))
    with Held(tmp_path, ["x"]).lock():
        pass
    assert [file.read_text().strip() for file in (tmp_path / "ended").iterdir()] == ["x"]


TOY = """
rule all:
    input: "killed", "told"
rule killed:
    output: "killed"
    log: "killed.log"
    resources: mem_mb=345
    script: "killed.py"
rule told:
    output: "told"
    log: "told.log"
    script: "told.py"
"""
KILLED = """
import os, pathlib
from apexbench.jobs import job
with job(snakemake.log[0]):
    tries = pathlib.Path("tries")
    tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
    if len(tries.read_text()) <= int(os.environ["KILLS"]):
        os.kill(os.getpid(), 9)
    pathlib.Path(snakemake.output[0]).touch()
"""
TOLD = """
from apexbench.errors import InputError
from apexbench.jobs import job
open("asked", "a").write("x")
with job(snakemake.log[0]):
    raise InputError("a.yaml, field 'x': not so")
"""


@pytest.mark.parametrize(("kills", "retries", "tries"), [(1, "0", 2), (9, "0", 2), (9, "2", 3)])
def test_a_killed_job_is_tried_once_more_and_one_that_tells_its_fault_is_not(tmp_path, kills, retries, tries):
    for name, text in {"Snakefile": TOY, "killed.py": KILLED, "told.py": TOLD}.items():
        (tmp_path / name).write_text(text)
    words = [BIN / "snakemake", "--cores", "1", "--keep-going", "--retries", retries]
    environment = {**os.environ, "KILLS": str(kills), "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    assert (tmp_path / "asked").read_text() == "x", "bad input is not tried again, whatever --retries says"
    assert (tmp_path / "tries").read_text() == "x" * tries and (tmp_path / "killed").exists() == (kills < tries)
    assert "Rule killed" in text and "killed from outside (SIGKILL)" in text and "it had asked for 345 MB" in text
    assert text.count("It is tried once more") + text.count("It is not tried again") == min(kills, tries)
    assert ("It is not tried again" in text) == (kills > tries)


def test_a_job_of_another_machine_is_tried_again_as_its_profile_says_but_not_bad_input(tmp_path):
    rule = SimpleNamespace(name="flow", restart_times=1)
    seen = []
    handle = Tries().handling(lambda scheduler, job, postprocess_job: seen.append(job.rule.restart_times))
    for text in ("INFO half-w", "Traceback\nValueError: no", "INFO x\nERROR a.yaml: no\n"):
        (tmp_path / "log").write_text(text)
        handle(None, SimpleNamespace(is_group=lambda: False, rule=rule, jobid=1, log=[tmp_path / "log"], attempt=1))
    assert seen == [1, 1, 0] and rule.restart_times == 1


def test_scripts_of_killed_runs_go_when_no_other_run_is_at_work(tmp_path):
    (tmp_path / "scripts").mkdir()
    left = [tmp_path / "scripts" / name for name in ("tmpabc.train.py", "tmpdef.flow.py")]
    for script in left:
        script.write_text("")
    with Held(tmp_path, ["a"]).lock():
        assert not any(script.exists() for script in left)
        left[0].write_text("of the run that is at work")
        with Held(tmp_path, ["b"]).lock():
            assert left[0].exists()
