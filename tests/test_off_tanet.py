"""The networks of Off-TANet's repository: their sizes, their attention against plain loops, and strain with its bug."""

from pathlib import Path

import numpy as np
import pytest
import torch
from random_clips import clips, small
from scipy.signal import convolve2d
from torch import nn
from torch.nn import functional as F

from apexbench.config.model import read_yaml
from apexbench.errors import InputError
from apexbench.methods import create
from apexbench.methods.base import Fold
from apexbench.methods.deep import Clips
from apexbench.methods.flow.raw import sobel_strain
from apexbench.methods.networks.micro_attention import MicroAttention
from apexbench.methods.networks.off_tanet import ChannelAttention, PlaceAttention, SelfAttention, places
from apexbench.motion import optical_strain

ROOT = Path(__file__).parent.parent
METHODS = ["off-tanet", "macnn", "micro-attention", "ststnet-off-tanet"]
BLOCKS = {"off-tanet": 59_403, "sa": 57_589, "cbam": 56_967, "res": 50_353, "bot": 48_625}
RNG = np.random.default_rng(0)
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name, **values):
    """A network of the published size that takes no memory."""
    with torch.device("meta"):
        return create(name, 3, **values).build()


@pytest.mark.parametrize(
    ("name", "values", "count"),
    [
        *(("off-tanet", {"block": block}, count) for block, count in BLOCKS.items()),
        ("macnn", {}, 70_573_923),
        ("micro-attention", {}, 53_384_195),
        ("ststnet-off-tanet", {}, 162_051),
    ],
)
def test_parameters_of_the_released_networks(name, values, count):
    assert sum(p.numel() for p in network(name, **values).parameters()) == count


def test_maps_of_the_released_networks():
    def shapes(name, side, *parts):
        model, x, found = network(name), torch.zeros(1, 3, side, side, device="meta"), []
        for part in parts:
            for layer in getattr(model, part) if part == "blocks" else [getattr(model, part)]:
                x = layer(x)
                found.append(tuple(x.shape[1:]))
        return found

    assert shapes("off-tanet", 112, "stem", "blocks") == [(8, 56, 56), (18, 28, 28), (28, 14, 14), (8, 7, 7)]
    assert shapes("macnn", 112, "blocks", "dilated")[2:] == [(128, 14, 14), (256, 7, 7), (256, 7, 7)]
    assert shapes("micro-attention", 224, "stem", "blocks")[::3] == [(32, 56, 56), (256, 7, 7)]
    assert shapes("ststnet-off-tanet", 28, "stem") == [(16, 5, 5)]


def test_dilations_and_nonlinearities():
    dilated = [layer for layer in network("macnn").dilated if isinstance(layer, nn.Conv2d)]
    assert [layer.dilation for layer in dilated] == [(4, 4), (2, 2)]
    assert [type(layer) for layer in network("off-tanet").stem] == [nn.Conv2d, nn.ReLU, nn.BatchNorm2d]
    assert not any(isinstance(layer, (nn.ReLU, nn.BatchNorm2d)) for layer in network("ststnet-off-tanet").stem)
    rates = [layer.p for name in METHODS for layer in network(name).modules() if isinstance(layer, nn.Dropout)]
    assert rates == [0.5] * 5


@pytest.mark.parametrize(
    ("name", "values", "recipe"),
    [
        ("off-tanet", (201, 64, 1e-3, 0.3, 60), "off-tanet-112"),
        ("macnn", (501, 64, 1e-3, 0.9, 50), "off-tanet-112"),
        ("micro-attention", (51, 10, 1e-3, 0.1, 10), "off-tanet-224"),
        ("ststnet-off-tanet", (1001, 64, 5e-5, 1.0, 50), "off-tanet-28"),
    ],
)
def test_values_of_the_released_scripts(name, values, recipe):
    card = read_yaml(ROOT / f"config/methods/{name}.yaml")
    method = create(name, 3, **card["params"])
    keys = ("epochs", "batch_size", "learning_rate", "decay", "decay_epochs")
    assert tuple(getattr(method.params, key) for key in keys) == values
    assert tuple(getattr(create(name, 3).params, key) for key in keys) == values
    assert card["inputs"] == {"flow": recipe} and method.params.strain == "offtanet_bug"
    (optimizer, _), facts = method.optimizer(network(name)), {"momentum": 0.9, "weight_decay": 5e-4}
    kind = torch.optim.SGD if name == "micro-attention" else torch.optim.Adam
    assert type(optimizer) is kind and optimizer.param_groups[0]["lr"] == values[2]
    assert kind is torch.optim.Adam or facts.items() <= optimizer.param_groups[0].items()


@pytest.mark.parametrize("name", ["off-tanet", "macnn", "micro-attention"])
@pytest.mark.parametrize("size", [29, 33, 48, 63])
def test_any_size_fits(name, size):
    with torch.device("meta"):
        model = small(name, image_size=size).build()
        assert model(torch.zeros(2, 3, size, size)).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "values"),
    [*(("off-tanet", {"block": block}) for block in BLOCKS), *((name, {}) for name in METHODS[1:])],
)
def test_the_loss_reaches_every_parameter(name, values):
    method = small(name, **values, **({"image_size": 32} if name != "ststnet-off-tanet" else {}))
    inputs = {"flow": RNG.normal(size=(12, 3, 28, 28) if name == METHODS[3] else (12, 3, 32, 32)).astype(np.float16)}
    model = method.build().train()
    batch = Clips(method, inputs).batch(np.arange(12), RNG)
    method.loss(model(**batch), torch.arange(12) % 3).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("name", METHODS)
def test_what_can_be_learned_is_learned(name):
    method = small(name, epochs=20, learning_rate=2e-3, **({} if name == METHODS[3] else {"dropout": 0}))
    inputs, labels = clips(name, 12), np.arange(12) % 3
    for x, label in zip(inputs["flow"], labels, strict=True):
        x[0] += 3 * (label == 1)
        x[1] += 3 * (label == 2)
    scores = method.scores(inputs, labels, inputs, Fold(1))
    assert (scores[-1].argmax(-1) == labels).mean() >= 0.9 and method.losses[-1] < method.losses[0]


@pytest.mark.parametrize("name", METHODS)
def test_maps_of_another_size_are_refused(name):
    side = small(name).image_size(small(name).params)
    with pytest.raises(ValueError, match=rf"reads flow maps \(N, 3, {side}, {side}\); the pack holds \(2, 3, 31, 31\)"):
        small(name).tensors({"flow": np.zeros((2, 3, 31, 31), np.float16)})


def test_a_size_of_which_nothing_is_left_is_refused():
    assert create("micro-attention", 3, image_size=15, stem_stride=1).params.image_size == 15
    with pytest.raises(InputError, match="image_size 28: after five poolings nothing is left; give 29 or more"):
        create("micro-attention", 3, image_size=28)


def test_learning_rates_fall_by_steps():
    method = create("off-tanet", 3, image_size=28)
    optimizer, schedule = method.optimizer(method.build())
    rates = []
    for _ in range(181):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert [rates[i] for i in (0, 59, 60, 119, 120, 180)] == pytest.approx([1e-3, 1e-3, 3e-4, 3e-4, 9e-5, 2.7e-5])


# strain


SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])  # of a convolution, which turns it round


@pytest.mark.parametrize("formula", ["paper", "offtanet_bug"])
def test_strain_is_by_plain_sobel_sums(formula):
    flow = RNG.normal(size=(2, 9, 13)).astype(np.float32)
    (ux, vx), (uy, vy) = (
        [convolve2d(np.pad(x, 1, mode="reflect"), kernel, mode="valid") for x in flow] for kernel in (SOBEL, SOBEL.T)
    )
    second = {"paper": vy, "offtanet_bug": uy}[formula]
    wanted = np.sqrt(ux**2 + second**2 + (vx + uy) ** 2 / 2)
    np.testing.assert_allclose(sobel_strain(flow, formula), wanted, rtol=1e-4, atol=1e-5)


def test_the_paper_s_strain_is_that_of_the_packs_but_for_its_unit_and_border():
    flow = RNG.normal(size=(2, 16, 16)).astype(np.float32)
    packed = optical_strain(flow.transpose(1, 2, 0))
    np.testing.assert_allclose(sobel_strain(flow)[1:-1, 1:-1], 8 * packed[1:-1, 1:-1], rtol=1e-4)


@pytest.mark.parametrize("formula", ["paper", "offtanet_bug"])
def test_the_model_is_given_flow_in_px_and_its_own_strain(formula):
    inputs, method = clips("off-tanet", 3), small("off-tanet", strain=formula)
    x = Clips(method, inputs).batch(np.arange(3))["x"].numpy()
    np.testing.assert_array_equal(x[:, :2], inputs["flow"][:, :2])
    np.testing.assert_allclose(x[:, 2], [sobel_strain(clip[:2], formula) for clip in inputs["flow"]], rtol=1e-3)
    assert x.dtype == np.float32


# attention


def test_places_are_sums_of_waves():
    side = 14
    wave = [(np.cos if i % 2 else np.sin)(10_000 ** -((i // 2) / side)) for i in range(side)]
    np.testing.assert_allclose(places(side).numpy(), np.add.outer(wave, wave), rtol=1e-6)


def test_self_attention_against_four_heads_in_loops():
    side, inputs, heads, width = 5, 6, 4, 2
    layer, x = SelfAttention(inputs, heads * width, side), torch.randn(2, inputs, side, side)
    weight, bias = (p.detach().unflatten(0, (3, heads, width)) for p in (layer.project.weight, layer.project.bias))
    place, wanted = places(side), []
    for head in range(heads):
        query, key, value = (F.conv2d(x, weight[part, head], bias[part, head]) for part in range(3))
        for channel in range(width):
            q, k, v = (part[:, channel] for part in (query, key, value))
            product = torch.einsum("bij,bkj->bik", q, k) + torch.einsum("bij,kj->bik", q, place)
            wanted.append(product.flatten(1).softmax(1).unflatten(1, (side, side)) * v)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), torch.stack(wanted, 1))


def test_micro_attention_is_the_mean_over_a_convolution_s_channels():
    block = MicroAttention(4, 6).eval()
    layers = [torch.randn(2, 6, 3, 5) for _ in range(3)]
    with torch.inference_mode():
        weights = block.weights(layers)
        mean = block.attention(torch.cat(layers, 1)).mean(1, keepdim=True)
    torch.testing.assert_close(weights, mean.flatten(1).softmax(1).view(2, 1, 3, 5))
    torch.testing.assert_close(weights.sum((1, 2, 3)), torch.ones(2))


def test_micro_attention_adds_what_it_attends_to():
    block, x = MicroAttention(4, 6).eval(), torch.randn(2, 4, 3, 5)
    with torch.inference_mode():
        first = block.first(x)
        second, shortcut = block.second(first), block.shortcut(x)
        torch.testing.assert_close(block(x), (second + shortcut) * (1 + block.weights([first, second, shortcut])))
        nn.init.zeros_(block.attention.weight)  # then all places count alike
        torch.testing.assert_close(block(x), (second + shortcut) * (1 + 1 / 15))


def test_channels_and_places_are_weighed_between_0_and_1():
    x = torch.rand(2, 8, 5, 5) + 0.1
    with torch.inference_mode():
        channels, spots = ChannelAttention(8)(x) / x, PlaceAttention()(x) / x
    torch.testing.assert_close(channels, channels.mean((2, 3), keepdim=True).expand_as(x))  # one for each channel
    torch.testing.assert_close(spots, spots.mean(1, keepdim=True).expand_as(x))  # one for each place
    assert all(((weights > 0) & (weights < 1)).all() for weights in (channels, spots))
