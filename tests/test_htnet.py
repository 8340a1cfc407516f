"""HTNet: the released network's size, its crops of the maps, its heads by cosines, and what it learns."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from apexbench.errors import InputError
from apexbench.frames.alignment import canonical_anchors
from apexbench.methods import create
from apexbench.methods.deep import Clips
from apexbench.methods.htnet import POINTS
from apexbench.methods.networks.cosine_heads import Cosines, arcface, cosface, proxy_anchor
from apexbench.methods.networks.htnet import Level
from apexbench.project import load_project
from apexbench.training.run import train_fold

ROOT = Path(__file__).parent.parent
SMALL = {"dim": 8, "depths": (1, 1, 1), "embedding": 16}
HEADS = ["ce", "proxy-anchor", "arcface", "cosface"]


pytestmark = pytest.mark.usefixtures("one_thread")


def small(**values):
    return create("htnet", 3, **{**SMALL, **values})


def given(method, maps):
    """What the model is given of maps (N, 3, 28, 28)."""
    return Clips(method, {"flow": np.asarray(maps)}).batch(np.arange(len(maps)))["x"]


# the network


@pytest.mark.parametrize(
    ("depths", "head", "wanted"),
    [
        ((2, 2, 8), "ce", 114_429_446),
        ((2, 2, 10), "ce", 139_582_982),
        ((2, 2, 8), "proxy-anchor", 114_951_171 + 1_536),
        ((2, 2, 10), "proxy-anchor", 140_104_707 + 1_536),
    ],
)
def test_it_has_the_parameters_of_the_released_network(depths, head, wanted):
    with torch.device("meta"):
        model = create("htnet", 3, depths=depths, head=head).build()
    assert sum(p.numel() for p in model.parameters()) == wanted
    if head != "ce":
        assert model.head[1].proxies.numel() == 1_536


@pytest.mark.parametrize(("patch", "tokens"), [(7, 1), (1, 49)])
def test_at_patches_of_7_px_attention_is_over_one_token_at_every_level(patch, tokens):
    torch.manual_seed(0)
    method = small(patch=patch)
    model = method.build()
    levels = [module for module in model.levels if isinstance(module, Level)]
    assert [(level.side, level.places.numel()) for level in levels] == [(4, tokens), (2, tokens), (1, tokens)]
    method.loss(model(torch.randn(3, 3, 28, 28)), torch.arange(3)).backward()
    unused = {name for name, p in model.named_parameters() if p.grad is None}
    assert {".".join(name.split(".")[-2:]) for name in unused} == ({"query_key.weight"} if patch == 7 else set())


def test_one_token_attends_to_itself_whatever_queries_and_keys_are():
    torch.manual_seed(0)
    block = small().build().levels[0].blocks[0]
    x = torch.randn(2, 1, 8)
    padded = torch.cat([x, torch.zeros(2, 1, 8)], dim=1)
    with torch.no_grad():
        block.query_key.weight[:6] = 0  # queries of 3 heads, 2 numbers each: all tokens count alike
        alone, values = block._attend(x), block.value(padded)
        torch.testing.assert_close(alone, values[:, :1])
        torch.testing.assert_close(block._attend(padded), values.mean(1, keepdim=True).expand(-1, 2, -1))


def test_parts_of_a_level_do_not_see_each_other():
    torch.manual_seed(0)
    level = Level(8, 2, 1, side=2, tokens=9)
    x = torch.randn(1, 6, 6, 8)
    other = x.clone()
    other[0, 4, 1, 0] += 1  # in the part below left
    with torch.no_grad():
        changed = (level(other) != level(x)).any(-1)[0]
    assert changed[3:, :3].all() and not changed[:3].any() and not changed[:, 3:].any()


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="9 heads do not fit into a dim of 8"):
        small(heads=9)


# what the model is given


@pytest.mark.parametrize(
    ("crop", "points", "wanted"),
    [
        ("released", "fallback", [(2, 4), (14, 3), (3, 14), (13, 14)]),
        ("fixed", "fallback", [(4, 2), (3, 14), (14, 3), (14, 13)]),
        ("released", "aligned", [(0, 0), (12, 0), (1, 11), (11, 11)]),
        ("fixed", "aligned", [(0, 0), (0, 12), (11, 1), (11, 11)]),
    ],
)
def test_four_crops_are_put_together(crop, points, wanted):
    maps = np.arange(28 * 28, dtype=np.float32).reshape(1, 1, 28, 28).repeat(3, axis=1)
    found = given(small(crop=crop, points=points), maps)[0, 1] / 255 * (28 * 28 - 1)
    for (row, column), (y, x) in zip(wanted, [(0, 0), (0, 14), (14, 0), (14, 14)], strict=True):
        np.testing.assert_allclose(
            found[y : y + 14, x : x + 14], maps[0, 1, row : row + 14, column : column + 14], atol=1e-3
        )


def test_the_aligned_points_are_those_of_the_crop():
    eyes, mouth = canonical_anchors(28)[:2], canonical_anchors(28)[2]
    points, fallback = np.array(POINTS["aligned"]), np.array(POINTS["fallback"])
    np.testing.assert_allclose(points[:2], eyes, atol=0.01)
    np.testing.assert_allclose(points[2:].mean(0), mouth, atol=0.01)
    ratios = [(p[3, 0] - p[2, 0]) / (p[1, 0] - p[0, 0]) for p in (points, fallback)]
    assert ratios[0] == pytest.approx(ratios[1], abs=0.002)


def test_maps_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"HTNet reads flow maps \(N, 3, 28, 28\); the pack holds \(2, 3, 32, 32\)"):
        small().tensors({"flow": np.zeros((2, 3, 32, 32))})


# heads by cosines


def test_proxy_anchor_is_near_zero_where_each_clip_is_its_proxy():
    loss = proxy_anchor(torch.tensor([[1.0, -1.0, -1.0]], dtype=torch.float64), torch.tensor([[1, 0, 0]]))
    least = math.log1p(math.exp(-28.8))
    assert loss.item() == pytest.approx(least + 2 / 3 * least, rel=1e-9)


@pytest.mark.parametrize("counts", [(2, 3, 1), (4, 0, 2)])
def test_proxy_anchor_of_cosines_that_are_all_zero(counts):
    labels = np.repeat(np.arange(3), counts)
    loss = proxy_anchor(torch.zeros(6, 3, dtype=torch.float64), torch.eye(3)[labels])
    drawn = np.mean([math.log1p(n * math.exp(3.2)) for n in counts if n])
    pushed = np.mean([math.log1p((6 - n) * math.exp(3.2)) for n in counts])
    assert loss.item() == pytest.approx(drawn + pushed, rel=1e-9)


def test_proxy_anchor_has_gradients_where_a_class_has_no_clip_or_all():
    for presence in (torch.zeros(4, 3), torch.ones(4, 3), torch.tensor([[1.0, 1, 0]]).expand(4, 3)):
        cosines = torch.zeros(4, 3, requires_grad=True)
        proxy_anchor(cosines, presence).backward()
        assert cosines.grad.isfinite().all() and ((cosines.grad < 0) == (presence > 0)).all()


def test_margins_are_taken_of_the_own_class_alone():
    cosines, presence = torch.tensor([[0.6, -0.8]]), torch.tensor([[1, 0]])
    torch.testing.assert_close(cosface(cosines, presence), torch.tensor([[30 * (0.6 - 0.35), -24.0]]))
    torch.testing.assert_close(arcface(cosines, presence), torch.tensor([[30 * math.cos(math.acos(0.6) + 0.5), -24.0]]))
    for cosine in (1.0, -1.0):
        x = torch.tensor([[cosine, 0.0]], requires_grad=True)
        arcface(x, presence).sum().backward()
        assert x.grad.isfinite().all()


def test_how_proxies_begin():
    torch.manual_seed(0)
    assert Cosines(512, 3, kaiming=True).proxies.std().item() == pytest.approx(math.sqrt(2 / 3), rel=0.05)
    bound = math.sqrt(6 / (512 + 3))
    assert 0.98 * bound < Cosines(512, 3, kaiming=False).proxies.abs().max().item() <= bound


def test_cosines_know_no_length():
    head = Cosines(4, 3, kaiming=True)
    x = torch.randn(5, 4)
    with torch.no_grad():
        torch.testing.assert_close(head(x), head(7 * x))
        assert head(head.proxies).diagonal() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("head", "rates"),
    [("ce", [5e-5]), ("proxy-anchor", [5e-5, 5e-3]), ("arcface", [5e-5, 5e-4]), ("cosface", [5e-5, 5e-4])],
)
def test_proxies_learn_faster(head, rates):
    method = small(head=head)
    model = method.build()
    groups = method.optimizer(model).param_groups
    assert [group["lr"] for group in groups] == rates
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert head == "ce" or [x is model.head[1].proxies for x in groups[1]["params"]] == [True]


def moving(count, seed=0):
    """Flow that moves about one eye, the other, or the mouth."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    flow = 0.1 * rng.normal(size=(count, 3, 28, 28))
    for clip, label in enumerate(labels):
        row, column = ((3, 3), (3, 18), (18, 10))[label]
        flow[clip, :, row : row + 7, column : column + 7] += 1
    return {"flow": flow.astype(np.float16)}, labels


@pytest.mark.parametrize("head", HEADS)
def test_what_moves_where_is_learned(head):
    (train, labels), (test, wanted) = moving(24), moving(12, 1)
    method = small(head=head, epochs=15, batch_size=6, learning_rate=1e-3, proxy_learning_rate=1e-2)
    scores = train_fold(method, train, labels, test, 0)
    assert (scores[-1].argmax(-1) == wanted).mean() > 0.8
    assert method.losses[-1] < method.losses[0] / 2


def test_a_fold_s_proxies_are_its_own():
    (train, labels), (test, _) = moving(12), moving(6, 1)
    values = {"head": "proxy-anchor", "epochs": 2, "batch_size": 6, "proxy_learning_rate": 0.1}
    alone = train_fold(small(**values), train, labels, test, 1)
    method = small(**values)
    train_fold(method, train, labels, test, 0)
    np.testing.assert_array_equal(train_fold(method, train, labels, test, 1), alone)


# the cards


def test_cards():
    settings = {"study": "s", "protocols": ["megc2019"], "methods": ["htnet", "htnet-pa"], "tables": ["data"]}
    project = load_project(settings | {"budget": "paper"}, ROOT)
    plain, proxies = (create("htnet", 3, **project.card_on(name, "megc2019").params).params for name in project.methods)
    assert (plain.epochs, plain.batch_size, plain.learning_rate, plain.depths) == (800, 256, 5e-5, (2, 2, 8))
    assert (plain.head, plain.weight_decay, plain.points) == ("ce", 0, "aligned")
    found = proxies.epochs, proxies.batch_size, proxies.depths, proxies.head, proxies.weight_decay
    assert found == (800, 128, (2, 2, 10), "proxy-anchor", 0.01)
    assert project.card("htnet").values("paper", "megc2019-flow", 3)["points"] == "fallback"
