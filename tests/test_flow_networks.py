"""The small networks on flow maps: their sizes, what they read and how it is scaled, their parts, what they learn."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from apexbench.methods import create
from apexbench.methods.deep import Clips
from apexbench.methods.flow.scaling import scale, stretch
from apexbench.methods.networks.dual_inception import Inception, Streams
from apexbench.training.run import train_fold

MEB = {"streams": 1, "hidden": (1024,)}
SMALL = {
    "off-apexnet": {"hidden": (32, 32), "learning_rate": 2e-3},
    "sssnet": {"image_size": 28, "hidden": 32, "learning_rate": 2e-3},
    "rcn": {"image_size": 28, "filters": 8, "learning_rate": 5e-2},
    "dual-inception": {"filters": (3, 4), "hidden": 32, "learning_rate": 5e-3},
    "featref": {"filters": (3, 4), "hidden": 16, "learning_rate": 5e-3},
}
READS_U_AND_V = ("off-apexnet", "dual-inception", "featref")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def maps(count=4, side=28, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 3, side, side)).astype(np.float16)


def on_meta(name, classes=3, **values):
    """The network at paper size, without memory for its weights."""
    with torch.device("meta"):
        return create(name, classes, **values).build()


def small(name, **values):
    torch.manual_seed(0)
    method = create(name, 3, **{**SMALL[name], **values})
    return method, method.build().eval()


def given(method, flow):
    return Clips(method, {"flow": flow}).batch(np.arange(len(flow)))["x"]


# sizes


@pytest.mark.parametrize(
    ("name", "values", "count"),
    [
        ("off-apexnet", {}, 2_664_475),  # of the port released with Off-TANet
        ("off-apexnet", MEB, 809_637),  # 0.81 M
        ("sssnet", {}, 1_349_251),  # 1.349 M
        ("dual-inception", {}, 6_449_867),  # of the port released with Off-TANet
    ],
)
def test_parameters_are_as_many_as_in_the_released_networks(name, values, count):
    assert sum(p.numel() for p in on_meta(name, **values).parameters()) == count


def test_features_are_as_long_as_in_the_released_networks():
    assert on_meta("off-apexnet").hidden[0].in_features == 1568
    assert on_meta("off-apexnet", **MEB).hidden[0].in_features == 784
    assert on_meta("sssnet").hidden[0].in_features == 5184
    assert on_meta("dual-inception").hidden[0].in_features == 64 * 7 * 7 * 2
    assert Streams()(torch.zeros(1, 2, 28, 28)).shape == (1, 128, 7, 7)
    assert on_meta("featref", 5).head.in_features == 5 * 512
    assert on_meta("rcn").head.in_features == 32 * 5 * 5


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("side", [28, 37])
def test_maps_of_the_size_that_the_card_gives_and_no_other(name, side):
    method, model = small(name, image_size=side)
    output = model(x=given(method, maps(2, side)))
    assert method.logits(output).shape == (2, 3)
    with pytest.raises(ValueError, match=rf"reads flow maps \(N, 3, {side}, {side}\); the pack holds \(2, 3, 32, 32\)"):
        method.tensors({"flow": maps(2, 32)})


# what is read


def test_maps_are_stretched_each_by_its_own_range():
    x = torch.from_numpy(maps(3))
    x[1, 2] = 5
    stretched = stretch(x)
    assert stretched.dtype == torch.float32 and (stretched[1, 2] == 0).all()
    low, high = stretched.amin((2, 3)), stretched.amax((2, 3))
    assert (low == 0).all() and (high.flatten()[[0, 1, 2, 3, 4, 6, 7, 8]] == 255).all()
    order = x[0, 0].flatten().argsort()
    assert (stretched[0, 0].flatten()[order].diff() >= 0).all()
    torch.testing.assert_close(scale(x, "0-255"), stretched)
    torch.testing.assert_close(scale(x, "0-1"), stretched / 255)
    torch.testing.assert_close(scale(x, "px"), x.float(), rtol=0, atol=0)


@pytest.mark.parametrize("name", SMALL)
def test_strain_is_read_by_those_that_say_so(name):
    method, model = small(name)
    flow, other = maps(), maps()
    other[:, 2] = maps(seed=1)[:, 2]
    same = torch.equal(method.logits(model(given(method, flow))), method.logits(model(given(method, other))))
    assert same == (name in READS_U_AND_V)


@pytest.mark.parametrize("name", SMALL)
def test_scaling_is_what_the_card_says(name):
    flow = maps()
    for scaling in ("0-255", "0-1", "px"):
        method, _ = small(name, scaling=scaling)
        wanted = scale(torch.from_numpy(flow[:, : method.maps]), scaling)
        torch.testing.assert_close(given(method, flow), wanted, rtol=0, atol=0)
    taken = {"rcn": "0-1", "dual-inception": "px", "featref": "px"}
    assert small(name)[0].params.scaling == taken.get(name, "0-255")


# OFF-ApexNet and Dual-Inception


def test_each_stream_sees_its_own_map():
    x = torch.randn(2, 2, 28, 28)
    other = torch.stack([x[:, 0], torch.randn(2, 28, 28)], dim=1)
    for name, half in (("off-apexnet", 784), ("dual-inception", 64)):
        streams = create(name, 3).build().streams
        changed = (
            (streams(x) != streams(other)).flatten(2) if name == "dual-inception" else streams(x) != streams(other)
        )
        assert not changed[:, :half].any() and changed[:, half:].any()
    one = create("off-apexnet", 3, **MEB).build().streams
    assert (one(x) != one(other))[:, :100].any()


def test_the_convolutions_of_off_apexnet_are_linear_but_for_the_pools():
    """No activation: of maps times two, without biases, the features are twice as large."""
    streams = create("off-apexnet", 3).build().streams
    for part in (streams[0], streams[2]):
        torch.nn.init.zeros_(part.bias)
    x = torch.randn(2, 2, 28, 28)
    torch.testing.assert_close(streams(2 * x), 2 * streams(x))
    assert (streams(x) < 0).any()


def test_branches_of_inception():
    block, x = Inception(4, 6), torch.randn(2, 4, 9, 9)
    weights, biases = block.ones.weight.chunk(3), block.ones.bias.chunk(3)
    first, second, last = (F.conv2d(x, w, b) for w, b in zip(weights, biases, strict=True))
    pooled = F.relu(block.pooled(F.max_pool2d(x, 3, stride=1, padding=1)))
    branches = [F.relu(block.five(F.relu(first))), F.relu(block.three(F.relu(second))), pooled, last]
    torch.testing.assert_close(block(x), torch.cat(branches, dim=1))
    assert (last < 0).any()


# FeatRef


def test_the_loss_of_featref_is_that_of_the_classes_and_of_each_detection():
    method, model = small("featref", proposal_weight=0.3)
    output, labels = model(given(method, maps())), torch.tensor([0, 2, 1, 2])
    scores, detections = output
    detected = sum(F.binary_cross_entropy_with_logits(detections[:, c], (labels == c).float()) for c in range(3))
    wanted = F.cross_entropy(scores, labels) + 0.3 * detected
    torch.testing.assert_close(method.loss(output, labels), wanted)
    torch.testing.assert_close(method.loss(output, F.one_hot(labels, 3).float()), wanted)
    presence = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 0]])
    wanted = F.binary_cross_entropy_with_logits(scores, presence)
    wanted += 0.3 * 3 * F.binary_cross_entropy_with_logits(detections, presence)
    torch.testing.assert_close(method.presence_loss(output, presence), wanted)


def test_a_detection_of_featref_trains_its_own_branch_and_what_all_share():
    method, model = small("featref")
    model(given(method, maps()))[1][:, 1].sum().backward()
    moved = [any(p.grad is not None and p.grad.any() for p in branch.parameters()) for branch in model.proposals]
    assert moved == [False, True, False] and model.head.weight.grad is None
    assert all(p.grad is not None for p in model.streams.parameters())


# RCN-A


def test_the_recurrent_convolution_is_used_twice_and_attention_is_the_head_s():
    method, model = small("rcn")
    x = model.stem(given(method, maps()))
    state = model.recurrent(x)
    state = model.recurrent(x + state)
    weights = model.head.weight.view(3, 8, 25).mean(2)
    activations = torch.einsum("cm,bmyx->bcyx", weights, state)
    attention = torch.sigmoid(activations.max(dim=1, keepdim=True).values)
    torch.testing.assert_close(model.attention(state), attention)
    wanted = model.head(F.adaptive_avg_pool2d(state * attention, 5).flatten(1))
    torch.testing.assert_close(model(given(method, maps())), wanted)


def test_the_learning_rate_of_rcn_is_halved():
    method, model = small("rcn", learning_rate=0.4, lr_step=2)
    optimizer, scheduler = method.optimizer(model)
    rates = []
    for _ in range(5):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == [0.4, 0.4, 0.2, 0.2, 0.1] and optimizer.defaults["momentum"] == 0.9


# training


@pytest.mark.parametrize("name", SMALL)
def test_what_can_be_learned_is_learned(name):
    """Where a class moves, upwards, is another third of the face."""
    labels = np.resize([0, 1, 2], 24)
    train, test = ({"flow": 0.2 * maps(24, seed=seed)} for seed in (0, 1))
    for inputs in (train, test):
        for row, label in enumerate(labels):
            inputs["flow"][row, 1, 9 * label : 9 * label + 9] += 2
    method = create(name, 3, **SMALL[name], epochs=12, batch_size=6)
    scores = train_fold(method, train, labels, test, 0, "cpu")
    assert (scores[-1].argmax(-1) == labels).mean() > 0.9
