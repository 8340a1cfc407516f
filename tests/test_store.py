"""Files between stages: whole or not there, and refused with the mend when they are not what they should be."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packs import write_pack
from safetensors.numpy import save_file

from apexbench.clips import COLUMNS, read_index, write_index
from apexbench.errors import InputError, StoreError
from apexbench.store.packs import pack_hash, read_pack
from apexbench.store.tensors import read_tensors, write_tensors
from apexbench.store.unfinished import clear_unfinished
from apexbench.store.writing import atomic, new_folder

ARRAYS = {"x": np.arange(2000, dtype=np.float32).reshape(40, 50)}


def _run(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)


def test_an_error_inside_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="mine"), atomic(target) as part:
        part.write_text("new")
        raise RuntimeError("mine")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and target.read_text() == "old"


def test_the_target_is_old_until_the_block_ends(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    with atomic(target) as part:
        part.write_text("new")
        assert not target.exists() and part.parent.parent == target.parent and part.name == "a.txt"
    assert target.read_text() == "new" and list(target.parent.iterdir()) == [target]


def test_others_may_read_what_was_written(tmp_path):
    write_tensors(tmp_path / "a.safetensors", ARRAYS, {"kind": "test"})
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_full_disk_names_the_file_and_keeps_the_old_one(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(StoreError, match=r"a\.txt: could not be written .*No space left.*rerun"), atomic(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and target.read_text() == "old"


def test_a_disk_that_fills_while_tensors_are_written(tmp_path):
    # no file may grow beyond 64 KiB: the writer itself fails, half-way, as on a full disk
    target = tmp_path / "a.safetensors"
    write_tensors(target, ARRAYS, {"kind": "test"})
    old = target.read_bytes()
    code = """
import resource, sys, numpy
from apexbench.errors import StoreError
from apexbench.store.tensors import write_tensors
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    write_tensors(sys.argv[1], {"x": numpy.zeros(10**6)}, {"kind": "test"})
except StoreError as error:
    print(error)
"""
    done = _run(code, target)
    assert done.returncode == 0, done.stderr
    assert f"{target}: could not be written" in done.stdout and "rerun" in done.stdout
    assert list(tmp_path.iterdir()) == [target] and target.read_bytes() == old


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_writer_killed_half_way_never_shows_a_file(tmp_path, old):
    target = tmp_path / "a.safetensors"
    if old:
        target.write_bytes(old)
    code = """
import os, signal, sys
from apexbench.store.writing import atomic
with atomic(sys.argv[1]) as part:
    part.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert _run(code, target).returncode == -signal.SIGKILL
    assert (target.read_bytes() if target.exists() else None) == old
    with pytest.raises(StoreError, match=r"a\.safetensors.*rerun"):
        read_tensors(target)
    write_tensors(target, ARRAYS, {"kind": "test"})  # and what is left does not stand in the way
    np.testing.assert_array_equal(read_tensors(target)["x"], ARRAYS["x"])


def test_what_killed_writers_left_is_cleared_and_what_is_being_written_stays(tmp_path):
    code = """
import os, signal, sys
from apexbench.store.writing import atomic, new_folder
with new_folder(sys.argv[1] + "/deep/clips") as folder, atomic(sys.argv[1] + "/a.csv") as part:
    (folder / "1.jpg").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert _run(code, tmp_path).returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob(".part-*"))) == 2
    with atomic(tmp_path / "b") as part:
        save_file(ARRAYS, part)  # the library puts another file in its place
        (part.parent / "beside").touch()
        assert sorted(clear_unfinished(tmp_path)) == [f"{tmp_path}/a.csv", f"{tmp_path}/deep/clips"]
        assert part.exists() and list(tmp_path.rglob(".part-*")) == [part.parent]
    with new_folder(tmp_path / "c") as part:
        assert clear_unfinished(tmp_path) == [] and part.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c", "deep"]


def _cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def _headless(path):
    path.write_bytes(path.read_bytes()[:20])


def _empty(path):
    path.write_bytes(b"")


def _random(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def _foreign(path):
    save_file(ARRAYS, path)  # a safetensors file of another program: no record


def _text(path):
    path.write_text("subject,clip\n")


@pytest.mark.parametrize("spoil", [_cut, _headless, _empty, _random, _foreign, _text])
def test_damaged_files_are_refused(tmp_path, spoil):
    path = tmp_path / "a.safetensors"
    write_tensors(path, ARRAYS, {"kind": "test"})
    spoil(path)
    with pytest.raises(StoreError, match=r"a\.safetensors: damaged or not written by ApexBench .*delete it and rerun"):
        read_tensors(path)


def test_a_file_that_is_not_there_and_one_of_another_kind(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(StoreError, match=r"a\.safetensors: no such file; rerun"):
        read_tensors(path)
    write_tensors(path, ARRAYS, {"kind": "flow"})
    with pytest.raises(StoreError, match=r"a\.safetensors: holds 'flow', expected 'pack'; delete it and rerun"):
        read_pack(path)
    assert issubclass(StoreError, InputError)


def test_tensors_are_a_mapping_with_a_record(tmp_path):
    path = tmp_path / "a.safetensors"
    turned = np.arange(6).reshape(2, 3).T  # not contiguous
    write_tensors(path, {"b": turned, **ARRAYS}, {"kind": "test", "clips": {"samm/6/a/1": {"fps": 200.0}}})
    file = read_tensors(path, kind="test")
    assert set(file) == {"b", "x"} and len(file) == 2 and "b" in file and "c" not in file
    np.testing.assert_array_equal(file["b"], turned)
    assert file["x"].dtype == np.float32 and file.meta["clips"] == {"samm/6/a/1": {"fps": 200.0}}
    with pytest.raises(KeyError, match=r"a\.safetensors: no tensor 'c'"):
        file["c"]


def test_the_same_arrays_give_the_same_bytes(tmp_path):
    for name in "ab":
        write_tensors(tmp_path / name, {"y": ARRAYS["x"], **ARRAYS}, {"kind": "test", "n": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_record_says_what_the_file_is(tmp_path):
    with pytest.raises(ValueError, match="kind"):
        write_tensors(tmp_path / "a", ARRAYS, {})
    assert list(tmp_path.iterdir()) == []


def test_packs_join_by_identity_not_by_position(tmp_path):
    ids = ["samm/6/b/10", "samm/6/a/10", "samm/6/a/99"]
    write_pack(tmp_path / "p.safetensors", ids, np.array([[1.0], [2.0], [3.0]]), {"recipe": "r", "axes": ["feature"]})
    pack = read_pack(tmp_path / "p.safetensors")
    assert pack.ids == tuple(ids) and pack.meta["recipe"] == "r"
    for order in (ids, ids[::-1], ids[1:]):
        expected = [float(ids.index(name) + 1) for name in order]
        assert pack.x[pack.rows(order)].ravel().tolist() == expected
    with pytest.raises(KeyError, match="samm/6/a/11"):
        pack.rows(["samm/6/a/11"])


@pytest.mark.parametrize("ids", [["a", "a"], ["a"], ["a", "b", "c"]])
def test_a_pack_has_one_row_for_each_clip(tmp_path, ids):
    with pytest.raises(ValueError, match=f"{len(ids)} clip ids"):
        write_pack(tmp_path / "p", ids, np.zeros((2, 3)), {"axes": ["feature"]})
    assert list(tmp_path.iterdir()) == []


def _index(**changes):
    numbers = {"subject": 6, "onset": 10, "apex": 12, "offset": 15, "n_frames": 6, "fps": 200.0}
    row = dict.fromkeys(COLUMNS, "x") | numbers
    return pd.DataFrame([row, row | {"clip": "006"} | changes])


def test_an_index_keeps_types_and_order(tmp_path):
    write_index(_index(subject=2), tmp_path / "i.csv")
    frame = read_index(tmp_path / "i.csv")
    assert frame["subject"].tolist() == [2, 6] and frame["clip"].tolist() == ["006", "x"]
    assert frame["fps"].tolist() == [200.0, 200.0] and tuple(frame.columns) == COLUMNS


def test_a_clip_twice_in_an_index(tmp_path):
    with pytest.raises(InputError, match=r"i\.csv: clip x/6/x/10 is listed twice; keep one"):
        write_index(_index(clip="x"), tmp_path / "i.csv")
    write_index(_index(clip="x", onset=11), tmp_path / "i.csv")  # two clips of one long video
    assert len(read_index(tmp_path / "i.csv")) == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("onset", "onsett"), r"no column 'onset'"),
        (lambda text: text.replace(",12,", ",twelve,"), r"column 'apex': .*twelve"),
        (lambda text: text.replace("200.0", "fast"), r"column 'fps': .*fast"),
        (lambda text: "", r"not an index"),
    ],
)
def test_a_spoilt_index(tmp_path, spoil, message):
    path = tmp_path / "i.csv"
    write_index(_index(), path)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(StoreError, match=r"i\.csv: not as it was written: .* where its seal says .* 3 lines"):
        read_index(path)
    Path(f"{path}.seal").unlink()
    with pytest.raises(InputError, match=rf"i\.csv: {message}.*delete the file and rerun the rule 'index'"):
        read_index(path)


def test_the_hash_of_a_pack_tells_its_rows_their_names_and_its_record(tmp_path):
    x, ids = np.arange(24, dtype=np.float16).reshape(2, 3, 4), ["d/1/a/1", "d/1/b/1"]
    lengths, meta = np.array([[1, 2, 3], [3, 3, 3]]), {"axes": ["frame", "x"], "recipe": {"a": 1}}
    y = x.copy()
    y[1, 2, 3] += 1
    packs = {
        "one": (ids, x, meta, lengths),
        "the same": (ids, x, meta, lengths),
        "a number": (ids, y, meta, lengths),
        "rows": (ids, x[::-1], meta, lengths),
        "names": (ids[::-1], x, meta, lengths),
        "a type": (ids, x.astype("f4"), meta, lengths),
        "a record": (ids, x, meta | {"recipe": {"a": 2}}, lengths),
        "a length": (ids, x, meta, lengths[::-1]),
    }
    for name, pack in packs.items():
        write_pack(tmp_path / name, *pack)
    hashes = {name: pack_hash(tmp_path / name) for name in packs}
    assert hashes["one"] == hashes["the same"] and len(set(hashes.values())) == len(packs) - 1
