"""DSSN and SSSN: sizes of the networks, pictures of flow, fusion, and AlexNet's weights from a file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from random_clips import clips, small
from torch.nn import functional as F

from apexbench.config.methods import MethodCard
from apexbench.config.model import read_yaml
from apexbench.errors import InputError
from apexbench.methods import check_card, create
from apexbench.methods.base import Fold
from apexbench.methods.deep import Clips
from apexbench.methods.networks.dssn import Stream
from apexbench.weights import read_state

ROOT = Path(__file__).parent.parent
ALEXNET = [(96, 3, 11, 11), (256, 48, 5, 5), (384, 256, 3, 3), (384, 192, 3, 3), (256, 192, 3, 3)]
pytestmark = pytest.mark.usefixtures("one_thread")


def network(classes=5, **values):
    """A network of the published size that takes no memory."""
    with torch.device("meta"):
        return create("dssn", classes, **values).build()


def pictures(model, side=227):
    return {name: torch.zeros(2, 3, side, side, device="meta") for name in model.streams}


@pytest.mark.parametrize(
    ("values", "count", "features"),
    [
        ({}, 972_805, 57_600),
        ({"stream": "strain"}, 630_405, 57_600),
        ({"stream": "magnitude"}, 630_405, 57_600),
        ({"fusion": "add"}, 972_805, 57_600),
        ({"fusion": "concat"}, 1_260_805, 115_200),
    ],
)
def test_parameters_and_flattened_maps(values, count, features):
    model = network(**values)
    assert sum(p.numel() for p in model.parameters()) == count
    assert model.fused(**pictures(model)).shape == (2, features) and model.head[-1].in_features == features


def test_values_of_the_released_codes():
    """The authors' network, the port's training."""
    for values in ({}, read_yaml(ROOT / "config/methods/dssn.yaml")["params"]):
        p = create("dssn", 5, **values).params
        choices = p.stream, p.fusion, p.norm, p.dropout, p.weights.random
        assert choices == ("both", "multiply", "after-pool", 0.5, True)
        assert (p.epochs, p.batch_size, p.learning_rate) == (15, 32, 1e-4)


def test_maps_of_a_stream():
    with torch.device("meta"):
        x, shapes = torch.zeros(1, 3, 227, 227), []
        for layer in Stream("after-pool").body:
            x = layer(x)
            shapes.append(tuple(x.shape[1:]))
    assert [shapes[i] for i in (0, 2, 4, 6, 8)] == [
        (96, 55, 55), (96, 27, 27), (256, 27, 27), (256, 13, 13), (256, 15, 15),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [23, 24, 29, 48])
def test_any_size_fits(size):
    with torch.device("meta"):
        model = small("dssn", image_size=size).build()
    assert model(**pictures(model, size)).shape == (2, 3)


def test_a_size_of_which_nothing_is_left_is_refused():
    with pytest.raises(InputError, match="image_size 22: after two pools nothing is left; give 23 or more"):
        small("dssn", image_size=22)
    with pytest.raises(ValueError, match=r"DSSN reads flow maps \(N, 3, 28, 28\); the pack holds \(2, 3, 31, 31\)"):
        small("dssn").tensors({"flow": np.zeros((2, 3, 31, 31), np.float16)})


def test_pictures_are_stretched_for_each_clip_and_channel():
    method, inputs = small("dssn"), clips("dssn", 3)
    inputs["flow"][2] = 0
    flow = inputs["flow"].astype(np.float32)
    found = Clips(method, inputs).batch(np.arange(3))
    for name, third in (("strain", flow[:, 2]), ("magnitude", np.hypot(flow[:, 0], flow[:, 1]))):
        x = np.stack([flow[:, 0], flow[:, 1], third], axis=1)
        low, high = x.min((2, 3), keepdims=True), x.max((2, 3), keepdims=True)
        grey = np.floor(255 * (x - low) / np.where(high > low, high - low, 1)) / 255
        mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
        wanted = torch.from_numpy((grey - mean) / deviation).float()
        off = (found[name] - wanted).abs()
        assert (off < 1e-4).float().mean() > 0.99 and off.max() < 1 / 50  # a rounding may fall to either side
        assert found[name][:2].amax() == pytest.approx((1 - 0.406) / 0.225, rel=1e-5)
    alone = small("dssn", stream="magnitude")
    assert set(Clips(alone, inputs).batch(np.arange(3))) == {"magnitude"} and set(found) == {"magnitude", "strain"}


def test_streams_are_fused():
    inputs, fused = clips("dssn", 3), {}
    for fusion in ("multiply", "add", "concat"):
        torch.manual_seed(0)
        method = small("dssn", fusion=fusion)
        model, batch = method.build().eval(), Clips(method, inputs).batch(np.arange(3))
        with torch.inference_mode():
            one, other = (model.streams[name](batch[name]).flatten(1) for name in ("magnitude", "strain"))
            fused[fusion] = model.fused(**batch)
    assert one.any() and not torch.equal(one, other)
    torch.testing.assert_close(fused["multiply"], one * other)
    torch.testing.assert_close(fused["add"], one + other)
    torch.testing.assert_close(fused["concat"], torch.cat([one, other], 1))


@pytest.mark.parametrize("norm", ["after-pool", "before-pool"])
def test_where_the_normalisation_stands(norm):
    stream, x = Stream(norm, 0.125, 2), 50 * torch.randn(1, 3, 31, 31)

    def pooled(x):
        return F.max_pool2d(x, 3, 2)

    def normalised(x):
        return F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)

    with torch.inference_mode():
        wanted, found = x, stream(x)
        for conv in (layer for layer in stream.body if isinstance(layer, torch.nn.Conv2d)):
            wanted = F.relu(conv(wanted))
            wanted = normalised(pooled(wanted)) if norm == "after-pool" else pooled(normalised(wanted))
    torch.testing.assert_close(found, F.pad(wanted, (1, 1, 1, 1)))


def alexnet(name="features.{}.{}", shapes=ALEXNET):
    """The convolutions of an AlexNet as a state dict, and its first linear layer."""
    state = {"classifier.1.weight": torch.zeros(9, 9), "classifier.1.bias": torch.zeros(9)}
    for number, shape in enumerate(shapes):
        state |= {name.format(number, "weight"): torch.randn(shape), name.format(number, "bias"): torch.randn(shape[0])}
    return state


@pytest.mark.parametrize("name", ["features.{}.{}", "conv{}.{}"])
def test_both_streams_begin_with_the_weights_of_a_file(name):
    state, method = alexnet(name), create("dssn", 3, weights={"file": "alexnet.pth"}, image_size=47)
    model = method.build({"weights": state})
    for stream in model.streams.values():
        convs = [layer for layer in stream.body if isinstance(layer, torch.nn.Conv2d)]
        for number, layer in enumerate(convs):
            torch.testing.assert_close(layer.weight.data, state[name.format(number, "weight")], rtol=0, atol=0)
            torch.testing.assert_close(layer.bias.data, state[name.format(number, "bias")], rtol=0, atol=0)
    one, other = (stream.body[0].weight for stream in model.streams.values())
    assert one.data_ptr() != other.data_ptr()  # from there each learns for itself


@pytest.mark.parametrize(
    "state",
    [
        alexnet(shapes=[(64, 3, 11, 11), (192, 64, 5, 5)]),  # torchvision's
        {name: x for name, x in alexnet().items() if not name.endswith("bias")},
        alexnet(shapes=ALEXNET[:1]),
        {},
    ],
)
def test_weights_of_another_network_are_refused(state):
    with pytest.raises(InputError, match="hyper-parameter 'weights': no one convolution of shape"):
        create("dssn", 3, weights={"file": "alexnet.pth"}, image_size=47).build({"weights": state})


def test_a_card_may_name_a_file(tmp_path):
    """As the card's note says; the path is looked up before anything runs."""
    card = read_yaml(ROOT / "config/methods/dssn.yaml")
    torch.save({"state_dict": alexnet()}, tmp_path / "alexnet.pth")
    named = card | {"params": card["params"] | {"weights": {"file": str(tmp_path / "alexnet.pth")}}}
    check_card("dssn", MethodCard(**named), "paper")
    state = read_state(tmp_path / "alexnet.pth", "here")
    assert create("dssn", 3, **named["params"], image_size=47).build({"weights": state}) is not None
    (tmp_path / "alexnet.pth").unlink()
    with pytest.raises(InputError, match="no such file"):
        check_card("dssn", MethodCard(**named), "paper")


@pytest.mark.parametrize("values", [{}, {"stream": "strain"}])
def test_what_can_be_learned_is_learned(values):
    method = small("dssn", epochs=25, learning_rate=5e-3, **values)
    inputs, labels = clips("dssn", 12), np.arange(12) % 3
    rows = np.arange(28)
    for x, label in zip(inputs["flow"], labels, strict=True):
        x[:2] = x[:2] * 0.1 + np.where(rows[:, None] // 10 == label, 3, 0)
    scores = method.scores(inputs, labels, inputs, Fold(1))
    assert (scores[-1].argmax(-1) == labels).all() and method.losses[-1] < method.losses[0]
