"""IncepTR: the released network's size and parts, what MSAD drops, the term of both branches, and what it learns."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from apexbench.methods import create
from apexbench.methods.deep import Clips
from apexbench.methods.networks.inceptr import CBAM, Dropping, Inception
from apexbench.training.run import train_fold

SMALL = {"side": 14, "dim": 16, "channels": 4, "hidden": 8}
UNUSED = {"both": 3_590, "local": 12_544, "global": 3_590}  # what the released class builds and never uses


pytestmark = pytest.mark.usefixtures("one_thread")


def small(**values):
    return create("inceptr", 3, **{**SMALL, **values})


def count(module):
    return sum(p.numel() for p in module.parameters())


# the network


@pytest.mark.parametrize(("branches", "wanted"), [("both", 109_329_039), ("local", 9_657_737), ("global", 57_933_065)])
def test_it_has_the_parameters_of_the_released_network(branches, wanted):
    with torch.device("meta"):
        model = create("inceptr", 3, branches=branches).build()
    assert count(model) == wanted - UNUSED[branches]
    if branches != "local":
        assert count(model.context[0]) == 6_415_366 - 3_590
    if branches == "both":
        assert count(model.head) == 102_764_547


def test_both_branches_end_in_maps_of_14_by_14():
    model, x = create("inceptr", 3, hidden=1).build().eval(), torch.zeros(1, 3, 28, 28)
    with torch.inference_mode():
        assert model.context(x).shape == model.local(x).shape == (1, 256, 14, 14)
        assert model.local[:-1](x).shape == (1, 48, 14, 14) and model.head[1].in_features == 100_352


def test_branches_of_an_inception_block_see_1_3_5_and_3_px():
    torch.manual_seed(0)
    block = Inception(3, 2).eval()
    x = torch.zeros(1, 3, 9, 9)
    seen = [np.zeros((9, 9), bool) for _ in range(4)]
    with torch.no_grad():
        for module in block.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.abs_()
                module.bias.fill_(0.1)
        before = block(x)
        x[..., 4, 4] = 1
        changed = (block(x) != before)[0]
    assert before.shape == (1, 8, 9, 9)
    for place, side in enumerate((1, 3, 5, 3)):
        seen[place] = changed[2 * place : 2 * place + 2].any(0)
        rows = slice(4 - side // 2, 5 + side // 2)
        assert seen[place][rows, rows].all() and seen[place].sum() == side**2
    assert [count(Inception(*sizes)) for sizes in ((3, 6), (24, 12))] == [1_404, 3_492]


def test_cbam():
    torch.manual_seed(0)
    cbam, x = CBAM(48, 3), torch.randn(2, 48, 5, 5)
    assert count(cbam) == 358
    with torch.no_grad():
        first, _, second = cbam.channel
        mean, most = (second(functional.relu(first(v))) for v in (x.mean((2, 3)), x.flatten(2).max(2).values))
        y = x * torch.sigmoid(mean + most)[..., None, None]
        maps = torch.stack([y.mean(1), y.max(1).values], dim=1)
        torch.testing.assert_close(cbam(x), y * torch.sigmoid(cbam.place(maps)))


def test_paths_are_dropped_more_often_by_depth():
    with torch.device("meta"):
        blocks = create("inceptr", 3).build().context[0].blocks
    assert [block.drop_path for block in blocks[:-1]] == pytest.approx([0, 0.15, 0.3])
    assert {(block.qkv.what, block.qkv.probability) for block in blocks[:-1]} == {("token-bug", 0.3)}


# MSAD


@pytest.mark.parametrize("what", ["token-bug", "head"])
def test_msad_drops_a_token_or_a_head_in_training(what):
    torch.manual_seed(0)
    layer = Dropping(16, what, 0.3)
    x = torch.randn(1000, 9, 16)
    with torch.no_grad():
        whole = layer.eval()(x)
        kept = layer.train()(x) == whole
    assert torch.equal(whole, functional.linear(x, layer.weight, layer.bias))
    lost = ~kept.view(1000, 9, 3, 4, 4)
    units = lost.permute(0, 3, 1, 2, 4) if what == "head" else lost  # clip, head or token, what it consists of
    assert (units.flatten(2).all(2) == units.flatten(2).any(2)).all()  # queries, keys and values go together
    dropped = units.flatten(2).any(2)
    assert set(dropped.sum(1).tolist()) == {0, 1} and not dropped[:, 4:].any()
    assert dropped.any(1).float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert (dropped[:, :4].sum(0) > 50).all()


def test_what_is_dropped_is_zero():
    layer = Dropping(8, "head", 1.0)
    with torch.no_grad():
        out = layer(torch.randn(20, 5, 8)).view(20, 5, 3, 4, 2)
    assert ((out == 0).all((1, 2, 4)).sum(1) == 1).all()


# what it is given, and the loss


def test_maps_are_stretched_and_small_ones_are_means():
    flow = np.random.default_rng(0).normal(size=(2, 3, 28, 28)).astype(np.float16)
    large, little = (Clips(small(side=side), {"flow": flow}).batch([0, 1])["x"] for side in (28, 14))
    for x, side in ((large, 28), (little, 14)):
        assert x.shape == (2, 3, side, side)
        torch.testing.assert_close(x.amin((2, 3)), torch.full((2, 3), -1.0))
        torch.testing.assert_close(x.amax((2, 3)), torch.full((2, 3), 1.0))
    means = flow.astype(np.float32).reshape(2, 3, 14, 2, 14, 2).mean((3, 5))
    assert np.corrcoef(little[0, 0].flatten(), means[0, 0].ravel())[0, 1] == pytest.approx(1, abs=1e-5)


def test_maps_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"IncepTR reads flow maps \(N, 3, 28, 28\); the pack holds \(2, 3, 32, 32\)"):
        small().tensors({"flow": np.zeros((2, 3, 32, 32))})


def test_the_loss_has_a_tenth_of_how_unlike_the_branches_are():
    torch.manual_seed(0)
    method = small()
    model = method.build().eval()
    x, targets = torch.randn(4, 3, 14, 14), torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        scores, unlike = output = model(x)
        a, b = model.context(x), model.local(x)
        cosine = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
        assert cosine.shape == (4, 7, 7)
        torch.testing.assert_close(unlike, 1 - cosine.mean())
        torch.testing.assert_close(
            method.loss(output, targets), functional.cross_entropy(scores, targets) + unlike / 10
        )
        presence = torch.eye(3)[targets]
        wanted = functional.binary_cross_entropy_with_logits(scores, presence) + unlike / 10
        torch.testing.assert_close(method.presence_loss(output, presence), wanted)
        for branches in ("local", "global"):
            assert small(branches=branches).build().eval()(x)[1] == 0


@pytest.mark.parametrize("branches", ["local", "global"])
def test_a_branch_alone_has_no_batch_of_one_clip(branches):
    flow = np.random.default_rng(0).normal(size=(5, 3, 28, 28)).astype(np.float16)
    method = small(branches=branches, epochs=1, batch_size=4)
    batches = method.batches(np.zeros(5), torch.Generator().manual_seed(0))
    assert [len(rows) for rows in batches] == [5] and sorted(batches[0].tolist()) == list(range(5))
    assert train_fold(method, {"flow": flow}, np.arange(5) % 3, {"flow": flow[:1]}, 0).shape == (1, 1, 3)


def test_the_optimizer_has_the_library_s_weight_decay():
    net = small().build()
    group, library = (made.param_groups[0] for made in (small().optimizer(net), torch.optim.AdamW(net.parameters())))
    assert group["lr"] == 1e-3 and group["weight_decay"] == library["weight_decay"]


@pytest.mark.parametrize("msad", ["token-bug", "head"])
def test_what_moves_where_is_learned(msad):
    rng = np.random.default_rng(0)
    labels = np.arange(36) % 3
    flow = 0.1 * rng.normal(size=(36, 3, 28, 28))
    for clip, label in enumerate(labels):
        row, column = ((3, 3), (3, 18), (18, 10))[label]
        flow[clip, :, row : row + 7, column : column + 7] += 1
    flow = flow.astype(np.float16)
    method = small(msad=msad, epochs=8, batch_size=6, learning_rate=5e-3, depth=1, hidden=32)
    scores = train_fold(method, {"flow": flow[:24]}, labels[:24], {"flow": flow[24:]}, 0)
    assert (scores[-1].argmax(-1) == labels[24:]).mean() > 0.8
