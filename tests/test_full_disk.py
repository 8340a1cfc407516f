"""A full disk and a read-only folder, by each way in which a stage writes: a message, the old file, nothing else."""

import gc
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from test_checksums import KINDS
from trees import full_plan

from apexbench import errors
from apexbench.config.tables import Table
from apexbench.datasets.synthetic import lay_out
from apexbench.errors import InputError
from apexbench.evaluation.score_files import write_scores
from apexbench.figures.style import save
from apexbench.snakemake_cli import telling_of_disks
from apexbench.stages.readme import write_readme
from apexbench.store.packs import pack_rows
from apexbench.tables.readme import rewrite
from apexbench.tables.render import write_table
from apexbench.tables.table import COLUMNS, TableData
from apexbench.weights import write_states


def _states(path):
    import torch

    write_states(path, {"*": {"w": torch.zeros(99)}}, {"*": []}, {})


def _readme(path):
    """The study's own; `rewrite` is the project's, and pages of docs/results are written as both are."""
    nothing = {key: {} for key in ("cards", "synthetic", "papers", "pages", "frames", "short", "pictures", "words")}
    write_readme(about="a study", readme="", output=str(path.with_suffix(".md")), **nothing)


def _table():
    card = Table(kind="runtime", title="t")
    return TableData("t", card, "a caption", "", pd.DataFrame(columns=COLUMNS))


WAYS = {
    "render": lambda path: lay_out("smic-hs", full_plan("smic-hs", (1, 2)), path, scale="mini"),
    "index": KINDS["index"][0],
    "protocol": KINDS["protocol"][0],
    "faces": KINDS["faces"][0],
    "frames, magnify, flow, features": KINDS["tensors"][0],
    "pack, pack_maps": KINDS["pack"][0],
    "pretrain": _states,
    "train, import_log": KINDS["predictions"][0],
    "scores": lambda path: write_scores(pd.DataFrame({"run": ["a"]}), path),
    "figures": lambda path: save(Figure((1, 1)), path.with_suffix(".png")),
    "table": lambda path: write_table(_table(), path.with_suffix(".md")),
    "readme": _readme,
}


@contextmanager
def filled():
    """No file may get a byte more, as on a full disk, but for the error's number: needs no disk of our own."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("way", WAYS)
def test_where_nothing_more_can_be_written_the_old_file_stays(tmp_path, way):
    WAYS[way](tmp_path / "file.x")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    other = tmp_path / "other" / "file.x"
    for target in (tmp_path / "file.x", other) if way != "render" else (other,):  # a folder is never written over
        with pytest.raises(InputError) as told, filled():
            WAYS[way](target)
        text = str(told.value)
        assert f"{target.parent}/file" in text and "File too large" in text, text
        assert "Nothing was left half-written" in text and "then rerun: the same command" in text
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_where_nothing_more_can_be_written_the_project_s_readme_stays(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("mine\n<!-- table:x -->\nold\n<!-- /table:x -->\n")
    before = readme.read_bytes()
    with pytest.raises(InputError, match=rf"{readme}: could not be written \(File too large\)"), filled():
        rewrite(readme, {"x": "new"})
    assert readme.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["README.md"]
    rewrite(readme, {"x": "new"})
    assert "new" in readme.read_text()


def _mounted(folder: Path, *words: str) -> None:
    gc.collect()  # what a failed write has left open keeps a disk from becoming read-only
    done = subprocess.run(["mount", *words, str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no disk of our own can be mounted here: {done.stderr.strip()}")


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A disk of 64 KB, as root may make one."""
    folder = tmp_path_factory.mktemp("disk")
    if os.geteuid() or not Path("/bin/mount").exists():
        pytest.skip("only root can mount a disk of its own")
    _mounted(folder, "-t", "tmpfs", "-o", "size=64k", "tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # a writer that failed may still be open


@pytest.mark.parametrize("way", WAYS)
def test_a_full_disk_is_a_message(disk, way):
    (disk / "filler").write_bytes(bytes(2**16))
    try:
        with pytest.raises(InputError) as told:
            WAYS[way](disk / "file.x")
    finally:
        (disk / "filler").unlink()
    text = str(told.value)
    assert f"{disk}/file" in text and "No space left on device" in text and f") in {disk}/" in text, text
    assert "0 bytes are free there" in text and "then rerun: the same command" in text
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_read_only_folder_is_a_message(disk, way):
    _mounted(disk, "-o", "remount,ro")
    try:
        with pytest.raises(InputError, match=r"could not be written \(Read-only file system\) in .*mend the folder's"):
            WAYS[way](disk / "new" / "file.x")
    finally:
        _mounted(disk, "-o", "remount,rw")
    assert list(disk.iterdir()) == []


def test_a_pack_that_outgrows_the_disk_says_its_size_and_no_signal_ends_the_job(disk):
    with (
        pytest.raises(InputError, match=r"p: could not be written \(No space.* 1[0-9]{6} bytes were to be written"),
        pack_rows(disk / "p", ["a"], (2**20,), "u1", {"axes": ["y"]}) as rows,
    ):
        rows[...] = 1  # without its size reserved this would be a SIGBUS
    assert list(disk.iterdir()) == []


def test_a_job_tells_of_other_writes_too_and_of_its_log(disk):
    code = "import sys\nfrom pathlib import Path\nfrom apexbench.jobs import job\n"
    code += "with job(sys.argv[1]):\n Path(sys.argv[2]).write_text('x')"
    log, words = disk.parent / "log-of-job", [sys.executable, "-c", code]
    (disk / "filler").write_bytes(bytes(2**16))
    try:
        done = subprocess.run([*words, str(log), str(disk / "x")], capture_output=True, text=True)
    finally:
        (disk / "filler").unlink()
    assert done.returncode == 1 and "No space left on device" in log.read_text() and "Traceback" not in log.read_text()
    done = subprocess.run([*words, str(disk / "none/log"), "x"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith(f"ERROR {disk}/none/log: could not be written")
    (disk / "x").unlink(missing_ok=True)


def test_what_snakemake_itself_cannot_write_is_told_too():
    told = telling_of_disks(lambda error, linemaps=None: "its own")
    assert "a/b: could not be written (No space" in told(OSError(28, os.strerror(28), "a/b"), {})
    assert "a/b: Permission denied; mend its rights" in told(PermissionError(13, os.strerror(13), "a/b"))
    assert told(ValueError("x"), {}) == told(FileNotFoundError(2, "no", "a")) == "its own"
    assert errors.of_disk(OSError(5, "input/output error")) == ""
