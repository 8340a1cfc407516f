"""What our `snakemake` spares Snakemake: its private parts are as expected, and it decides what it decides without."""

import asyncio
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from apexbench.snakemake_speed import (
    AtOnce,
    _replace,
    empty_once,
    environment_once,
    one_of_a_name,
    producers_once,
    script_once,
)

ROOT = Path(__file__).parents[1]
STUDY = ["protocols=[smic-3]", "table_protocols=[]", "methods=[majority,ststnet]", "folds_per_job=2", "study=spared"]
OURS = ["-c", "from apexbench.snakemake_cli import main; main()"]


@pytest.fixture
def folder(tmp_path):
    """An empty one to work in, with the configuration."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    return tmp_path


def _printed(folder, command, *targets):
    """The status of a dry run and what it prints, without times and numbers and by the alphabet: sets have no order."""
    words = [*targets, "-n", "-p", "--cores", "2", "--snakefile", str(ROOT / "Snakefile"), "--config", *STUDY]
    done = subprocess.run([sys.executable, *command, *words], cwd=folder, capture_output=True, text=True)
    text = re.sub(r"\[\w{3} \w{3} .*\]|jobid: \d+|(Command|Date|Workflow ID):.*", "", done.stdout + done.stderr)
    return done.returncode, sorted(" ".join(sorted(re.split("[,; ]+", line))) for line in text.splitlines())


def test_a_dry_run_says_what_snakemake_says_without(folder):
    code, lines = _printed(folder, OURS, "all")
    assert code == 0 and any("/ststnet/" in line and "folds0-1.parquet" in line for line in lines)
    assert (code, lines) == _printed(folder, ["-m", "snakemake"], "all")


def test_a_path_of_another_configuration_is_refused_before_anything_runs(folder):
    code, lines = _printed(folder, OURS, "all", f"results/runs/smic-3/ststnet/{'0' * 12}/seed0/folds0-1.parquet")
    assert code == 1 and any("'ststnet'" in line and "configuration" in line for line in lines)


def test_this_snakemake_has_the_parts_that_are_replaced():
    code = "import snakemake.cli\nfrom apexbench.snakemake_speed import spare\nprint(*spare())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    parts = ["ScriptProcessor.process_job", "OutputIndex.match_producers", "AttributeGuard.__new__"]
    tasks = [f"snakemake.{module}.asyncio.TaskGroup" for module in ("dag", "jobs")]
    assert done.stdout.split() == [*parts, "Job.conda_env_spec", "Job.__init__", *tasks]


def test_other_parts_stay_as_they_are(monkeypatch):
    class Owner:
        def method(self, job, more):
            return job, more

    module = SimpleNamespace(Owner=Owner, __name__="other")
    monkeypatch.setitem(sys.modules, "other", module)
    before = Owner.method
    assert _replace("other", "Owner", "method", script_once, "self", "job") == "" and Owner.method is before
    assert _replace("other", "Owner", "gone", script_once, "self", "job") == ""
    assert _replace("nowhere", "Owner", "method", script_once, "self", "job") == ""
    assert _replace("other", "Owner", "method", script_once, "self", "job", "more") == "Owner.method"


def _job(rule):
    return SimpleNamespace(rule=rule)


class _Rule:
    def __init__(self, script):
        self.script = script


def test_a_script_is_looked_for_until_it_is_there_and_each_time_if_its_name_differs():
    looked, there = [], False

    def look(self, job):
        looked.append(job.rule.script)
        if not there:
            raise FileNotFoundError

    processor, process = SimpleNamespace(script_type="script"), script_once(look)
    plain, named = _job(_Rule("a.py")), _job(_Rule("{wildcards.a}.py"))
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            process(processor, plain)
    there = True
    for job in (plain, plain, named, named, _job(_Rule("a.py"))):
        process(processor, job)
    assert looked == ["a.py"] * 3 + ["{wildcards.a}.py"] * 2 + ["a.py"]


def test_the_rules_of_a_path_are_found_once_and_are_the_caller_s_own(monkeypatch):
    monkeypatch.setattr("apexbench.snakemake_speed._PATHS", 2)
    asked = []

    def match(self, path):
        asked.append(path)
        return {path}

    index, find = SimpleNamespace(), producers_once(match)
    find(index, "a").clear()
    assert find(index, "a") == {"a"} and find(index, "b") == {"b"} and asked == ["a", "b"]
    assert find(index, "c") == {"c"} and find(index, "a") == {"a"} and asked == ["a", "b", "c", "a"]
    assert find(SimpleNamespace(), "c") == {"c"} and asked[-1] == "c" and len(asked) == 5


@pytest.mark.parametrize(("known", "answer"), [("later", "expanded"), (None, "expanded"), ("env.yaml", "env.yaml")])
def test_a_rule_that_knows_its_environment_is_not_asked_again(known, answer):
    asked = environment_once(lambda self: "expanded", "later")
    assert asked(_job(SimpleNamespace(_expanded_conda_env=known))) == answer


class Guard:
    def __init__(self, name):
        self.name = name


def test_guards_of_a_name_are_one_and_copies_are_copies(monkeypatch):
    monkeypatch.setattr(Guard, "__new__", one_of_a_name(object.__new__))
    assert Guard("sort") is Guard("sort") and Guard("sort") is not Guard("index")
    assert Guard("sort").name == "sort" and pickle.loads(pickle.dumps(Guard("sort"))).name == "sort"


def test_tasks_that_never_wait_are_done_at_once_and_others_go_on_and_fail_as_before():
    said = []

    async def plain(name):
        said.append(name)
        return name

    async def waiting(name):
        said.append(name)
        await asyncio.sleep(0.01)
        said.append(f"{name} later")
        return name

    async def failing():
        await asyncio.sleep(0)
        raise KeyError("by design")

    async def cancelled():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            said.append("cancelled")
            raise

    async def well():
        async with AtOnce() as group:
            assert group.create_task(plain("a")).result() == "a" and said == ["a"]
            task = group.create_task(waiting("b"))
            group.create_task(plain("c"))
        return task.result()

    async def ill():
        async with AtOnce() as group:
            group.create_task(cancelled())
            group.create_task(failing())

    assert asyncio.run(well()) == "b" and said == ["a", "b", "c", "b later"]
    with pytest.raises(BaseExceptionGroup) as group:
        asyncio.run(ill())
    assert [type(error) for error in group.value.exceptions] == [KeyError] and said[-1] == "cancelled"


def test_sets_of_no_flagged_file_are_one():
    class Job:
        def __init__(self, temporary):
            self.temp_output, self.protected_output = {"a"} if temporary else set(), set()

    Job.__init__ = empty_once(Job.__init__)
    plain, other, flagged = Job(False), Job(False), Job(True)
    assert plain.temp_output is other.protected_output and "a" not in plain.temp_output
    assert flagged.temp_output == {"a"} and not hasattr(flagged, "touch_output")
