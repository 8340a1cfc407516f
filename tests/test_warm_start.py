"""Scripts as forks of one process: as `python script` runs them, and gone when what started them is."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.benchmark import BenchmarkRecord

from apexbench.snakemake_cli import expecting, look_again_once, starting_warm
from apexbench.warm_start import WarmStart

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every script starts cold")


@pytest.fixture(scope="module")
def warm():
    """After its one cold script."""
    started = WarmStart(cold=1)
    started.expect(100)
    assert not started.ready()
    assert started.ready()  # when the libraries are there
    return started


def _run(warm, folder, text, **environment):
    (folder / "script.py").write_text(text)
    return warm.run(str(folder / "script.py"), environment).status


@linux
def test_a_script_runs_as_by_python_and_has_its_libraries_already(warm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = """
import os, sys, tempfile
from pathlib import Path
assert __name__ == "__main__" and sys.argv == [__file__] and sys.path[0] != ""
loaded = sorted({"torch", "pandas", "timm", "cv2"} & set(sys.modules))
own = [name for name in sys.modules if name.startswith("apexbench.")]
Path("seen").write_text(f"{os.getcwd()} {tempfile.gettempdir()} {loaded} {own}")
"""
    assert _run(warm, tmp_path, text, TMPDIR=str(tmp_path)) == 0
    own = ["apexbench.snakemake_cli", "apexbench.snakemake_speed", "apexbench.torchvision_shim"]
    own += ["apexbench.warm_libraries", "apexbench.warm_start"]
    seen = (tmp_path / "seen").read_text()
    assert seen.startswith(f"{tmp_path} {tmp_path} ['cv2', 'pandas', 'timm', 'torch'] ")
    assert set(eval(seen.split("] ", 1)[1])) <= set(own)  # code of our own is always read anew


@linux
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("raise SystemExit(3)", 3),
        ("raise ValueError('no')", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
    ],
)
def test_a_script_that_fails_says_so(warm, tmp_path, text, code):
    assert _run(warm, tmp_path, text) == code
    assert _run(warm, tmp_path, "pass") == 0


@linux
def test_the_time_limit_ends_a_script_that_started_warm(warm, tmp_path):
    text = f"""
from types import SimpleNamespace as Has
from apexbench.jobs import job, time_limit
import time
with job({str(tmp_path / "log")!r}), time_limit(Has(rule="flow", wildcards={{}}, resources=Has(runtime=0.005))):
    time.sleep(100)
"""
    assert _run(warm, tmp_path, text) == 1
    assert "ERROR rule flow: not done after its limit of 0.005 minutes" in (tmp_path / "log").read_text()
    assert _run(warm, tmp_path, "pass") == 0


@linux
def test_many_threads_start_scripts_at_once(warm, tmp_path):
    (tmp_path / "script.py").write_text("import sys, os; sys.exit(int(os.environ['STATUS']))")

    def run(status):
        return warm.run(str(tmp_path / "script.py"), {"STATUS": str(status)}).status

    wanted = [number % 7 for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, wanted)) == wanted


@linux
def test_jobs_go_with_what_started_them(tmp_path):
    (tmp_path / "script.py").write_text("import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n")
    parent = f"""
from apexbench.warm_start import WarmStart
if __name__ == "__main__":
    warm = WarmStart(cold=0)
    warm.expect(100)
    assert warm.ready()
    warm.run({str(tmp_path / "script.py")!r}, {{}})
"""
    (tmp_path / "parent.py").write_text(parent)
    process = subprocess.Popen([sys.executable, "parent.py"], cwd=tmp_path)
    _wait(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    process.kill()
    process.wait()
    _wait(lambda: not _alive(int((tmp_path / "pid").read_text())))


def _wait(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited for nothing"
        time.sleep(0.05)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def _script(**options):
    """What Snakemake's PythonScript has."""
    plain = dict(conda_env=None, container_img=None, env_modules=None, threads=1, bench_record=None, resources={})
    return SimpleNamespace(**(plain | options))


@linux
def test_what_needs_another_python_or_threads_starts_cold(warm, tmp_path):
    started = []
    execute = starting_warm(lambda self, fname, edit: started.append(fname), warm)
    for options in ({"conda_env": "env"}, {"container_img": "image"}, {"env_modules": "module"}, {"threads": 2}):
        execute(_script(**options), "cold.py")
    assert started == ["cold.py"] * 4
    (tmp_path / "script.py").write_text("import sys; sys.exit(5)")
    with pytest.raises(subprocess.CalledProcessError, match="exit status 5"):
        execute(_script(), str(tmp_path / "script.py"))
    assert len(started) == 4


def _columns(record):
    """What a benchmark file says."""
    return dict(zip(record.get_header(), record.to_tsv(extended_fmt=False).split("\t"), strict=True))


@linux
def test_a_benchmark_has_all_that_a_script_and_its_children_used(warm, tmp_path):
    execute, records = starting_warm(None, warm), []
    work = "x = bytearray({mb} << 20)\nx[:: 4096] = x[:: 4096]\n"
    work += "import time\nwhile time.process_time() < {seconds}: pass\n"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work.format(mb=1, seconds=0.4)!r}])"
    for text in ("", work.format(mb=300, seconds=0.3), child):
        (tmp_path / "script.py").write_text(text)
        records.append(BenchmarkRecord())
        execute(_script(bench_record=records[-1]), str(tmp_path / "script.py"))
    least, large, parent = map(_columns, records)
    assert 0.3 <= float(large["cpu_time"]) < 1 and float(parent["cpu_time"]) >= 0.4 > float(least["cpu_time"])
    assert 280 < float(large["max_rss"]) - float(least["max_rss"]) < 320
    assert all(float(x["s"]) > 0 for x in (least, large, parent))


@linux
def test_of_a_script_that_was_killed_only_the_time_is_known(warm, tmp_path, caplog):
    record = BenchmarkRecord()
    (tmp_path / "script.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(subprocess.CalledProcessError):
        starting_warm(None, warm)(_script(bench_record=record), str(tmp_path / "script.py"))
    columns = _columns(record)
    assert float(columns["s"]) > 0 and columns["cpu_time"] == columns["max_rss"] == "NA" and not caplog.records


@linux
def test_the_libraries_are_imported_once_and_for_more_than_a_few_scripts(monkeypatch):
    begun, may_end = [], threading.Event()

    def prepare(self):
        begun.append(self)
        self._ready = may_end.wait(30)

    monkeypatch.setattr(WarmStart, "_prepare", prepare)
    few, many = WarmStart(cold=2), WarmStart(cold=2)
    few.expect(6)
    many.expect(7)
    assert not any(few.ready() for _ in range(6)) and not begun
    assert [many.ready(), many.ready()] == [False, False]
    with ThreadPoolExecutor(3) as pool:
        third = pool.map(lambda _: many.ready(), range(3))
        may_end.set()
        assert list(third) == [True] * 3 and begun == [many]


@linux
def test_scripts_start_cold_where_the_libraries_cannot_be_imported(monkeypatch):
    monkeypatch.setattr(WarmStart, "wait", lambda self, process: process.join() or 1)
    broken = WarmStart(cold=0)
    broken.expect(100)
    assert not broken.ready() and not broken.ready()


def test_a_scheduler_says_how_many_jobs_there_are():
    told, expected = [], SimpleNamespace(expect=lambda scripts: told.append(scripts))
    made = expecting(lambda self, workflow, *rest, **more: told.append((workflow.dag, rest, more)), expected)
    made(SimpleNamespace(), SimpleNamespace(dag="seven.."), 1, b=2)
    assert told == [7, ("seven..", (1,), {"b": 2})]


def test_a_scheduler_waits_for_one_timer():
    looks = []
    scheduler = SimpleNamespace(_open_jobs=SimpleNamespace(release=lambda: looks.append(1)))
    before = threading.active_count()
    for _ in range(5):
        look_again_once(scheduler, 0.05)
    assert threading.active_count() <= before + 1
    _wait(lambda: looks)
    time.sleep(0.1)
    assert len(looks) == 1
    look_again_once(scheduler, 0.01)
    _wait(lambda: len(looks) == 2)


@linux
def test_the_server_s_folder_goes_with_its_run_or_when_the_next_one_starts():
    code = """
import os, sys
from pathlib import Path
from apexbench.warm_start import WarmStart
started = WarmStart(cold=0)
started.expect(100)
assert started.ready()
print(*(path.name for path in Path(os.environ["TMPDIR"]).iterdir() if path.name.startswith(("apexb-", "pymp"))))
sys.stdout.flush()
if sys.argv[1] == "killed":
    os.kill(os.getpid(), 9)
"""

    def run(how):
        words = [sys.executable, "-c", code, how]
        done = subprocess.run(words, env=os.environ | {"TMPDIR": str(place)}, capture_output=True, text=True)
        assert done.returncode == (-9 if how == "killed" else 0), done.stderr
        return done.stdout.split()

    with tempfile.TemporaryDirectory(prefix="t") as folder:  # pytest's is too long for a socket
        place = Path(folder)
        (first,) = run("killed")
        assert first.startswith("apexb-") and (place / first).exists()
        (second,) = run("to its end")
        assert second != first and not (place / first).exists() and not (place / second).exists()
