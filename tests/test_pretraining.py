"""Pre-training: once on other data sets, for each fold, and in a chain; whom a state has seen, nobody is tested on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from packs import write_pack
from random_clips import clips, small

from apexbench.clips import COLUMNS as INDEX_COLUMNS
from apexbench.config.recipes import PretrainingRecipe, Recipes
from apexbench.errors import InputError
from apexbench.imagenet import normalised
from apexbench.methods import create
from apexbench.methods.base import FLOW, KEY_FRAMES, Fold
from apexbench.methods.deep import Clips, epochs, predict
from apexbench.methods.pretraining import find_task, task_names
from apexbench.protocols import COLUMNS
from apexbench.stages import pretrain as stage
from apexbench.stages.features import features
from apexbench.stages.pretrain import PretrainingJob, pretrain
from apexbench.store.tensors import read_tensors, write_tensors
from apexbench.timm_resnet import create_network
from apexbench.training.pretraining import Pretrainings
from apexbench.training.record import Job
from apexbench.training.run import initial_weights, run_folds
from apexbench.weights import EVERY, Weights, read_seen, read_states, write_states

VIT = {"embed_dim": 32, "depth": 2, "num_heads": 4}
RESNET = find_task("reconstruct").test_params["resnet"]
FOLDS = ["a:1", "a:2", "a:3"]
PEOPLE = {"a": "r", "b": "q"}


@pytest.fixture
def study(tmp_path):
    """A protocol of the data set a, an index of b, and packs of both: frames and flow of 48 px."""
    for dataset, count in {"a": 9, "b": 6}.items():
        rows = [(dataset, 1 + n // 3, f"c{n}", 1) for n in range(count)]
        if dataset == "a":
            table = [(*row, "x", n % 2, "x", f"a:{row[1]}") for n, row in enumerate(rows)]
            pd.DataFrame(table, columns=list(COLUMNS)).to_csv(tmp_path / "p.csv", index=False)
        index = pd.DataFrame(rows, columns=["dataset", "subject", "clip", "onset"]).reindex(columns=INDEX_COLUMNS)
        numbers = {"apex": 2, "offset": 3, "n_frames": 3, "fps": 100, "emotion": ["Fear", "joy"] * (count // 2 + 1)}
        for name, value in numbers.items():
            index[name] = value[:count] if isinstance(value, list) else value
        index.to_csv(tmp_path / f"{dataset}.csv", index=False)
        ids = [f"{d}/{s}/{c}/{o}" for d, s, c, o in rows]
        rng = np.random.default_rng(count)
        frames = rng.integers(0, 256, (count, 2, 3, 48, 48), dtype=np.uint8)
        write_pack(tmp_path / f"frames-{dataset}", ids, frames, {"axes": KEY_FRAMES})
        write_pack(tmp_path / f"flow-{dataset}", ids, rng.normal(size=(count, 3, 48, 48)).astype("f2"), {"axes": FLOW})
    return tmp_path


def once(study, name="others", output="others", weights=None, **params):
    params = {"epochs": 1, "batch_size": 4, "resnet": RESNET, **params}
    job = PretrainingJob(name, "reconstruct", params, "all", 0, "quick", "c")
    pretrain(job=vars(job), packs={"frames": [str(study / "frames-b")]}, output=str(study / output),
             indexes=[str(study / "b.csv")], weights=weights, people_of=PEOPLE)  # fmt: skip
    return str(study / output)


def by_fold(study, folds=FOLDS, output="folds", weights=None, people_of=PEOPLE, start="random"):
    params = {"epochs": 1, "batch_size": 4, "resnet": RESNET, "weights": start}
    job = PretrainingJob("faces", "reconstruct", params, "fold", 0, "quick", "c", "p", ("x", "y"))
    pretrain(job=vars(job), packs={"frames": [str(study / "frames-a")]}, output=str(study / output),
             protocol=str(study / "p.csv"), folds=folds, weights=weights, people_of=people_of)  # fmt: skip
    return str(study / output)


def train(study, weights, named, folds=FOLDS, **options):
    params = {"epochs": 1, "batch_size": 4, "image_size": 48, "vit": VIT, "resnet": RESNET, "semantic_weights": named}
    job = Job(0, "p", ("x", "y"), "run", "mixmeformer", params, 0, "quick", "synthetic", "c")
    packs = {role: [str(study / f"{role}-a")] for role in ("flow", "frames")}
    output = study / "o.parquet"
    files = {"semantic_weights": weights}
    run_folds(job, str(study / "p.csv"), packs, folds, str(output), weights=files, people_of=PEOPLE, **options)
    return pd.read_parquet(output)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(x, other[name]) for name, x in one.items())


# the task


def test_names():
    assert task_names() == ["classify-clips", "classify-faces", "reconstruct", "srmcl-reconstruction"]
    with pytest.raises(InputError, match="unknown task 'reconstruc'; did you mean 'reconstruct'"):
        find_task("reconstruc")


def test_reconstruction_is_learned_and_the_frame_that_is_seen_is_drawn():
    kind = find_task("reconstruct")
    some = clips(kind, 6)
    some["frames"] = (some["frames"] // 4 + 96 * (np.arange(6) % 2)[:, None, None, None, None]).astype(np.uint8)
    task = small(kind, epochs=40, learning_rate=3e-3)
    held = Clips(task, some)
    losses = []
    for model in epochs(task, some, None, Fold(0)):
        with torch.inference_mode():  # normalised by the clips themselves: of few steps no running mean is known
            losses.append(float(task.loss(model(**held.batch(range(6))), None)))
    assert losses[-1] < losses[0] / 3
    batch = held.batch(np.zeros(40, int), np.random.default_rng(0))["frame"]
    shown = {tuple(x) for x in (batch[:, :, 0, 0] * 255).round().int().tolist()}
    assert shown == {tuple(x) for x in some["frames"][0, :, :, 0, 0].tolist()}
    assert torch.equal(held.batch([2])["frame"][0] * 255, torch.from_numpy(some["frames"][2, 0]).float())


# faces: weights for features

FACES = {"epochs": 2, "batch_size": 4, "width": 0.1}


def test_expressions_are_learned_wherever_in_the_clip_they_are():
    kind, rng = find_task("classify-faces"), np.random.default_rng(0)
    frames = rng.integers(0, 60, (24, 3, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(24) % 2
    for clip, label in enumerate(labels):  # one frame of three shows it, at the top or at the bottom
        frames[clip, clip % 3, :, 20 * label : 20 * label + 10] += 150
    task = kind(2, kind.parse({"epochs": 20, "batch_size": 8, "width": 0.1, "learning_rate": 3e-3}, "test"))
    held = frames[:, ::-1].copy()
    *_, model = epochs(task, {"frames": frames}, labels, Fold(0))
    assert (predict(task, model, Clips(task, {"frames": held})).argmax(1) == labels).all()
    ragged = {"frames": np.concatenate([held, frames], 1), "frames_lengths": np.full(24, 3, np.int32)}
    np.testing.assert_allclose(
        predict(task, model, Clips(task, ragged)),
        predict(task, model, Clips(task, {"frames": held})),
        rtol=1e-4,
        atol=1e-4,
    )


def test_the_onset_may_be_left_out():
    kind = find_task("classify-faces")
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 3, 32, 32), dtype=np.uint8)
    task = kind(2, kind.parse(FACES | {"skip_onset": True}, "test"))
    batch = {"frames": torch.from_numpy(frames), "frames_lengths": torch.tensor([4, 2, 3])}
    done = task.transform(batch)
    assert torch.equal(done["frames"], normalised(batch["frames"][:, 1:]))
    assert done["frames_lengths"].tolist() == [3, 1, 2]
    with pytest.raises(ValueError, match="skip_onset, but the pack has one frame of each clip"):
        task.tensors({"frames": frames[:, :1]})


def faces(study, output="faces"):
    job = PretrainingJob("faces", "classify-faces", FACES, "all", 0, "quick", "c")
    pretrain(job=vars(job), packs={"frames": [str(study / "frames-b")]}, output=str(study / output),
             indexes=[str(study / "b.csv")], people_of=PEOPLE)  # fmt: skip
    return str(study / output)


def test_features_by_weights_that_are_trained_here(study):
    path = faces(study, "faces.safetensors")
    rng = np.random.default_rng(1)
    clip = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    shard, meta = study / "shard", {"kind": "shard", "axes": ["frame", "y", "x", "colour"], "clips": {"a/1/c/1": {}}}
    write_tensors(shard, {"a/1/c/1": clip}, meta)
    recipe = {
        "of": "some",
        "extractor": "resnet",
        "options": {"layer": "layer1", "width": 0.1, "weights": {"file": path}},
    }
    features(shard=str(shard), recipe=recipe, output=str(study / "out"), people="r")
    network = create_network("resnet18", 0.1).eval()
    network.load_state_dict(read_states(path, EVERY))
    with torch.no_grad():
        x = normalised(torch.from_numpy(clip).permute(0, 3, 1, 2))
        maps = network.layer1(network.maxpool(network.act1(network.bn1(network.conv1(x)))))
    np.testing.assert_allclose(read_tensors(study / "out")["a/1/c/1"], maps.numpy(), rtol=2e-3, atol=2e-3)
    with pytest.raises(
        InputError, match=r"faces\.safetensors: these weights have seen q:1, whose features they are to"
    ):
        features(shard=str(shard), recipe=recipe, output=str(study / "other"), people="q")
    damaged = Path(path).read_bytes()
    Path(path).write_bytes(damaged[:-9] + b"x" + damaged[-8:])
    with pytest.raises(InputError, match="is not as it was written"):
        features(shard=str(shard), recipe=recipe, output=str(study / "other"), people="r")


def test_a_file_of_ours_is_refused_where_it_has_seen_whom_one_tests(study):
    path = once(study, output="others.safetensors")
    with pytest.raises(InputError, match="has seen q:1, who are tested in a:1"):
        initial_weights(
            create("mixmeformer", 2, semantic_weights={"file": path}),
            {"semantic_weights": path},
            "a:1",
            {"q:1"},
            "here",
        )
    found = initial_weights(
        create("mixmeformer", 2, semantic_weights={"file": path}), {"semantic_weights": path}, "a:1", {"r:1"}, "here"
    )
    assert equal(found["semantic_weights"], read_states(path, EVERY))


# once, by fold, in a chain


def test_once_on_other_data_sets(study):
    path = once(study)
    assert read_seen(path, "a:1") == read_seen(path, EVERY) == {"q:1", "q:2"}
    assert equal(read_states(path, "a:1"), read_states(path, "a:3"))
    assert equal(read_states(once(study, output="again"), EVERY), read_states(path, EVERY))
    frame = train(study, path, {"pretraining": "others"})
    assert set(frame["fold"]) == set(FOLDS) and frame[["p0", "p1"]].notna().all(axis=None)


def test_the_method_begins_with_the_encoder_of_its_fold(study, monkeypatch):
    from apexbench.methods.networks import mixmeformer

    path, given = by_fold(study), []
    load = mixmeformer.load
    monkeypatch.setattr(
        mixmeformer, "load", lambda model, state, source: given.append(state) or load(model, state, source)
    )
    train(study, path, {"pretraining": "faces"})
    assert all(equal(state, read_states(path, fold)) for state, fold in zip(given, FOLDS, strict=True))
    assert not equal(given[0], given[1])


def test_a_fold_sees_its_training_side_only(study, monkeypatch):
    met, train_one = [], stage.epochs
    monkeypatch.setattr(
        stage,
        "epochs",
        lambda task, inputs, *rest: met.append(set(inputs["subject"])) or train_one(task, inputs, *rest),
    )
    path = by_fold(study)
    assert met == [{"a:2", "a:3"}, {"a:1", "a:3"}, {"a:1", "a:2"}]
    assert read_seen(path, "a:1") == {"r:2", "r:3"}
    alone = by_fold(study, ["a:2"], "alone")
    assert equal(read_states(alone, "a:2"), read_states(path, "a:2"))
    with pytest.raises(InputError, match="holds no weights for the fold 'a:1', but for a:2"):
        read_states(alone, "a:1")


def test_a_chain_has_seen_whom_its_start_has_seen(study):
    first = once(study)
    start = {"pretraining": "others"}
    path = by_fold(study, ["a:1"], weights={"weights": first}, start=start)
    people = {"r:2", "r:3", "q:1", "q:2"}
    assert read_seen(path, "a:1") == people
    file = once(study, output="first.safetensors")  # of ours too, but named by its path
    assert read_seen(by_fold(study, ["a:1"], "path", {"weights": file}, start={"file": file}), "a:1") == people
    plain = by_fold(study, ["a:1"], "plain")
    assert not equal(read_states(path, "a:1"), read_states(plain, "a:1"))
    with pytest.raises(
        InputError, match=r"'others' .* has seen q:1, who are tested in a:1; name a recipe of scope fold"
    ):
        by_fold(study, ["a:1"], "leak", {"weights": first}, {"a": "q"}, start)


def test_weights_that_saw_a_test_subject_are_refused(study):
    path = by_fold(study)
    names = ["a:1 inner 0", "a:1 inner 1"]  # parts of the training subjects, whom the weights of the fold have seen
    state, seen = read_states(path, "a:1"), read_seen(path, "a:1")
    write_states(study / "renamed", dict.fromkeys(names, state), dict.fromkeys(names, seen), {})
    with pytest.raises(
        InputError, match=r"has seen r:[23], who are tested in a:1 inner 0; name a recipe of scope fold"
    ):
        train(study, str(study / "renamed"), {"pretraining": "faces"}, ["a:1"], inner_folds=2)
    with pytest.raises(InputError, match="holds no weights for the fold 'a:1 inner 0', but for a:1, a:2, a:3"):
        train(study, path, {"pretraining": "faces"}, ["a:1"], inner_folds=2)


def test_a_killed_pre_training_goes_on_where_it_was(study, monkeypatch):
    whole, calls, train_one = by_fold(study, output="whole"), [], stage.epochs

    def counted(task, inputs, *rest):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train_one(task, inputs, *rest)

    monkeypatch.setattr(stage, "epochs", counted)
    with pytest.raises(KeyboardInterrupt):
        by_fold(study)
    assert not (study / "folds").exists()
    path = by_fold(study)
    assert len(calls) == 4 and not (study / "folds.folds").exists()
    assert all(equal(read_states(path, fold), read_states(whole, fold)) for fold in FOLDS)


def test_a_task_that_learns_from_labels(study, monkeypatch):
    given, train_one = [], stage.epochs
    monkeypatch.setattr(find_task("reconstruct"), "labelled", True)

    def spy(task, inputs, labels, fold):
        given.append((task.num_classes, labels.tolist()))
        return train_one(task, inputs, labels, fold)

    monkeypatch.setattr(stage, "epochs", spy)
    once(study)
    by_fold(study, ["a:1"])
    assert given == [(2, [0, 1, 0, 1, 0, 1]), (2, [1, 0, 1, 0, 1, 0])]


# the configuration

AXES = {"frames-48": KEY_FRAMES, "flow-48": FLOW}
ALL = {"task": "reconstruct", "inputs": {"frames": "frames-48"}, "clips": {"scope": "all", "datasets": ["b"]}}
EACH = {"task": "reconstruct", "inputs": {"frames": "frames-48"}, "clips": {"scope": "fold"}}


def pretrainings(budget="paper", **recipes):
    return Pretrainings({name: PretrainingRecipe(**recipe) for name, recipe in recipes.items()}, budget)


def check(**recipes):
    pretrainings(**recipes).check(AXES.get, lambda name: 48, AXES, ["a", "b"])


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"task": "reconstuct"}, "one.task': unknown task 'reconstuct'; did you mean 'reconstruct'"),
        ({"clips": {"scope": "all", "datasets": ["c"]}}, "one.clips.datasets': unknown name 'c'"),
        ({"inputs": {}}, "one.inputs': no 'frames', which reconstruct reads"),
        ({"inputs": {"frames": "frame-48"}}, "one.inputs.frames': unknown name 'frame-48'; did you mean 'frames-48'"),
        ({"inputs": {"frames": "frames-48", "flow": "flow-48"}}, "one.inputs.flow': reconstruct does not read it"),
        (
            {"inputs": {"frames": "flow-48"}},
            "one.inputs.frames': under budget 'paper' 'flow-48' has (motion, y, x), but reco",
        ),
        ({"params": {"epoch": 1}}, "one': unknown hyper-parameter 'epoch'; did you mean 'epochs'"),
        (
            {"params": {"weights": "vit.pth"}},
            "one': hyper-parameter 'weights': a bare text is only 'random'; write {fi",
        ),
        ({"start": {"weight": {"pretraining": "two"}}}, "one.start': unknown name 'weight'; did you mean 'weights'"),
        ({"start": {"weights": {"pretraining": "too"}}}, "one.start.weights': unknown name 'too'; did you mean 'two'"),
        ({"start": {"weights": {"pretraining": "one"}}}, "one.start': it starts from itself (one from one)"),
        (
            {"start": {"weights": {"pretraining": "each"}}},
            "one.start': 'each' is trained for each fold, and 'one' once",
        ),
    ],
)
def test_recipes_that_cannot_be(recipe, message):
    with pytest.raises(InputError) as caught:
        check(one=ALL | recipe, two=ALL, each=EACH)
    assert str(caught.value).startswith(f"config/recipes.yaml: field 'pretraining.{message}")


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"clips": {"scope": "all"}}, "goes with scope: all, and scope: all needs it"),
        ({"clips": {"scope": "fold", "datasets": ["b"]}}, "goes with scope: all, and scope: all needs it"),
        ({"start": {"weights": "two"}}, "a bare text is only 'random'; write {pretraining: two}"),
        ({"start": {"weights": {"file": "x.pth", "timm": "a.b"}}}, "give one of file, timm and pretraining"),
    ],
)
def test_recipes_that_are_not_well_formed(recipe, message):
    with pytest.raises(ValueError, match=message):
        Recipes(magnification={}, flow={}, packs={}, pretraining={"one": ALL | recipe})


def test_chains_and_budgets():
    start = {"start": {"weights": {"pretraining": "first"}}, "budgets": {"quick": {"params": {"epochs": 2}}}}
    found = pretrainings("quick", first=ALL, second=EACH | start)
    found.check(AXES.get, lambda name: 48, AXES, ["a", "b"])
    assert found.chain([Weights(pretraining="second"), Weights(timm="a.b")]) == ["second", "first"]
    assert found.params("second").epochs == 2 and found.params("first").epochs == 20


def test_who_may_be_seen_is_decided_before_anything_runs():
    people = {"a": [("r", 1), ("r", 2)], "b": [("r", 2), ("q", 1)]}.__getitem__
    start = {"start": {"weights": {"pretraining": "first"}}}
    found = pretrainings(first=ALL, second=EACH | start, third=EACH)
    for name in ("first", "second"):
        with pytest.raises(InputError) as caught:
            found.check_use("here", Weights(pretraining=name), {"p": people("a")}, people)
        message = "here: the pre-training 'first' sees 1 subject(s) of 'b' whom 'p' tests, such as r:2"
        assert str(caught.value).startswith(message)
        found.check_use("here", Weights(pretraining=name), {"p": [("r", 1)]}, people)
    found.check_use("here", Weights(pretraining="third"), {"p": people("a")}, people)
    with pytest.raises(InputError, match="here: unknown name 'thrd'; did you mean 'third'"):
        found.check_use("here", Weights(pretraining="thrd"), {"p": people("a")}, people)
