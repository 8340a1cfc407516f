"""The contract is open: a toy of each coming shape trains by run_folds, and a fold alone equals the fold in a batch."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from packs import write_pack
from random_clips import clips, small

from apexbench.errors import InputError
from apexbench.methods import find
from apexbench.methods.base import Fold, alternatives
from apexbench.methods.deep import epochs
from apexbench.protocols import COLUMNS, read_protocol
from apexbench.store.packs import read_pack
from apexbench.training.clips import Rows
from apexbench.training.record import Job
from apexbench.training.run import run_folds
from apexbench.weights import EVERY, write_states

TOYS = ["toy-branches", "toy-memory", "toy-cached", "toy-views", "toy-nested"]


def study(folder, name, count=12):
    """A protocol of two data sets with three subjects each, and a method's packs of them."""
    rows = [
        ("ab"[n % 2], 1 + 3 * n // count, f"c{n}", 5, "x", n % 3, "x", f"{'ab'[n % 2]}:{1 + 3 * n // count}")
        for n in range(count)
    ]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "p.csv", index=False)
    ids = read_protocol(folder / "p.csv")["id"].tolist()
    inputs, packs = clips(name, count), {}
    for role, axes in find(name).reads.items():
        packs[role] = []
        for dataset in "ab":
            own = [n for n, text in enumerate(ids) if text.startswith(dataset)]
            path = folder / f"{role}-{dataset}.safetensors"
            meta = {"axes": list(alternatives(axes)[0])}
            write_pack(path, [ids[n] for n in own], inputs[role][own], meta)
            packs[role].append(str(path))
    return packs


def train(folder, name, packs, folds, output="o.parquet", weights=None, people_of=None, **params):
    params = {**find(name).test_params, **params}
    job = Job(0, "p", ("x", "y", "z"), "run", name, params, 0, "quick", "synthetic", "c")
    path = folder / output
    run_folds(job, str(folder / "p.csv"), packs, folds, str(path), weights=weights, people_of=people_of)
    return pd.read_parquet(path)


FOLDS = ["a:1", "a:2", "a:3", "b:1", "b:2", "b:3"]


@pytest.mark.parametrize("name", TOYS)
def test_a_fold_alone_equals_the_fold_in_a_batch(name, tmp_path):
    packs = study(tmp_path, name)
    whole = train(tmp_path, name, packs, FOLDS)
    alone = train(tmp_path, name, packs, ["b:2"], "alone.parquet")
    pd.testing.assert_frame_equal(alone, whole[whole["fold"] == "b:2"].reset_index(drop=True))
    assert len(alone) and np.isfinite(alone[["p0", "p1", "p2"]]).all(axis=None)


def test_each_fold_has_an_object_of_its_own(tmp_path, monkeypatch):
    made = []
    kind = find("toy-views")
    monkeypatch.setattr(
        kind, "fit", lambda self, train: made.append((id(self), self.__dict__.get("left"))) or setattr(self, "left", 1)
    )
    train(tmp_path, "toy-views", study(tmp_path, "toy-views"), FOLDS[:3])
    assert len(made) == 3 and not any(left for _, left in made)


def trained(name, labels=None):
    labels = np.arange(12) % 3 if labels is None else labels
    return list(epochs(small(name), clips(name, 12), labels, Fold(1)))[-1]


def test_the_penalty_is_on_the_named_layers_only():
    model = small("toy-branches").build()
    first, second = small("toy-branches").optimizer(model).param_groups
    assert first["weight_decay"] == 0.1 and second["weight_decay"] == 0
    assert {id(x) for x in first["params"]} == {id(model.in_space.weight), id(model.in_time.weight)}


def test_the_memory_is_filled_with_the_training_clips_before_each_epoch():
    torch.manual_seed(1)
    assert not small("toy-memory").build().slots.any() and trained("toy-memory").slots.any()


def test_a_frozen_part_stays():
    torch.manual_seed(1)
    before = small("toy-cached").build()
    after = trained("toy-cached")
    assert torch.equal(before.frozen.weight, after.frozen.weight)
    assert not torch.equal(before.head.weight, after.head.weight)


def test_the_groups_of_a_nested_choice_are_the_training_subjects(tmp_path, monkeypatch):
    seen, kind = [], find("toy-nested")
    fit = kind.fit
    monkeypatch.setattr(
        kind, "fit", lambda self, x, y, groups, rng: seen.append(set(groups)) or fit(self, x, y, groups, rng)
    )
    train(tmp_path, "toy-nested", study(tmp_path, "toy-nested"), FOLDS)
    assert seen == [set(FOLDS) - {fold} for fold in FOLDS]


# weights that differ by fold


def encoder(value):
    return {"weight": torch.full((5, 192), value), "bias": torch.zeros(5)}


def test_pre_trained_weights_of_each_fold(tmp_path, monkeypatch):
    packs, given = study(tmp_path, "toy-memory"), []
    seen = {fold: {f"r:{s}" for s in "123" if not fold.endswith(s)} for fold in FOLDS}
    write_states(tmp_path / "w", {fold: encoder(float(n)) for n, fold in enumerate(FOLDS)}, seen, {})
    kind = find("toy-memory")
    build = kind.build
    monkeypatch.setattr(
        kind,
        "build",
        lambda self, weights: given.append(weights["encoder"]["weight"][0, 0].item()) or build(self, weights),
    )
    options = {"encoder": {"pretraining": "mine"}, "weights": {"encoder": str(tmp_path / "w")}}
    people = {"a": "r", "b": "r"}
    train(tmp_path, "toy-memory", packs, FOLDS, people_of=people, **options)
    assert given == [0, 1, 2, 3, 4, 5]
    write_states(tmp_path / "w", {EVERY: encoder(1.0)}, {EVERY: {"other:1"}}, {})
    train(tmp_path, "toy-memory", packs, FOLDS[:2], people_of=people, **options)
    write_states(tmp_path / "w", {EVERY: encoder(1.0)}, {EVERY: {"r:2", "r:9"}}, {})
    with pytest.raises(InputError, match=r"the pre-training 'mine' .* has seen r:2, who are tested in b:2; name a rec"):
        train(tmp_path, "toy-memory", packs, ["b:2"], people_of=people, **options)
    with pytest.raises(InputError, match="run 'run': no file for the weights of 'encoder'"):
        train(tmp_path, "toy-memory", packs, FOLDS, encoder={"pretraining": "mine"})


# what is read


def test_other_axes_than_the_method_reads_are_refused(tmp_path):
    packs = study(tmp_path, "toy-views")
    with pytest.raises(InputError, match=r"frames-a.*: its axes are .*; 'flow' needs \('motion', 'y', 'x'\)"):
        train(tmp_path, "toy-views", {"flow": packs["frames"], "frames": packs["frames"]}, FOLDS)


def test_ragged_packs_of_several_data_sets_are_one(tmp_path):
    """A composite of a pack with 2 frames at most and one with 4: zeros fill, lengths tell."""
    packs = study(tmp_path, "toy-branches")
    for path, most in zip(packs["frames"], (2, 4), strict=True):
        pack = read_pack(path)
        write_pack(path, pack.ids, np.array(pack.x[:, :most]), pack.meta, np.arange(6) % most + 1)
    table = read_protocol(tmp_path / "p.csv")
    inputs = Rows(find("toy-branches"), table, packs, "run").inputs([0, 1, 2, 3])
    first, second = (read_pack(path) for path in packs["frames"])
    assert inputs["frames"].shape == (4, 4, 3, 16, 16)
    np.testing.assert_array_equal(inputs["frames"][0, :2], first.x[0])
    np.testing.assert_array_equal(inputs["frames"][3], second.x[1])
    assert not inputs["frames"][[0, 2], 2:].any() and inputs["frames_lengths"].tolist() == [1, 1, 2, 2]
    assert inputs["subject"].tolist() == ["a:1", "b:1", "a:1", "b:1"]


MEMORY = """
import resource, sys
import numpy as np
import toy_methods
from test_contract import FOLDS, train
from pathlib import Path
folder = Path(sys.argv[1])
def rss():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
packs = lambda size: {"features": [str(folder / f"{size}-{d}") for d in "ab"]}
train(folder, "toy-cached", packs("small"), FOLDS[:2], epochs=1)
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
before = rss()
train(folder, "toy-cached", packs("large"), FOLDS[:2], epochs=1, batch_size=1)
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
print(peak - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_job_holds_its_rows_once(tmp_path):
    study(tmp_path, "toy-cached", 60)
    ids = read_protocol(tmp_path / "p.csv")["id"].tolist()
    meta, size = {"axes": ["frame", "factor", "feature", "y", "x"]}, 0
    for name, side in {"small": 2, "large": 46}.items():
        for dataset in "ab":
            own = [text for text in ids if text.startswith(dataset)]
            x = np.random.default_rng(0).normal(size=(len(own), 11, 9, 8, side, side)).astype("f2")
            size += x.nbytes if name == "large" else 0
            write_pack(tmp_path / f"{name}-{dataset}", own, x, meta)
    # glibc gives large arrays back at once: holes of its heap (6 to 60 MB, by chance) are not what a job holds.
    env = {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1", "PATH": "", "MALLOC_MMAP_THRESHOLD_": "1048576"}
    done = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1.15 * size and size > 190e6
