"""What a user types, and what a job says."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from trees import SHEETS, edited

from apexbench import cli
from apexbench.snakemake_cli import reorder

ROOT = Path(__file__).parent.parent

# snakemake


@pytest.mark.parametrize(
    ("typed", "handed"),
    [
        ("--cores 8 --resources gpu=2 all", "all --cores 8 --resources gpu=2"),
        ("--cores 8 --config a=1 all", "all --cores 8 --config a=1"),
        ("-C a=1 b=2 all -n", "all -C a=1 b=2 -n"),
        ("--resources gpu=2 mem_mb=100 all report --cores 1", "all report --resources gpu=2 mem_mb=100 --cores 1"),
        ("--config a=1 all b=2", "all --config a=1 b=2"),
        ("--set-threads train=2 results/a.csv --default-resources mem_mb=1 b",
         "results/a.csv b --set-threads train=2 --default-resources mem_mb=1"),
        ("all --cores 8 --resources gpu=2", None),
        ("--cores 8 --resources gpu=2 -n all", None),
        ("-n all", None),
        ("--cores 8 all", None),
        ("--resources gpu=2 -- all", None),
        ("--resources gpu=2 -- all --config", None),
        ("--cores 8 -- --config a=1 all", None),
        ("--resources=gpu=2 all", None),
        ("--configfile my.yaml all", None),
        ("--until faces flow", None),
        ("--cores 8", None),
        ("", None),
    ],
)  # fmt: skip
def test_only_swallowed_targets_move(typed, handed):
    assert reorder(typed.split()) == (typed if handed is None else handed).split()


def test_words_with_blanks_and_brackets_stay_whole():
    words = ["--config", "methods=[ststnet, null]", "source={samm: synthetic}", "results/a b.csv"]
    assert reorder(words) == [words[3], *words[:3]]


def test_snakemake_understands_the_command_as_typed():
    from snakemake.cli import get_argument_parser

    parser = get_argument_parser()
    arguments = parser.parse_args(reorder(["--cores", "8", "--resources", "gpu=2", "all"]))
    assert list(arguments.targets) == ["all"] and str(arguments.cores) == "8"
    with pytest.raises((SystemExit, ValueError)):  # if this fails one day, the reordering can go
        parser.parse_args(["--cores", "8", "--resources", "gpu=2", "all"])


# apexbench


def test_check_data_reads_the_data_folder_without_a_config(copy, capsys, monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    copy("samm").rename(tmp_path / "data" / "samm")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check-data", "samm"]) == 0
    assert capsys.readouterr().out.startswith("data/samm: 7 clips, 3 subjects, ")


def test_diff_names_what_differs(tmp_path, capsys):
    from predictions import card, predictions, table_of, write

    from apexbench.evaluation.score_files import write_scores
    from apexbench.evaluation.scores import score_runs

    frame = predictions(epochs=2)
    for name, turned in (("a", False), ("b", False), ("c", True)):
        changed = frame.assign(p0=frame["p1"], p1=frame["p0"]) if turned else frame
        path = write(tmp_path / f"{name}.parquet", changed)
        write_scores(score_runs({"ststnet": [path]}, card(), table_of(frame)), tmp_path / name / "scores" / "p.csv")
    assert cli.main(["diff", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert re.fullmatch(r"0 of \d+ rows differ\n", capsys.readouterr().out)
    assert cli.main(["diff", str(tmp_path / "a"), str(tmp_path / "c")]) == 1
    said = capsys.readouterr().out
    assert " last: acc " in said and "seed noise unknown" in said and "train several seeds" in said
    assert cli.main(["diff", str(tmp_path / "a"), str(tmp_path / "none")]) == 1
    assert "none: no scores; expected a study's results" in capsys.readouterr().err


def test_diff_tells_seed_noise_from_more(tmp_path, capsys):
    from predictions import card, predictions, table_of, write

    from apexbench.evaluation.score_files import write_scores
    from apexbench.evaluation.scores import score_runs

    table = table_of(predictions())
    for name, seeds, skill in (("a", (0, 1, 2, 3), 0.3), ("b", (4, 5, 6, 7), 0.3), ("c", (4, 5, 6, 7), 0.9)):
        frames = [predictions(seed=seed, epochs=2, skill=skill) for seed in seeds]
        paths = [write(tmp_path / f"{name}{i}.parquet", frame) for i, frame in enumerate(frames)]
        write_scores(score_runs({"ststnet": paths}, card(), table), tmp_path / name / "scores" / "p.csv")
    lines = {}
    for name in "bc":
        assert cli.main(["diff", str(tmp_path / "a"), str(tmp_path / name)]) == 1
        said = capsys.readouterr().out.splitlines()
        lines[name] = next(line for line in said if line.startswith("samm-3 ststnet last: acc"))
        assert "train several seeds" not in said[-1]
    assert lines["b"].endswith("within seed noise") and lines["c"].endswith("beyond seed noise")


def test_bad_input_is_a_line_and_status_1(copy):
    root = copy("casme2")
    with edited(root / SHEETS["casme2"]) as sheet:
        sheet["E3"], sheet["E1"] = "abc", "Apex"
    command = [sys.executable, "-m", "apexbench.cli", "check-data", "casme2", root]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == "" and "Traceback" not in done.stderr
    assert done.stderr.startswith(f"apexbench: {root / SHEETS['casme2']}, sheet 'Sheet1', row 1: no column 'ApexFrame'")
    with edited(root / SHEETS["casme2"]) as sheet:
        sheet["E1"] = "ApexFrame"
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == "" and "row 3: clip " in done.stdout
    done = subprocess.run([*command, "--apex", "midpoint"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


def test_unknown_data_set(tmp_path, capsys):
    assert cli.main(["check-data", "sam", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("apexbench: unknown data set 'sam'; did you mean 'samm'?")


def test_schemas_are_written_where_they_are_asked_for(tmp_path):
    assert cli.main(["schemas", str(tmp_path / "new")]) == 0
    for path in (ROOT / "config/schemas").glob("*.json"):
        assert (tmp_path / "new" / path.name).read_text() == path.read_text()


# jobs


def _job(tmp_path, body):
    code = f"from apexbench.jobs import job\nfrom apexbench.errors import InputError\nimport os, logging, sys\n{body}"
    return subprocess.run([sys.executable, "-c", code, str(tmp_path / "log")], capture_output=True, text=True)


def test_bad_input_in_a_job_goes_to_its_log_without_a_traceback(tmp_path):
    done = _job(tmp_path, "with job(sys.argv[1]):\n raise InputError('a.xlsx, row 3: field x')")
    assert done.returncode == 1 and done.stderr == ""
    assert (tmp_path / "log").read_text() == "ERROR a.xlsx, row 3: field x\n"


def test_a_fault_of_ours_keeps_its_traceback_in_the_log(tmp_path):
    done = _job(tmp_path, "with job(sys.argv[1]):\n 1 / 0")
    assert done.returncode == 1 and done.stderr == ""
    assert "ZeroDivisionError" in (tmp_path / "log").read_text() and "Traceback" in (tmp_path / "log").read_text()


_STUCK = """import time, threading
from types import SimpleNamespace as Has
from apexbench import jobs
from apexbench.jobs import time_limit
jobs._GRACE = {grace}
def asked(minutes, **wildcards):
 return Has(resources=Has(runtime=minutes), rule="train", wildcards=wildcards)
with job(sys.argv[1]):
 with time_limit(asked(1)):
  pass
 with time_limit(asked(0.01, run="mine", folds="0-2")):
  logging.info("fold samm:6")
  {stuck}
"""


@pytest.mark.parametrize("stuck", ["time.sleep(60)", "x = threading.Lock(); x.acquire(); x.acquire()"])
def test_a_job_that_hangs_is_ended_and_says_where(tmp_path, stuck):
    done = _job(tmp_path, _STUCK.format(stuck=stuck, grace=30))
    text = (tmp_path / "log").read_text()
    assert done.returncode == 1 and text.startswith("INFO this job is ended after 1 minutes (minutes_per_job)\n")
    assert "ERROR rule train (run=mine, folds=0-2), at work on: fold samm:6: not done after its limit of 0.01" in text
    assert "minutes_per_job in config/config.yaml" in text and 'File "<string>", line 16' in text


def test_a_job_that_lets_no_other_thread_run_is_ended_too(tmp_path):
    # a call by PyDLL keeps Python's lock, as compiled code does that hangs within its module
    done = _job(tmp_path, _STUCK.format(stuck="import ctypes; ctypes.PyDLL(None).sleep(60)", grace=0.5))
    assert done.returncode == -signal.SIGALRM and "INFO fold samm:6" in (tmp_path / "log").read_text()


def test_a_job_holds_its_threads_and_logs(tmp_path):
    body = "import cv2\nwith job(sys.argv[1], 2):\n logging.info('hello')\n os.write(2, b'from C\\n')\n"
    done = _job(tmp_path, body + " print(cv2.getNumThreads(), os.environ['OMP_NUM_THREADS'])")
    assert done.returncode == 0 and done.stdout.split() == ["2", "2"]
    assert (tmp_path / "log").read_text() == "INFO hello\nfrom C\n"


def test_output_that_nobody_reads_to_the_end_is_no_error():
    program = Path(sys.executable).parent / "apexbench"
    words = ["bash", "-o", "pipefail", "-c", f"'{program}' audit | head -1"]
    done = subprocess.run(words, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert (
        done.returncode == 0 and done.stderr == "" and done.stdout.startswith("config/published/aman.csv: 3 findings")
    )
