"""What holds for every method, whatever it is: by its declared axes and its class's test configuration."""

import re
import sys
from functools import cache
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
from random_clips import clips, small

from apexbench import methods
from apexbench.config.methods import MethodCard
from apexbench.config.model import read_yaml
from apexbench.errors import InputError
from apexbench.methods import Deep, check_card, create, find, names
from apexbench.methods.base import FLOW, KEY_FRAMES, NEAR_KEYS, Fold, ProtocolFacts, alternatives
from apexbench.training.run import train_fold

ROOT = Path(__file__).parent.parent
LABELS = np.array([0, 1, 2] * 4)


def _scores(name, labels=LABELS, test=None, seed=3, classes=3, alternative=0):
    test = clips(name, 5, 1, alternative) if test is None else test
    train = clips(name, len(labels), alternative=alternative)
    return train_fold(small(name, classes), train, np.asarray(labels), test, seed, "cpu")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def _first(name):
    return _scores(name)


def test_names():
    assert {"majority", "shuffled-labels", "flow-svm", "resnet-linear", "ststnet"} <= set(names())
    assert names() == sorted(names()) and not {"base", "loop", "mixing", "networks", "pretraining"} & set(names())


@pytest.mark.parametrize("name", names())
def test_scores_have_the_shape_and_the_packs_are_left_as_they_are(name):
    train, test, labels = clips(name, len(LABELS)), clips(name, 5, 1), LABELS.copy()
    given = [*train.values(), *test.values(), labels]
    before = [x.copy() for x in given]
    scores = train_fold(small(name), train, labels, test, 3, "cpu")
    for x, old in zip(given, before, strict=True):
        np.testing.assert_array_equal(x, old)
    epochs = getattr(small(name).params, "epochs", 1)
    assert scores.shape == (epochs, 5, 3) and scores.dtype == np.float32 and np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, _first(name))  # the seed alone decides


@pytest.mark.parametrize("name", names())
def test_a_clip_is_scored_without_regard_to_its_neighbours(name):
    np.random.random(5)
    torch.rand(5)
    alone = _scores(name, test={role: x[2:3] for role, x in clips(name, 5, 1).items()})
    np.testing.assert_allclose(alone, _first(name)[:, 2:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("present", [(1, 4), (1,)])
def test_five_classes_of_which_the_fold_has_two_or_one(name, present):
    scores = _scores(name, np.resize(present, 10), clips(name, 1, 1), classes=5)
    assert scores.shape[1:] == (1, 5) and np.isfinite(scores).all()
    if not issubclass(find(name), Deep):  # a network may guess a class that it never saw
        assert set(scores.argmax(-1).ravel()) <= set(present)


@pytest.mark.parametrize("name", names())
def test_several_classes_at_once_give_probabilities(name):
    presence = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
    scores = _scores(name, presence)
    assert scores.shape[1:] == (5, 3) and ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize(
    "name", [name for name in names() if any(len(alternatives(a)) > 1 for a in find(name).reads.values())]
)
def test_other_axes_that_a_role_may_have(name):
    most = max(len(alternatives(axes)) for axes in find(name).reads.values())
    for alternative in range(1, most):
        assert np.isfinite(_scores(name, alternative=alternative)).all()


@pytest.mark.parametrize("name", ["shuffled-labels", "ststnet"])
def test_another_seed_another_result(name):
    assert (_scores(name, seed=4) != _first(name)).any()


@pytest.mark.parametrize("name", [name for name in names() if find(name).deterministic])
def test_what_says_that_nothing_is_random_has_one_result_for_all_seeds(name):
    np.testing.assert_array_equal(_scores(name, seed=4), _first(name))


@pytest.mark.parametrize("name", ["flow-svm", "resnet-linear"])
def test_what_can_be_learned_is_learned(name):
    (role,) = find(name).reads
    train, test = clips(name, 12), clips(name, 6, 1)
    for inputs, labels in ((train, LABELS), (test, LABELS[:6])):
        x = inputs[role] = inputs[role].astype(np.float32) * 0.1
        for row, label in enumerate(labels):
            if role == "flow":
                x[row, 0, 8 * label : 8 * label + 8] += 3
            else:
                x[row, 1, label] += 3
    assert train_fold(small(name), train, LABELS, test, 3, "cpu")[0].argmax(-1).tolist() == LABELS[:6].tolist()
    presence = np.eye(3, dtype=int)[LABELS]
    presence[:, 2] = 0
    scores = train_fold(small(name), train, presence, train, 3, "cpu")[0]
    assert ((scores > 0.5) == presence).all()  # its own training clips; nobody shows the last class


def test_controls():
    labels = np.array([2, 2, 2, 2, 2, 0, 0, 1])
    assert (_scores("majority", labels).argmax(-1) == 2).all()
    assert (_scores("shuffled-labels") != _scores("flow-svm")).any()


def test_ststnet_has_the_parameters_of_the_released_network():
    assert sum(p.numel() for p in create("ststnet", 3).build().parameters()) == 1683


def test_ststnet_refuses_maps_of_another_size():
    with pytest.raises(ValueError, match=r"reads flow maps \(N, 3, 28, 28\); the pack holds \(2, 3, 32, 32\)"):
        create("ststnet", 3).tensors({"flow": np.zeros((2, 3, 32, 32))})


def test_a_fold_s_generator_is_new_at_each_access():
    fold = Fold(3)
    assert fold.rng.random() == fold.rng.random() == np.random.default_rng(3).random()
    assert Fold((3, 1)).torch_seed != Fold((3, 2)).torch_seed and 0 <= Fold((3, 1)).torch_seed < 2**63


# finding and checking


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("stsnet", {}, "unknown method 'stsnet'; did you mean 'ststnet'?"),
        ("flow_svm", {}, "unknown method 'flow_svm'; did you mean 'flow-svm'?"),
        ("base", {}, "unknown method 'base'"),
        ("ststnet", {"epoch": 3}, "method 'ststnet': unknown hyper-parameter 'epoch'; did you mean 'epochs'? Known: "),
        ("ststnet", {"epochs": "many"}, "method 'ststnet': hyper-parameter 'epochs': Input should be a valid integer"),
        ("flow-svm", {"kernel": "poly"}, "method 'flow-svm': hyper-parameter 'kernel': Input should be 'rbf' or"),
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


RECIPES = {
    "tvl1-28": (FLOW, 28), "tvl1-32": (FLOW, 32), "keys-28": (KEY_FRAMES, 28), "keys-32": (KEY_FRAMES, 32),
    "near-32": (NEAR_KEYS, 32),
}  # fmt: skip


def _check(card, protocols=None, budget="paper"):
    facts = [lambda name, place=place: RECIPES[name][place] for place in (0, 1)]
    check_card("mine", MethodCard(title="t", **card), budget, protocols, *facts, RECIPES)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (
            {"method": "ststnet", "inputs": {"flow": "keys-28"}},
            "field 'inputs.flow': under budget 'paper' 'keys-28' has (key, colour, y, x), but ststnet reads "
            "(motion, y, x); name one that fits: tvl1-28",
        ),
        (
            {"method": "ststnet", "inputs": {"flow": "tvl1-32"}},
            "field 'inputs.flow': under budget 'paper' 'tvl1-32' has 32 px, but ststnet takes 28; name one that fits: "
            "tvl1-28",
        ),
        (
            {"method": "mmnet", "inputs": {"frames": "keys-28"}, "params": {"image_size": 32}},
            "field 'inputs.frames': under budget 'paper' 'keys-28' has 28 px, but mmnet takes 32; name one that fits: "
            "keys-32, near-32, or set image_size: 28",
        ),
        (
            {"method": "mmnet", "inputs": {"frames": "tvl1-32"}, "params": {"image_size": 96}},
            "field 'inputs.frames': under budget 'paper' 'tvl1-32' has (motion, y, x), but mmnet reads "
            "(key, near, colour, y, x) or (key, colour, y, x); add a recipe that fits to config/recipes.yaml",
        ),
        (
            {"method": "flow-svm", "inputs": {"flow": "tvl1-28"}, "params": {"mixing": "mixup"}},
            "field 'params.mixing': flow-svm does not mix clips; remove it, or take a method that derives from Mixable",
        ),
        (
            {"method": "vit-flow", "inputs": {"flow": "tvl1-28"}, "params": {"weights": {"file": "no.pth"}}},
            "field 'params.weights': no.pth: no such file",
        ),
        (
            {"method": "vit-flow", "inputs": {"flow": "tvl1-28"}, "params": {"weights": "vit.pth"}},
            "hyper-parameter 'weights': a bare text is only 'random'; write {file: vit.pth}",
        ),
        (
            {"method": "vit-flow", "inputs": {"flow": "tvl1-28"}, "params": {"weights": "vit_base.in1k"}},
            "hyper-parameter 'weights': a bare text is only 'random'; write {timm: vit_base.in1k}",
        ),
        (
            {"method": "vit-flow", "inputs": {"flow": "tvl1-28"}, "params": {"weights": "macro"}},
            "hyper-parameter 'weights': a bare text is only 'random'; write {pretraining: macro}",
        ),
    ],
)
def test_cards_that_do_not_fit(card, message):
    with pytest.raises(InputError) as caught:
        _check(card)
    assert str(caught.value).startswith(f"config/methods/mine.yaml: {message}")


def test_a_card_is_checked_under_every_protocol():
    card = {"method": "ststnet", "inputs": {"flow": "tvl1-28"}, "on": {"p": {"inputs": {"flow": "keys-28"}}}}
    _check(card, {"q": 3})
    with pytest.raises(InputError, match=r"^config/methods/mine\.yaml, protocol p: field 'inputs\.flow': under budget"):
        _check(card, {"q": 3, "p": 5})
    card["on"] = {"3 classes": {"params": {"epoch": 1}}}
    _check(card, {"p": 5})
    with pytest.raises(InputError, match=r"^config/methods/mine\.yaml, protocol q: unknown hyper-parameter 'epoch'"):
        _check(card, {"q": 3})


def test_what_a_method_says_of_protocols_that_it_skips():
    kind = find("mmnet")
    assert kind.skip(kind.parse({}, ""), ProtocolFacts("p", tuple("abc"))) == ""
    assert "2 outputs for 3 classes" in kind.skip(kind.parse({"outputs": 2}, ""), ProtocolFacts("p", tuple("abc")))


MINE = '''
"""A method of one's own."""

import numpy as np

from apexbench.methods.base import Method, Params


class MineParams(Params):
    shift: float = 0.5


class Mine(Method):
    Parameters = MineParams

    def scores(self, train, labels, test, fold):
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
    check_card("mine", MethodCard(method="my-method", title="mine", params={"shift": 2}), "paper")
    some = clips("majority", 6)
    scores = train_fold(create("my-method", 3, shift=2), some, LABELS[:6], clips("majority", 2), 0, "cpu")
    assert (scores == 2).all() and scores.shape == (1, 2, 3)


@pytest.mark.parametrize("text", ["", MINE + "\n\nclass Other(Mine):\n    pass\n"])
def test_a_file_without_a_method_or_with_two(folder, text):
    (folder / "my_method.py").write_text(text)
    with pytest.raises(InputError, match=r"my_method\.py: expected one Method class, found [02]"):
        find("my-method")


# the examples of docs/add-a-method.md


def _examples(part, language):
    page = (ROOT / "docs/add-a-method.md").read_text()
    section = page.split(f"\n## {part}\n")[1].split("\n## ")[0]
    return [dedent(text) for text in re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)]


@pytest.mark.parametrize("part", ["A classic method", "A deep method"])
def test_the_examples_of_the_docs(folder, part):
    (code,), (card,) = _examples(part, "python"), _examples(part, "yaml")
    (folder / "my_method.py").write_text(code)
    (folder / "card.yaml").write_text(card)
    card = MethodCard(**read_yaml(folder / "card.yaml"))
    facts = {"tvl1-28": (FLOW, 28), "farneback-28": (FLOW, 28), "key-frames-32": (NEAR_KEYS, 32)}
    check_card("mine", card, "quick", {"samm-3": 3, "casme2-5": 5}, lambda r: facts[r][0], lambda r: facts[r][1], facts)
    scores = _scores("my-method")
    np.testing.assert_array_equal(_scores("my-method"), scores)
    assert scores.shape[1:] == (5, 3) and np.isfinite(scores).all()
