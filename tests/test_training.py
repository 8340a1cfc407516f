"""Training jobs: every fold on its own seed, resumed where they stopped; GPUs lent to one job each."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import toy_methods  # noqa: F401  (lets draws be found, in the killed job too)
from packs import write_pack

from apexbench.errors import InputError
from apexbench.instructions import held
from apexbench.methods import Deep, create
from apexbench.protocols import COLUMNS, read_protocol
from apexbench.store.packs import read_pack
from apexbench.store.tensors import read_tensors
from apexbench.taken_over import put_aside
from apexbench.training import record, run
from apexbench.training.device import lease
from apexbench.training.record import Job
from apexbench.training.run import run_folds, train_fold
from apexbench.training.seeds import stream

FOLDS = ["a:1", "a:2", "b:1", "b:7"]
VIT = {"embed_dim": 32, "depth": 3, "num_heads": 4, "patch_size": 7}
FLOW = {"axes": ["motion", "y", "x"]}
NEAR = {"axes": ["key", "near", "colour", "y", "x"]}
SMALL = {
    "flow-svm": {},
    "draws": {},
    "ststnet": {"epochs": 2, "batch_size": 4},
    "vit-flow": {"epochs": 2, "batch_size": 4, "image_size": 28, "vit": VIT, "mixing": "memix"},
    "mmnet": {"epochs": 2, "batch_size": 4, "image_size": 32, "width": 0.05, "mixing": "balanced-mixup"},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A protocol table of two data sets and four subjects, and their packs, in another order."""
    folder = tmp_path_factory.mktemp("study")
    rows = []
    for fold, count in zip(FOLDS, (4, 3, 3, 2), strict=True):
        dataset, subject = fold.split(":")
        for clip in range(count):
            label = len(rows) % 3
            name = ("bad", "good", "other")[label]
            rows.append((dataset, int(subject), f"c{clip}", 10 * clip, name, label, name, fold))
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "p.csv", index=False)
    ids = read_protocol(folder / "p.csv")["id"]
    rng = np.random.default_rng(0)
    for dataset in "ab":
        own = [*[name for name in ids if name.startswith(dataset)][::-1], f"{dataset}/9/unused/0"]
        write_pack(folder / f"{dataset}.safetensors", own, rng.normal(size=(len(own), 3, 28, 28)).astype("f2"), FLOW)
        frames = rng.integers(0, 256, (len(own), 2, 4, 3, 32, 32), dtype="u1")
        lengths = rng.integers(1, 5, (len(own), 2))
        write_pack(folder / f"{dataset}-frames.safetensors", own, frames, NEAR, lengths)
    return folder


def _job(method, **params):
    return Job(0, "p", ("bad", "good", "other"), "mine", method, {**SMALL[method], **params}, 0, "quick",
               "synthetic", "c0de")  # fmt: skip


def _packs(study):
    flow = [str(study / "b.safetensors"), str(study / "a.safetensors")]
    return {"flow": flow, "frames": [path.replace(".s", "-frames.s") for path in flow]}


def _run(study, output, job, folds=FOLDS, packs=None):
    run_folds(job, str(study / "p.csv"), packs or _packs(study), folds, str(output))
    return pd.read_parquet(output).sort_values(["fold", "epoch", "clip"], ignore_index=True)


def _record(path):
    return json.loads(pyarrow.parquet.read_schema(path).metadata[b"apexbench"])


@pytest.fixture
def trained(monkeypatch):
    """The folds that are trained, as they are, and the trainer; its `stop_at` is the call that is interrupted."""
    calls = []

    def counted(method, train, labels, test, *rest):
        if len(calls) == counted.stop_at:
            raise KeyboardInterrupt
        calls.append(test["id"][0].rsplit("/", 2)[0].replace("/", ":"))
        return train_fold(method, train, labels, test, *rest)

    counted.stop_at = None
    monkeypatch.setattr(run, "train_fold", counted)
    return calls, counted


# seeds


def test_a_seed_is_the_same_for_ever():
    assert stream(0, "samm-3", "ststnet", 0, "samm:6") == 902314868420421531
    assert 0 <= stream(0, "samm-3", "ststnet", 0, "samm:6") < 2**63


def test_every_axis_counts():
    axes = [
        (0, "p", "r", 0, "a:1"), (1, "p", "r", 0, "a:1"), (0, "q", "r", 0, "a:1"), (0, "p", "s", 0, "a:1"),
        (0, "p", "r", 1, "a:1"), (0, "p", "r", 0, "a:2"), (0, "p", "r", 0), (0, "r", "p", 0, "a:1"),
        ("0", "p", "r", 0, "a:1"), (0, "pr", "", 0, "a:1"),
    ]  # fmt: skip
    assert len({stream(*one) for one in axes}) == len(axes)


# folds


@pytest.mark.parametrize("method", SMALL)
def test_a_fold_alone_or_in_another_order_gives_the_same(study, tmp_path, method):
    whole = _run(study, tmp_path / "whole.parquet", _job(method))
    pd.testing.assert_frame_equal(_run(study, tmp_path / "back.parquet", _job(method), FOLDS[::-1]), whole)
    for fold in FOLDS[1:3]:
        alone = _run(study, tmp_path / "alone.parquet", _job(method), [fold])
        pd.testing.assert_frame_equal(alone, whole[whole["fold"] == fold].reset_index(drop=True))


@pytest.mark.parametrize("method", SMALL)
def test_test_labels_are_never_seen(study, tmp_path, method):
    before = _run(study, tmp_path / "before.parquet", _job(method), ["a:2"])
    table = pd.read_csv(study / "p.csv")
    inside = table["fold"] == "a:2"
    table.loc[inside, "label"] = (table.loc[inside, "label"] + 1) % 3
    table.to_csv(tmp_path / "p.csv", index=False)
    run_folds(_job(method), str(tmp_path / "p.csv"), _packs(study), ["a:2"], str(tmp_path / "after.parquet"))
    after = pd.read_parquet(tmp_path / "after.parquet").sort_values(["fold", "epoch", "clip"], ignore_index=True)
    assert (after["label"] != before["label"]).all()
    pd.testing.assert_frame_equal(after.drop(columns="label"), before.drop(columns="label"))


@pytest.mark.parametrize("method", SMALL)
def test_inner_models_never_see_the_test_subject(study, tmp_path, monkeypatch, method):
    """Each fold's training clips are all predicted, by models that saw neither their subject nor the test subject."""
    met = []

    def spy(own, train, labels, test, *rest):
        met.append((set(train["id"]), set(test["id"])))
        return train_fold(own, train, labels, test, *rest)

    monkeypatch.setattr(run, "train_fold", spy)
    whole = _run(study, tmp_path / "o.parquet", _job(method))
    met.clear()
    run_folds(_job(method), str(study / "p.csv"), _packs(study), FOLDS, str(tmp_path / "i.parquet"), inner_folds=2)
    frame = pd.read_parquet(tmp_path / "i.parquet")
    subject = frame["dataset"] + ":" + frame["subject"].astype(str)
    assert (subject != frame["fold"]).all() and list(frame.columns) == list(whole.columns)
    first = frame[frame["epoch"] == 1].groupby("fold")
    assert first.size().to_dict() == {"a:1": 8, "a:2": 9, "b:1": 9, "b:7": 10}
    assert len(met) == 8
    for (inside, validation), fold in zip(met, np.repeat(FOLDS, 2), strict=True):
        prefix = fold.replace(":", "/") + "/"
        assert not [name for name in inside | validation if name.startswith(prefix)]
        assert not {name.rsplit("/", 2)[0] for name in inside} & {name.rsplit("/", 2)[0] for name in validation}
    assert _record(tmp_path / "i.parquet")["inner_folds"] == 2


def test_an_inner_fold_alone_gives_the_same(study, tmp_path):
    frames = []
    for name, folds in (("all", FOLDS), ("one", ["b:1"])):
        path = tmp_path / f"{name}.parquet"
        run_folds(_job("ststnet"), str(study / "p.csv"), _packs(study), folds, str(path), inner_folds=2)
        frame = pd.read_parquet(path)
        frames.append(frame[frame["fold"] == "b:1"].reset_index(drop=True))
    pd.testing.assert_frame_equal(*frames)


# several classes at once


def test_the_labels_of_a_multi_label_table_are_sums_of_powers(study, tmp_path):
    table = pd.read_csv(study / "p.csv")
    table["label"] = [5, 0, 3] * 4
    table.to_csv(tmp_path / "p.csv", index=False)
    job = replace(_job("flow-svm"), multilabel=True)
    run_folds(job, str(tmp_path / "p.csv"), _packs(study), FOLDS, str(tmp_path / "o.parquet"))
    frame = pd.read_parquet(tmp_path / "o.parquet")
    assert sorted(frame["label"]) == sorted(table["label"]) and frame[["p0", "p1", "p2"]].stack().between(0, 1).all()
    assert _record(tmp_path / "o.parquet")["multilabel"] is True


def test_clips_meet_their_maps_by_identity(study, tmp_path, monkeypatch):
    seen = {}

    def spy(method, train, labels, test, *_):
        seen.update(zip(test["id"], test["flow"], strict=True))
        assert not set(train["id"]) & set(test["id"])
        return np.zeros((1, len(test["id"]), 3), np.float32)

    monkeypatch.setattr(run, "train_fold", spy)
    _run(study, tmp_path / "o.parquet", _job("flow-svm"))
    expected = {}
    for path in _packs(study)["flow"]:
        pack = read_pack(path)
        expected |= dict(zip(pack.ids, pack.x, strict=True))
    assert len(seen) == 12
    for name, x in seen.items():
        np.testing.assert_array_equal(x, expected[name])


def test_the_file_of_predictions(study, tmp_path):
    frame = _run(study, tmp_path / "o.parquet", _job("draws"), [*FOLDS, "a:404"])  # a subject without clips here
    assert list(frame.columns) == [
        "protocol", "run", "method", "seed", "fold", "dataset", "subject", "clip", "onset", "label", "epoch",
        "training_loss", "p0", "p1", "p2",
    ]  # fmt: skip
    assert len(frame) == 12 * 3 and set(frame["fold"]) == set(FOLDS)
    assert frame[["protocol", "run", "method", "seed"]].drop_duplicates().values.tolist() == [["p", "mine", "draws", 0]]
    assert frame["epoch"].value_counts().to_dict() == {1: 12, 2: 12, 3: 12}
    table = read_protocol(study / "p.csv").merge(frame, on=["dataset", "subject", "clip", "onset", "fold"])
    assert len(table) == 36 and (table["label_x"] == table["label_y"]).all()
    written = _record(tmp_path / "o.parquet")
    assert {
        "classes",
        "data_source",
        "budget",
        "config_hash",
        "made_of",
        "inner_folds",
        "multilabel",
        "code_hash",
        "versions",
        "commit",
        "hyper_parameters",
        "processor",
        "instructions",
        "device",
        "driver",
        "seconds",
        "peak_mb",
        "micro_batches",
        "folds",
    } == set(written)
    assert written["classes"] == ["bad", "good", "other"] and written["folds"] == 4 and written["device"] == "cpu"
    assert written["code_hash"] == "c0de" and written["data_source"] == "synthetic" and written["seconds"] >= 0
    assert {"python", "numpy", "torch", "scikit-learn"} <= set(written["versions"])
    assert written["processor"] and written["instructions"] == held()
    assert written["hyper_parameters"] == {"epochs": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.parquet", "o.parquet.seal"]


def test_the_record_has_the_hyper_parameters_that_the_card_leaves_as_they_are(study, tmp_path):
    _run(study, tmp_path / "o.parquet", _job("flow-svm", C=3.0), FOLDS[:1])
    assert _record(tmp_path / "o.parquet")["hyper_parameters"] == {
        "kernel": "rbf", "C": 3.0, "gamma": "scale", "scale": "clip", "strain": True,
    }  # fmt: skip


def test_the_commit_is_that_of_the_checkout_and_empty_outside(tmp_path, monkeypatch):
    module = tmp_path / "training" / "record.py"
    module.parent.mkdir()
    monkeypatch.setattr(record, "__file__", str(module))
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    assert record.commit() == ""
    subprocess.run([*git, "init", "-q"], check=True)
    assert record.commit() == ""  # nothing committed yet
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    assert len(record.commit()) == 40
    monkeypatch.setenv("PATH", "")
    assert record.commit() == ""


def test_the_config_hash_leaves_the_seed_out(study, tmp_path):
    hashes = []
    for job in (_job("draws"), replace(_job("draws"), seed=1), _job("draws", epochs=2)):
        _run(study, tmp_path / "o.parquet", job, FOLDS[:1])
        hashes.append(_record(tmp_path / "o.parquet")["config_hash"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_clip_that_no_pack_holds_is_left_out_and_named(study, tmp_path, caplog):
    pack = read_tensors(study / "a.safetensors")
    keep = [i for i, name in enumerate(pack.meta["ids"]) if name != "a/1/c2/20"]
    write_pack(tmp_path / "a.safetensors", [pack.meta["ids"][i] for i in keep], pack["x"][keep], FLOW)
    packs = {"flow": [str(tmp_path / "a.safetensors"), str(study / "b.safetensors")]}
    frame = _run(study, tmp_path / "o.parquet", _job("flow-svm"), packs=packs)
    assert len(frame) == 11
    assert "1 clip(s) of the protocol are not in the pack 'flow': ['a/1/c2/20']" in caplog.text


def test_a_card_without_the_input_that_the_method_reads(study, tmp_path):
    with pytest.raises(InputError, match=r"run 'mine' \(flow-svm\): its inputs have no 'flow'"):
        run_folds(_job("flow-svm"), str(study / "p.csv"), {"frames": []}, FOLDS, str(tmp_path / "o.parquet"))
    with pytest.raises(InputError, match="run 'mine': unknown hyper-parameter 'epoch'"):
        _run(study, tmp_path / "o.parquet", _job("draws", epoch=1))


# stopped and taken up again


@pytest.mark.parametrize("method", SMALL)
def test_a_stopped_job_goes_on_where_it_was(study, tmp_path, trained, method):
    calls, train = trained
    expected = _run(study, tmp_path / "whole.parquet", _job(method))
    calls.clear()
    train.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        _run(study, tmp_path / "o.parquet", _job(method))
    assert calls == FOLDS[:2] and not (tmp_path / "o.parquet").exists()
    calls.clear()
    train.stop_at = None
    pd.testing.assert_frame_equal(_run(study, tmp_path / "o.parquet", _job(method)), expected)
    assert calls == FOLDS[2:]
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["o", "o.parquet", "whole", "whole.parquet"]


def _stopped(study, tmp_path, trained):
    calls, train = trained
    train.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        _run(study, tmp_path / "o.parquet", _job("draws"))
    calls.clear()
    train.stop_at = None
    return calls


@pytest.mark.parametrize(
    "changes", [{"params": {"epochs": 2}}, {"seed": 1}, {"code": "other"}, {"study_seed": 5}, {"budget": "paper"}]
)
def test_folds_of_another_job_are_not_taken(study, tmp_path, trained, changes):
    calls = _stopped(study, tmp_path, trained)
    _run(study, tmp_path / "o.parquet", replace(_job("draws"), **changes))
    assert calls == FOLDS


def test_folds_of_other_data_are_not_taken(study, tmp_path, trained):
    calls = _stopped(study, tmp_path, trained)
    table = pd.read_csv(study / "p.csv")
    table.loc[0, "label"] = 2
    table.to_csv(tmp_path / "p.csv", index=False)
    run_folds(_job("draws"), str(tmp_path / "p.csv"), {}, FOLDS, str(tmp_path / "o.parquet"))
    assert calls == FOLDS


def test_folds_of_other_clips_are_not_taken(study, tmp_path, trained):
    """One number of one row is another; the same rows written once more are the same."""
    calls, train = trained
    pack = read_pack(study / "a.safetensors")
    packs, x = _packs(study), np.array(pack.x)
    for name, value in (("same", x[0, 0, 0, 0]), ("other", x[0, 0, 0, 0] + 1)):
        output = tmp_path / f"{name}.parquet"
        train.stop_at = len(calls) + 2
        with pytest.raises(KeyboardInterrupt):
            _run(study, output, _job("flow-svm"))
        train.stop_at = None
        calls.clear()
        x[0, 0, 0, 0] = value
        write_pack(tmp_path / f"{name}.safetensors", pack.ids, x, FLOW)
        changed = [path.replace(str(study / "a."), str(tmp_path / f"{name}.")) for path in packs["flow"]]
        _run(study, output, _job("flow-svm"), packs=packs | {"flow": changed})
        assert calls == (FOLDS[2:] if name == "same" else FOLDS)


def test_an_output_that_is_made_of_the_same_is_put_back(study, tmp_path, trained):
    calls, output = trained[0], tmp_path / "o.parquet"

    def again(*arguments):
        calls.clear()
        put_aside(output)
        assert not output.exists()
        return _run(study, output, *arguments)

    first = _run(study, output, _job("draws"))
    (tmp_path / "o.parquet.folds").mkdir()  # as a kill after the last write leaves it
    pd.testing.assert_frame_equal(again(_job("draws")), first)
    assert calls == [] and sorted(path.name for path in tmp_path.iterdir()) == ["o.parquet", "o.parquet.seal"]
    assert set(again(_job("draws"), FOLDS[1:])["fold"]) == set(calls) == set(FOLDS[1:]), "other folds"
    again(_job("draws"))
    output.write_bytes(output.read_bytes()[:-1] + b"x")
    pd.testing.assert_frame_equal(again(_job("draws")), first)
    assert calls == FOLDS, "it was not as it was written"
    again(replace(_job("draws"), code="other"))
    assert calls == FOLDS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.parquet", "o.parquet.seal"]


def test_the_losses_of_the_training_clips_are_kept_by_epoch(study, tmp_path):
    frame = _run(study, tmp_path / "o.parquet", _job("ststnet"), FOLDS[:2])
    by_epoch = frame.groupby(["fold", "epoch"])["training_loss"].agg(["nunique", "first"])
    assert (by_epoch["nunique"] == 1).all() and np.isfinite(by_epoch["first"]).all() and len(by_epoch) == 4
    method = create("ststnet", 3, **{**SMALL["ststnet"], "dropout": 0.0, "learning_rate": 0.0, "batch_size": 3})
    inputs = {"flow": np.random.default_rng(0).normal(size=(8, 3, 28, 28)).astype("f2"), "id": np.arange(8)}
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    train_fold(method, inputs, labels, inputs, 0)
    assert len(method.losses) == 2 and 0.5 < method.losses[0] < 3
    assert _run(study, tmp_path / "m.parquet", _job("flow-svm"), FOLDS[:2])["training_loss"].isna().all()


def test_a_kept_fold_that_is_not_whole_is_trained_again(study, tmp_path, trained):
    calls = _stopped(study, tmp_path, trained)
    kept = tmp_path / "o.parquet.folds" / "a-1.safetensors"
    kept.write_bytes(kept.read_bytes()[:-5])
    _run(study, tmp_path / "o.parquet", _job("draws"))
    assert calls == ["a:1", *FOLDS[2:]]


def test_a_killed_job_leaves_whole_folds_only(study, tmp_path):
    code = """
import os, signal, sys
import apexbench.training.run as run
from test_training import FOLDS, _job
write, count = run.write_tensors, []
def killed(*arguments):
    if len(count) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    write(*arguments)
    count.append(1)
run.write_tensors = killed
run.run_folds(_job("draws"), sys.argv[1], {}, FOLDS, sys.argv[2])
"""
    output = tmp_path / "o.parquet"
    done = subprocess.run(
        [sys.executable, "-c", code, str(study / "p.csv"), str(output)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL and not output.exists()
    kept = sorted(path.name for path in (tmp_path / "o.parquet.folds").iterdir())
    assert kept == ["a-1.safetensors", "a-2.safetensors"]
    pd.testing.assert_frame_equal(
        _run(study, output, _job("draws")), _run(study, tmp_path / "whole.parquet", _job("draws"))
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_diverged_training_is_no_result(study, tmp_path, monkeypatch, value):
    def diverged(self, train, labels, test, fold):
        return np.full((1, len(test["id"]), 3), value, np.float32)

    monkeypatch.setattr(type(create("draws", 3)), "scores", diverged)
    with pytest.raises(RuntimeError, match="diverged") as caught:
        _run(study, tmp_path / "o.parquet", _job("draws"))
    assert caught.value.__notes__ == ["in p, run mine, seed 0, fold a:1"]
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_diverges(study, tmp_path):
    with pytest.raises(RuntimeError, match="diverged"):
        _run(study, tmp_path / "o.parquet", _job("ststnet", learning_rate=1e38, epochs=4), FOLDS[:1])


# memory


class _Full:
    """A step that finds no memory for more clips than `clips`, as a GPU has none, and counts those of each try."""

    def __init__(self, monkeypatch, clips):
        self.seen, step = [], Deep.step

        def limited(method, model, data, rows, rng):
            self.seen.append(len(rows))
            if len(rows) > clips:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return step(method, model, data, rows, rng)

        monkeypatch.setattr(Deep, "step", limited)


def test_out_of_memory_once_more_in_parts_of_a_batch(study, tmp_path, monkeypatch, caplog):
    """The effective batch stays: without what looks at a batch as a whole, scores are the same but for rounding."""
    job = _job("vit-flow", mixing="none", batch_size=8, augmentation="none")
    whole = _run(study, tmp_path / "whole.parquet", job)
    steps = _Full(monkeypatch, clips=2)
    parts = _run(study, tmp_path / "parts.parquet", job)
    written = _record(tmp_path / "parts.parquet")
    assert written["micro_batches"] == dict.fromkeys(FOLDS, 4) and written["peak_mb"] > 50
    assert _record(tmp_path / "whole.parquet")["micro_batches"] == {}
    assert steps.seen[:5] == [8, 2, 2, 2, 2] and "out of memory" in caplog.text
    for column in ("p0", "p1", "p2", "training_loss"):
        np.testing.assert_allclose(parts[column], whole[column], atol=2e-4)


def test_out_of_memory_twice_is_an_error_with_a_way_out(study, tmp_path, monkeypatch):
    _Full(monkeypatch, clips=0)
    with pytest.raises(RuntimeError, match="out of memory") as caught:
        _run(study, tmp_path / "o.parquet", _job("ststnet"), FOLDS[:1])
    assert "smaller batch_size" in caught.value.__notes__[0]


def test_other_errors_are_not_tried_again(study, tmp_path, monkeypatch):
    tries = []

    def fail(*_):
        tries.append(1)
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Deep, "step", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        _run(study, tmp_path / "o.parquet", _job("ststnet"), FOLDS[:1])
    assert len(tries) == 1


# GPUs

HOLD = """
import os, sys, time
from apexbench.training.device import lease
for _ in range(int(sys.argv[2])):
    os.environ["CUDA_VISIBLE_DEVICES"] = "GPU-a,GPU-b"
    with lease(int(sys.argv[3]), int(sys.argv[5])) as device:
        assert device == "cuda"
        held = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
        assert len(set(held)) == int(sys.argv[3])
        for name in held:
            os.close(os.open(f"{sys.argv[1]}/{name}.busy", os.O_CREAT | os.O_EXCL))  # fails if another holds it
        print(*held, flush=True)
        time.sleep(float(sys.argv[4]))
        for name in held:
            os.unlink(f"{sys.argv[1]}/{name}.busy")
"""


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """Two devices that no machine has."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    monkeypatch.setenv("APEXBENCH_LOCKS", str(tmp_path / "locks"))
    return tmp_path


def _hold(folder, times, gpus, seconds, slots=1):
    command = [sys.executable, "-c", HOLD, str(folder), str(times), str(gpus), str(seconds), str(slots)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("gpus", [(1, 1, 1, 1), (2, 1, 2, 1)])
def test_no_device_has_two_holders(pool, gpus):
    jobs = [_hold(pool, 3, count, 0.03) for count in gpus]
    held = set()
    for job in jobs:
        out, err = job.communicate(timeout=60)
        assert job.returncode == 0, err
        held |= set(out.split())
    assert held == {"GPU-a", "GPU-b"}


def test_a_killed_holder_keeps_nothing(pool):
    job = _hold(pool, 1, 2, 600)
    assert job.stdout.readline().split() == ["GPU-a", "GPU-b"]
    job.kill()
    job.wait()
    start = time.monotonic()
    with lease(2) as device:
        assert device == "cuda" and os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-a,GPU-b"
    assert time.monotonic() - start < 30


def test_a_second_job_waits_for_the_first(pool):
    with lease(2):
        job = _hold(pool, 1, 1, 0)
        with pytest.raises(subprocess.TimeoutExpired):
            job.wait(0.7)
    out, err = job.communicate(timeout=60)
    assert job.returncode == 0 and out.strip() in ("GPU-a", "GPU-b"), err


def test_an_error_in_the_job_gives_the_device_back(pool, monkeypatch):
    with pytest.raises(RuntimeError), lease(2):
        raise RuntimeError
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    with lease(2) as device:
        assert device == "cuda"


def test_jobs_may_share_a_device_but_each_has_one_first(pool, monkeypatch):
    with ExitStack() as held:
        for seen in ("GPU-a", "GPU-b", "GPU-a", "GPU-b"):
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
            held.enter_context(lease(1, slots=2))
            assert os.environ["CUDA_VISIBLE_DEVICES"] == seen
        job = _hold(pool, 1, 1, 0, slots=2)
        with pytest.raises(subprocess.TimeoutExpired):
            job.wait(0.7)
    assert job.wait(60) == 0


def test_no_place_for_the_locks(pool, monkeypatch):
    (pool / "file").touch()
    monkeypatch.setenv("APEXBENCH_LOCKS", str(pool / "file" / "locks"))
    with (
        pytest.raises(InputError, match=r"file/locks: no folder for the locks .*; name one .* in APEXBENCH_LOCKS"),
        lease(1),
    ):
        pass


def test_more_than_can_be_seen(pool):
    with pytest.raises(InputError, match=r"3 GPUs asked for, 2 visible; lower --resources gpu=2"), lease(3):
        pass


@pytest.mark.parametrize(("gpus", "visible"), [(0, "GPU-a,GPU-b"), (1, "")])
def test_without_a_gpu_the_device_is_the_cpu_and_cuda_is_hidden(pool, monkeypatch, gpus, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with lease(gpus) as device:
        assert device == "cpu" and os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert not (pool / "locks").exists()
