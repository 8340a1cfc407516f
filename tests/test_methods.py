"""The contract of every method, whatever it is, and how methods are found."""

import inspect
import sys

import numpy as np
import pytest
from small_networks import RESNET, VIT

from apexbench import methods
from apexbench.config.methods import MethodCard
from apexbench.errors import InputError
from apexbench.methods import Deep, check_card, create, find, names
from apexbench.training.run import train_fold

# a method that reads a role not listed here: add a few random clips of it
ROLES = {
    "flow": lambda rng, n, side=28: rng.normal(size=(n, 3, side, side)).astype(np.float16),
    "features": lambda rng, n: rng.normal(size=(n, 2, 8, 7, 7)).astype(np.float16),
    "frames": lambda rng, n, side=112: rng.integers(0, 256, (n, 2, 3, side, side), dtype=np.uint8),
}
SMALL = {"epochs": 2, "batch_size": 4}
# a method that is slow at its paper's size: a smaller one
SMALL_VIT = {"image_size": 48, "vit": VIT}
SIZES = {
    "mmnet": {"image_size": 32, "width": 0.05},
    "mixmeformer": SMALL_VIT | {"resnet": RESNET},
    "vit-flow": SMALL_VIT,
}
LABELS = np.array([0, 1, 2] * 4)


def _clips(name, count, seed=0):
    rng = np.random.default_rng(seed)
    side = {"side": SIZES[name]["image_size"]} if name in SIZES else {}
    inputs = {role: ROLES[role](rng, count, **side) for role in find(name).reads}
    return inputs | {"id": np.array([f"samm/{i}/c/{seed}" for i in range(count)], dtype=object)}


def _method(name, classes=3):
    known = find(name).Parameters.model_fields
    return create(name, classes, **{k: v for k, v in SMALL.items() if k in known}, **SIZES.get(name, {}))


def _scores(name, labels=LABELS, tested=5, seed=3, classes=3):
    return train_fold(
        _method(name, classes), _clips(name, len(labels)), np.asarray(labels), _clips(name, tested, 1), seed, "cpu"
    )


def test_names():
    assert {"majority", "null", "shuffled-labels", "flow-svm", "resnet-linear", "ststnet"} <= set(names())
    assert names() == sorted(names()) and not {"base", "mixing", "networks"} & set(names())


@pytest.mark.parametrize("name", names())
def test_scores_have_the_shape_and_are_finite(name):
    scores = _scores(name)
    epochs = getattr(_method(name).params, "epochs", 1)
    assert scores.shape == (epochs, 5, 3) and scores.dtype == np.float32 and np.isfinite(scores).all()


@pytest.mark.parametrize("name", names())
def test_the_seed_alone_decides(name):
    import torch

    first = _scores(name)
    np.random.random(5)
    torch.rand(5)
    np.testing.assert_array_equal(_scores(name), first)


@pytest.mark.parametrize("name", ["null", "shuffled-labels", "ststnet"])
def test_another_seed_another_result(name):
    assert (_scores(name, seed=4) != _scores(name, seed=3)).any()


@pytest.mark.parametrize("name", names())
def test_test_labels_are_not_among_the_arguments(name):
    kind = find(name)
    arguments = inspect.signature(train_fold).parameters
    assert list(arguments)[:4] == ["method", "train", "labels", "test"]
    if not issubclass(kind, Deep):
        assert list(inspect.signature(kind.scores).parameters) == ["self", "train", "labels", "test", "rng"]


@pytest.mark.parametrize("name", sorted(set(names()) - {"null"}))
def test_a_clip_is_scored_without_regard_to_its_neighbours(name):
    train, test = _clips(name, len(LABELS)), _clips(name, 5, 1)
    together = train_fold(_method(name), train, LABELS, test, 3, "cpu")
    alone = train_fold(_method(name), train, LABELS, {role: x[2:3] for role, x in test.items()}, 3, "cpu")
    np.testing.assert_allclose(alone, together[:, 2:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", names())
def test_the_packs_are_left_as_they_are(name):
    train, test = _clips(name, len(LABELS)), _clips(name, 5, 1)
    before = {role: x.copy() for role, x in (train | {f"test {k}": x for k, x in test.items()}).items()}
    labels = LABELS.copy()
    train_fold(_method(name), train, labels, test, 3, "cpu")
    for role, x in (train | {f"test {k}": x for k, x in test.items()}).items():
        np.testing.assert_array_equal(x, before[role])
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("present", [(0, 2), (1, 2), (1,), (2,)])
def test_folds_without_a_class(name, present):
    labels = np.resize(present, 12)
    scores = _scores(name, labels)
    assert scores.shape[1:] == (5, 3) and np.isfinite(scores).all()
    if not issubclass(find(name), Deep):  # a network may guess a class that it never saw
        assert set(scores.argmax(-1).ravel()) <= set(present)


@pytest.mark.parametrize("name", names())
def test_two_and_five_classes_and_a_single_test_clip(name):
    assert _scores(name, np.resize([0, 1], 10), tested=1, classes=2).shape[1:] == (1, 2)
    assert _scores(name, np.resize(range(5), 10), tested=1, classes=5).shape[1:] == (1, 5)


@pytest.mark.parametrize("name", ["flow-svm", "resnet-linear"])
def test_what_can_be_learned_is_learned(name):
    role = find(name).reads[0]
    train, test = _clips(name, 12), _clips(name, 6, 1)
    for inputs, labels in ((train, LABELS), (test, LABELS[:6])):
        x = inputs[role] = inputs[role].astype(np.float32) * 0.1
        for row, label in enumerate(labels):
            if role == "flow":
                x[row, 0, 8 * label : 8 * label + 8] += 3
            else:
                x[row, 1, label] += 3
    assert train_fold(_method(name), train, LABELS, test, 3, "cpu")[0].argmax(-1).tolist() == LABELS[:6].tolist()


def test_controls():
    labels = np.array([2, 2, 2, 2, 2, 0, 0, 1])
    assert (_scores("majority", labels).argmax(-1) == 2).all()
    draws = train_fold(create("null", 3, epochs=4000), _clips("null", 8), labels, _clips("null", 3, 1), 0, "cpu")
    assert draws.sum(-1).tolist() == np.ones((4000, 3)).tolist()
    np.testing.assert_allclose(draws.mean((0, 1)), [2 / 8, 1 / 8, 5 / 8], atol=0.02)
    assert (_scores("shuffled-labels") != _scores("flow-svm")).any()


def test_ststnet_has_the_parameters_of_the_released_network():
    assert sum(p.numel() for p in create("ststnet", 3).build().parameters()) == 1683


def test_ststnet_refuses_maps_of_another_size():
    inputs = _clips("ststnet", 2)
    with pytest.raises(ValueError, match=r"reads flow maps \(N, 3, 28, 28\); the pack holds \(2, 3, 32, 32\)"):
        create("ststnet", 3).tensors(inputs | {"flow": np.zeros((2, 3, 32, 32))}, inputs)


# finding and checking


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("stsnet", {}, "unknown method 'stsnet'; did you mean 'ststnet'?"),
        ("flow_svm", {}, "unknown method 'flow_svm'; did you mean 'flow-svm'?"),
        ("base", {}, "unknown method 'base'"),
        ("ststnet", {"epoch": 3}, "method 'ststnet': unknown hyper-parameter 'epoch'; did you mean 'epochs'? Known: "),
        ("ststnet", {"epochs": "many"}, "method 'ststnet': hyper-parameter 'epochs': Input should be a valid integer"),
        ("ststnet", {"epochs": 1.5}, "method 'ststnet': hyper-parameter 'epochs': Input should be a valid integer"),
        (
            "flow-svm",
            {"kernel": "poly"},
            "method 'flow-svm': hyper-parameter 'kernel': Input should be 'rbf' or 'linear'",
        ),
        ("majority", {"C": 1}, "method 'majority': unknown hyper-parameter 'C'"),
    ],
)
def test_bad_requests(name, values, message):
    with pytest.raises(InputError) as caught:
        create(name, 3, **values)
    assert str(caught.value).startswith(message)


def test_two_wrong_hyper_parameters_are_told_together():
    with pytest.raises(InputError) as caught:
        create("ststnet", 3, epoch=1, dropout="x")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("name", names())
def test_hyper_parameters_cannot_change_afterwards(name):
    method = create(name, 3)
    for field in type(method.params).model_fields:
        with pytest.raises(ValueError, match="frozen"):
            setattr(method.params, field, 1)


MINE = '''
"""A method of one's own."""

import numpy as np

from apexbench.methods.base import Method, Params


class MineParams(Params):
    shift: float = 0.5


class Mine(Method):
    Parameters = MineParams

    def scores(self, train, labels, test, rng):
        return np.full((1, len(test["id"]), self.num_classes), self.params.shift, np.float32)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose modules count as methods."""
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    yield tmp_path
    sys.modules.pop("apexbench.methods.my_method", None)
    vars(methods).pop("my_method", None)


def test_a_new_method_is_one_file(folder):
    (folder / "my_method.py").write_text(MINE)
    assert "my-method" in names()
    assert create("my-method", 4).params.shift == 0.5
    card = MethodCard(method="my-method", title="mine", params={"shift": 2})
    check_card("mine", card, "paper")
    scores = train_fold(create("my-method", 3, shift=2), _clips("null", 6), LABELS[:6], _clips("null", 2), 0, "cpu")
    assert (scores == 2).all() and scores.shape == (1, 2, 3)


@pytest.mark.parametrize("text", ["", MINE + "\n\nclass Other(Mine):\n    pass\n"])
def test_a_file_without_a_method_or_with_two(folder, text):
    (folder / "my_method.py").write_text(text)
    with pytest.raises(InputError, match=r"my_method\.py: expected one Method class, found [02]"):
        find("my-method")
