"""MLSP-2024 and its relatives: sizes as released, Keras' layers by hand, the loss with its penalty, what cards say."""

from pathlib import Path

import numpy as np
import pytest
import torch

from apexbench.config.methods import MethodCard
from apexbench.config.model import read_yaml
from apexbench.errors import InputError
from apexbench.methods import create, find
from apexbench.methods.base import ProtocolFacts
from apexbench.methods.deep import Clips
from apexbench.methods.networks.mlsp import (
    CBAM,
    Network,
    TimeAttention,
    _recurrent,
    he_normal_,
    same_pool,
)
from apexbench.training.run import train_fold

CARDS = Path(__file__).parent.parent / "config/methods"
SMALL = {"image_size": 16, "width": 0.1}
ICIP = {"pooling": 2, "recurrent_width": 1024, "attention": "none", "third_dropout": True, "tail": (32,)}
NONE = {"cbam": "none", "attention": "none"}


pytestmark = pytest.mark.usefixtures("one_thread")


def small(classes=3, name="mlsp", **values):
    return create(name, classes, **{**SMALL, **values})


def clips(number=6, frames=4, side=16, seed=0):
    rng = np.random.default_rng(seed)
    return {"frames": rng.integers(0, 256, (number, frames, 3, side, side), dtype=np.uint8)}


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters() if p.requires_grad)


def on_meta(name, **values):
    """A network that has shapes and no numbers, which takes no time."""
    with torch.device("meta"):
        return create(name, 3, **values).build()


def numbers(x):
    return x.detach().double().numpy()


def dense(layer, x):
    return x @ numbers(layer.weight).T + numbers(layer.bias)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# sizes


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, 2_836_759),
        ({"merge_channels": 64}, 3_817_055),
        ({"attention": "none"}, 1_964_235),
        (NONE, 1_961_891),
        (ICIP, 7_656_395),
        ({"pooling": 2, "merge_channels": 64}, 10_362_463),
        ({"attention": "multi-head"}, 10_827_979),
        ({**NONE, "branches": 1}, 1_931_619),
        ({**NONE, "branches": 1, "recurrent": "lstm"}, 2_225_507),
        ({**NONE, "branches": 1, "recurrent": "none"}, 986_467),
        ({"shared_mlp": True}, 2_836_759 - 292),
    ],
)
def test_parameters_are_as_many_as_in_the_released_network(values, wanted):
    assert count(on_meta("mlsp", **values)) == wanted


def test_the_parts_are_as_large_as_in_the_released_network():
    model = Network(3)
    five, three = model.branches
    first, second = (model.steps[place] for place in (1, 4))
    parts = [five, three, model.merge, model.cbam.channel, model.cbam.spatial, first, second]
    assert [count(part) for part in parts] == [12_032, 2_624, 55_328, 584, 1_760, 921_728, 8_256]
    assert [count(model.recurrent), count(model.attention)] == [887_808, 872_780]
    assert [count(layer) for layer in model.tail if isinstance(layer, torch.nn.Linear)] == [65_408, 8_256, 195]


@pytest.mark.parametrize(
    ("frames", "values", "merged", "steps", "output"),
    [
        (10, {}, (32, 2, 15, 15), 510, 1),
        (30, {}, (32, 4, 15, 15), 510, 1),
        (10, ICIP, (32, 3, 32, 32), 1024, 3),
        (30, ICIP, (32, 8, 32, 32), 1024, 8),
    ],
)
def test_shapes(frames, values, merged, steps, output):
    model, seen = on_meta("mlsp", **values), []
    model.merge.register_forward_hook(lambda *args: seen.append(args[2].shape[1:]))
    model.attention.register_forward_hook(lambda *args: seen.append(args[2].shape[1:]))
    model.branches[0].register_forward_hook(lambda *args: seen.append(args[2].shape[1:]))
    scores = model(torch.zeros(1, 3, frames, 128, 128, device="meta"))
    side, length = (43, -(-frames // 3)) if "pooling" not in values else (64, -(-frames // 2))
    assert seen == [(32, length, side, side), merged, (output, steps)]
    assert scores.shape == (1, output, 3)


@pytest.mark.parametrize("frames", [1, 2, 7, 40])
@pytest.mark.parametrize("values", [{"image_size": 17}, {"image_size": 48, "width": 0.02}, {"image_size": 8, **ICIP}])
def test_any_number_of_frames_any_side_and_any_width_fit(frames, values):
    method = small(4, **values)
    model, side = method.build().eval(), method.params.image_size
    scores = model(torch.zeros(2, 3, frames, side, side))
    steps = frames
    for _ in range(2):
        steps = -(-steps // method.params.pooling)
    assert scores.shape == (2, 1 if method.params.attention != "none" else steps, 4)


def test_narrow_networks_leave_out_heads_that_would_have_no_width():
    assert Network(3).attention.widths == [256, 128, 64, 32, 16, 8, 4, 2]
    assert Network(3, width=0.25).attention.widths == [64, 32, 16, 8, 4, 2, 1]
    assert Network(3, width=0.25, attention="multi-head").attention.widths == [128] * 8
    assert Network(3, width=0.001, image_size=16).attention.widths == [1]


# Keras' layers, by hand


def keras_pool(x, size):
    """Max pooling of Keras with padding `same`, along the last axis."""
    out = -(-len(x) // size)
    total = max((out - 1) * size + size - len(x), 0)
    padded = np.concatenate([np.full(total // 2, -np.inf), x, np.full(total - total // 2, -np.inf)])
    return padded.reshape(out, size).max(1)


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_pooling_is_that_of_keras(size):
    rng = np.random.default_rng(0)
    for length in range(1, 32):
        x = -rng.random((2, length)) - 1  # all negative: a padding of 0 would win
        found = same_pool(torch.from_numpy(x)[:, None], size, 1)[:, 0]
        np.testing.assert_array_equal(found, [keras_pool(row, size) for row in x])
    if size > 5:
        return
    x = -rng.random((1, 2, 4, 5, 7)) - 1
    wanted = x
    for axis in (2, 3, 4):
        wanted = np.apply_along_axis(keras_pool, axis, wanted, size)
    np.testing.assert_array_equal(same_pool(torch.from_numpy(x), size, 3), wanted)


def test_pooling_before_the_relu_changes_nothing():
    branch = Network(3).branches[1]
    x = torch.randn(2, 3, 4, 10, 10)
    plain = same_pool(torch.nn.functional.leaky_relu(branch.conv(x), 0.2), 3, 3)
    torch.testing.assert_close(branch(x), plain)


def test_a_gru_is_that_of_keras():
    layer, width = _recurrent("gru", 5, 4), 4
    with torch.no_grad():
        for bias in (layer.bias_ih_l0, layer.bias_hh_l0):
            bias.normal_()
    x = torch.randn(2, 3, 5)
    # Keras: columns z, r, h; one bias of the input, one of the recurrence; the reset multiplies after the product
    order = np.r_[width : 2 * width, :width, 2 * width : 3 * width]
    kernel, recurrent = (numbers(w)[order].T for w in (layer.weight_ih_l0, layer.weight_hh_l0))
    biases = [numbers(b)[order] for b in (layer.bias_ih_l0, layer.bias_hh_l0)]
    h, states = np.zeros((2, width)), []
    for step in range(3):
        of_input = np.split(numbers(x)[:, step] @ kernel + biases[0], 3, axis=1)
        of_state = np.split(h @ recurrent + biases[1], 3, axis=1)
        z, r = sigmoid(of_input[0] + of_state[0]), sigmoid(of_input[1] + of_state[1])
        h = z * h + (1 - z) * np.tanh(of_input[2] + r * of_state[2])
        states.append(h)
    np.testing.assert_allclose(numbers(layer(x)[0]), np.stack(states, 1), atol=1e-6)


def test_an_lstm_is_that_of_keras():
    layer, width = _recurrent("lstm", 5, 4), 4
    assert layer.bias_ih_l0.tolist() == [0] * 4 + [1] * 4 + [0] * 8 and not layer.bias_hh_l0.any()
    assert count(layer) == 4 * (5 * 4 + 4 * 4 + 4)
    x = torch.randn(2, 3, 5)
    h, c, states = np.zeros((2, width)), np.zeros((2, width)), []
    for step in range(3):
        gates = numbers(x)[:, step] @ numbers(layer.weight_ih_l0).T + h @ numbers(layer.weight_hh_l0).T
        i, f, g, o = np.split(gates + np.repeat([0, 1, 0, 0], width), 4, axis=1)  # Keras: input, forget, cell, output
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    np.testing.assert_allclose(numbers(layer(x)[0]), np.stack(states, 1), atol=1e-6)
    optimizer, _ = small(recurrent="lstm", l2=0).optimizer(layer_model := small(recurrent="lstm").build())
    layer_model(torch.randn(2, 3, 4, 16, 16)).sum().backward()
    optimizer.step()
    assert not layer_model.recurrent.bias_hh_l0.any() and layer_model.recurrent.bias_ih_l0.any()


@pytest.mark.parametrize("mode", ["sum", "half-diff"])
@pytest.mark.parametrize("shared", [False, True])
def test_cbam(mode, shared):
    block = CBAM(16, mode, shared)
    with torch.no_grad():
        for p in block.parameters():
            p.normal_()
    x = torch.randn(2, 16, 3, 4, 5)
    values = numbers(x)

    def mlp(layers, z):
        inner = dense(layers[0], z)
        return dense(layers[2], np.where(inner > 0, inner, 0.2 * inner))

    most = mlp(block.channel.mean if shared else block.channel.max, values.max((2, 3, 4)))
    mean = mlp(block.channel.mean, values.mean((2, 3, 4)))
    channel = sigmoid(most + mean if mode == "sum" else 0.5 * (most - mean))
    maps = np.pad(np.stack([values.max(1), values.mean(1)], 1), [(0, 0), (0, 0), (1, 1), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(maps, (3, 3, 3), (2, 3, 4))
    spatial = np.einsum("bithwxyz,oixyz->bothw", windows, numbers(block.spatial.weight))
    spatial = sigmoid(spatial + numbers(block.spatial.bias)[:, None, None, None])
    np.testing.assert_allclose(numbers(block(x)), values * channel[:, :, None, None, None] * spatial, atol=1e-4)
    assert block.channel.mean[0].out_features == 2


@pytest.mark.parametrize("steps", [1, 4, 10, 13])
def test_attention_over_time(steps):
    block = TimeAttention(12, [6, 3, 1])
    assert count(block) == sum(3 * (12 * w + w) + w * w + w for w in (6, 3, 1))
    with torch.no_grad():
        for p in block.parameters():
            p.normal_()
    x = torch.randn(2, steps, 12)
    projected = [dense(layer, numbers(x)) for layer in (block.query, block.key, block.value)]
    wanted, start = [], 0
    for width, out in zip((6, 3, 1), block.out, strict=True):
        q, k, v = (part[..., start : start + width] for part in projected)
        start += width
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(width)
        pooled = np.apply_along_axis(keras_pool, 1, scores, 10)  # along the queries
        weights = np.exp(pooled) / np.exp(pooled).sum(-1, keepdims=True)
        wanted.append(dense(out, weights @ v))
    found = numbers(block(x))
    assert found.shape == (2, -(-steps // 10), 10)
    np.testing.assert_allclose(found, np.concatenate(wanted, -1), atol=1e-4)


def test_initial_weights():
    model = Network(3)
    for layer, fan in ((model.branches[0].conv, 3 * 125), (model.merge.conv, 64 * 27), (model.steps[1], 7200)):
        weight, wanted = numbers(layer.weight), (2 / fan) ** 0.5
        assert weight.std() == pytest.approx(wanted, rel=0.02) and not layer.bias.any()
        assert abs(weight).max() <= 2 * wanted / 0.8796 and abs(weight).max() > 2 * wanted
    glorot = {
        model.cbam.channel.mean[0].weight: (32, 4),
        model.recurrent.weight_ih_l0: (64, 1536),
        model.attention.key.weight[:256]: (512, 256),
        model.attention.key.weight[256:384]: (512, 128),
        model.attention.query.weight[-2:]: (512, 2),
        model.attention.out[0].weight: (256, 256),
        model.tail[-1].weight: (64, 3),
    }
    for weight, fans in glorot.items():
        limit = (6 / sum(fans)) ** 0.5
        assert 0.85 * limit < weight.abs().max() <= limit
    orthogonal = numbers(model.recurrent.weight_hh_l0)
    np.testing.assert_allclose(orthogonal.T @ orthogonal, np.eye(512), atol=1e-5)
    assert not model.recurrent.bias_ih_l0.any() and not model.attention.key.bias.any()
    many = torch.empty(200, 50, 3, 3, 3)
    he_normal_(many)
    assert many.std().item() == pytest.approx((2 / 1350) ** 0.5, rel=0.005)


def test_the_loss_reaches_every_parameter():
    for values in ({}, {"attention": "multi-head", "recurrent": "lstm"}, {"cbam": "sum", "attention": "none"}):
        method = small(width=0.25, **values)
        model = method.build().eval()
        inputs = clips(frames=30)
        method.fit(inputs)
        method.loss(model(**Clips(method, inputs).batch(np.arange(6))), torch.arange(6) % 3).backward()
        trained = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
        assert [name for name, grad in trained.items() if grad is None or not grad.any()] == []


# loss and optimizer


@pytest.mark.parametrize(
    ("given", "weights"), [("ones", (1, 1, 1)), ("shares", (1 / 3,) * 3), ((0.3, 0.35, 0.35), (0.3, 0.35, 0.35))]
)
def test_the_loss_is_not_divided_by_the_weights(given, weights):
    method = small(class_weights=given)
    output = torch.randn(4, 2, 3)
    output[0, 0, 1] = -200  # p below 1e-15
    labels = np.array([1, 0, 2, 2])
    p = np.exp(numbers(output))
    p = np.maximum(p / p.sum(-1, keepdims=True), 1e-15)
    wanted = np.mean([-weights[y] * np.log(p[i, step, y]) for i, y in enumerate(labels) for step in range(2)])
    assert method.loss(output, torch.from_numpy(labels)).item() == pytest.approx(wanted, rel=1e-5)
    soft = np.random.default_rng(0).dirichlet([1, 1, 1], 4)
    wanted = np.mean(-(np.array(weights) * soft[:, None] * np.log(p)).sum(-1))
    assert method.loss(output, torch.from_numpy(soft)).item() == pytest.approx(wanted, rel=1e-5)


def test_labels_repeated_along_time_would_have_no_effect():
    method, output = small(), torch.randn(4, 1, 3)
    repeated = method.loss(output.expand(4, 3, 3), torch.arange(4) % 3)
    torch.testing.assert_close(repeated, method.loss(output, torch.arange(4) % 3))


def test_several_classes_at_once_have_no_weights():
    output, presence = torch.randn(4, 2, 3), torch.tensor(np.random.default_rng(0).integers(0, 2, (4, 3))).float()
    p, y = sigmoid(numbers(output)), numbers(presence)[:, None]
    wanted = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    for given in ("shares", (0.0, 0.5, 0.5)):
        assert small(class_weights=given).presence_loss(output, presence).item() == pytest.approx(wanted, rel=1e-5)


def test_steps_of_adam_are_those_of_a_loss_that_has_the_penalty():
    method = small(width=0.5, l2=0.05)
    models = [method.build().eval() for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    method.fit(clips())
    inputs = Clips(method, clips(), np.arange(6) % 3)
    ours, _ = method.optimizer(models[0])
    plain = torch.optim.Adam(models[1].parameters(), lr=1e-3, eps=1e-7)
    names = {"steps.1.weight", "steps.4.weight", "cbam.channel.mean.0.weight", "cbam.channel.max.0.weight"}
    for _ in range(3):
        for model, optimizer in zip(models, (ours, plain), strict=True):
            optimizer.zero_grad()
            loss = method.loss(model(**inputs.batch(np.arange(6))), inputs.targets)
            if optimizer is plain:
                loss = loss + 0.05 * sum(p.square().sum() for name, p in model.named_parameters() if name in names)
            loss.backward()
            optimizer.step()
    for (name, one), other in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5, msg=name)
        moments = ours.state[one]["exp_avg"], plain.state[other]["exp_avg"]
        torch.testing.assert_close(*moments, rtol=1e-3, atol=1e-6, msg=name)


def test_what_is_penalised():
    def sizes(**values):
        return [tuple(p.shape) for p in Network(3, **values).penalised()]

    assert sizes() == [(128, 7200), (64, 128), (4, 32), (4, 32)]
    assert sizes(shared_mlp=True) == [(128, 7200), (64, 128), (4, 32)]
    assert sizes(cbam="none") == [(128, 7200), (64, 128)]
    ours = sum(float(p.detach().square().sum()) for p in Network(3).penalised())
    assert 0.01 * ours == pytest.approx(3.84 + 0.01 * 2 * 128 * 2 / 36, rel=0.03)


def test_the_learning_rate_falls_at_the_given_epochs():
    method = small()
    optimizer, scheduler = method.optimizer(method.build())
    rates = []
    for _ in range(method.params.epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates, 1e-3 * 0.9 ** (np.arange(200) // 40))


@pytest.mark.parametrize("name", ["mlsp", "dualbranch-au"])
def test_weights_that_are_not_one_for_each_class_are_refused(name):
    kind = find(name)
    params = kind.parse({"class_weights": [0.3, 0.35, 0.35]}, "card")
    assert kind.skip(params, ProtocolFacts("p", tuple("abc"))) == ""
    assert kind.skip(params, ProtocolFacts("p", tuple("abcd"))) == "class_weights has 3 values for 4 classes"
    with pytest.raises(ValueError, match="class_weights has 3 values for 4 classes; give one for each class, or 'sh"):
        kind(4, params)
    for wrong in ("equal", [0.3, -1]):
        with pytest.raises(InputError, match="hyper-parameter 'class_weights"):
            kind.parse({"class_weights": wrong}, "card")


# what the model is given


@pytest.mark.parametrize("channels", ["bgr", "rgb"])
def test_frames_are_normalised_by_one_mean_and_one_maximum(channels):
    method, train, test = small(channels=channels), clips(), clips(2, seed=1)
    train["frames"] //= 2  # the test clips have larger values
    before = test["frames"].copy()
    method.fit(train)
    given = Clips(method, test).batch(np.arange(2))["frames"]
    stored = train["frames"].astype(float)
    mean = stored.mean()
    frames = test["frames"][:, :, ::-1] if channels == "bgr" else test["frames"]
    wanted = (frames.transpose(0, 2, 1, 3, 4) - mean) / (stored.max() - mean)
    assert given.shape == (2, 3, 4, 16, 16) and given.dtype == torch.float32
    np.testing.assert_allclose(given, wanted, atol=1e-5)
    np.testing.assert_array_equal(test["frames"], before)


def test_statistics_of_all_clips_are_as_released_and_leak():
    train, test = clips(), clips(3, seed=1)
    train["frames"] //= 2
    scales, scores = {}, {}
    for statistics in ("fold", "all"):
        method = small(statistics=statistics, epochs=1)
        scores[statistics] = train_fold(method, train, np.arange(6) % 3, test, 0)
        scales[statistics] = method.scale["frames"]
    both = np.concatenate([train["frames"], test["frames"]]).astype(float)
    assert scales["all"] == pytest.approx((both.mean(), both.max() - both.mean()))
    assert scales["fold"] == pytest.approx((train["frames"].mean(), 127 - train["frames"].mean()))
    assert (scores["all"] != scores["fold"]).any()


def test_frames_that_are_all_alike_have_a_finite_scale():
    method, same = small(), clips()
    same["frames"][:] = 7
    method.fit(same)
    assert not Clips(method, same).batch([0])["frames"].any()


@pytest.mark.parametrize("name", ["mlsp", "dualbranch-au"])
def test_packs_that_do_not_fit_are_refused(name):
    method = small(name=name)
    inputs = {role: clips()["frames"] for role in method.reads}
    wide = inputs | {"frames": clips(side=20)["frames"]}
    with pytest.raises(ValueError, match=r"reads frames of 16 x 16 px \(image_size\); the pack's are 20 x 20"):
        method.tensors(wide)
    assert set(method.tensors(inputs | {"frames_lengths": np.full(6, 4)})) == set(method.reads)
    with pytest.raises(ValueError, match="reads as many frames of each clip; the pack's numbers differ"):
        method.tensors(inputs | {"frames_lengths": np.array([4, 4, 3, 4, 4, 4])})


def test_regions_go_to_the_small_branch_and_are_normalised_apart():
    method = small(name="dualbranch-au")
    assert method.oracle and not small().oracle
    frames, regions = clips()["frames"], clips(seed=1)["frames"] // 3
    inputs = {"frames": frames, "regions": regions}
    method.fit(inputs)
    batch, model = Clips(method, inputs).batch(np.arange(6)), method.build().eval()
    for role, stored in inputs.items():
        assert method.scale[role] == pytest.approx((stored.mean(), stored.max() - stored.mean()))
    seen = []
    for branch in model.branches:
        branch.register_forward_hook(lambda _, given, out: seen.append(given[0]))
    with torch.inference_mode():
        model(**batch)
    assert torch.equal(seen[0], batch["frames"]) and torch.equal(seen[1], batch["regions"])
    with pytest.raises(ValueError, match="reads as many regions as frames; the packs hold 5 and 4 of each clip"):
        method.tensors(inputs | {"regions": clips(frames=5)["frames"]})


def test_the_first_step_is_scored():
    output = torch.randn(4, 3, 5)
    assert torch.equal(small().logits(output), output[:, 0])


def trained(**values):
    method = small(width=0.25, dropout=0.0, epochs=1, batch_size=3, **values)
    return train_fold(method, clips(), np.arange(6) % 3, clips(2, seed=1), 0)


@pytest.mark.parametrize("values", [{}, {"recurrent": "lstm", "attention": "multi-head", "cbam": "sum"}])
def test_half_precision_changes_little(values):
    plain, half = (trained(precision=precision, **values) for precision in ("float32", "bfloat16"))
    np.testing.assert_allclose(half, plain, atol=0.1)
    assert (half != plain).any()


def test_compiled_agrees_with_plain(monkeypatch):
    compiler = torch.compile
    # the same graphs without the C++ compiler's minute
    monkeypatch.setattr(torch, "compile", lambda model: compiler(model, backend="aot_eager"))
    np.testing.assert_allclose(trained(compile=True), trained(), atol=1e-3)


def test_the_state_can_be_stored_and_loaded():
    method = small(shared_mlp=True)
    method.fit(clips())
    batch = Clips(method, clips()).batch(np.arange(3))
    one, other = method.build().eval(), method.build().eval()
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(**batch), other(**batch))


# cards


def card(name, protocol, classes, budget="paper"):
    given = read_yaml(CARDS / f"{name}.yaml")
    if "like" in given:
        given = MethodCard.inherit(given, read_yaml(CARDS / f"{given['like']}.yaml"))
    return MethodCard(**given).under(budget, protocol, classes)


@pytest.mark.parametrize(
    ("name", "protocol", "wanted"),
    [
        ("mlsp", "smic-3", ("mlsp-10", 32, 0.3, 3, (0.3, 0.35, 0.35))),
        ("mlsp", "samm-3", ("mlsp-30", 64, 0.3, 3, (0.3, 0.35, 0.35))),
        ("mlsp", "casme2-3-megc", ("mlsp-30", 64, 0.5, 3, (0.3, 0.35, 0.35))),
        ("mlsp", "casme2-5", ("mlsp-30", 64, 0.5, 3, "shares")),
        ("mlsp", "megc2019", ("mlsp-30", 32, 0.3, 3, (0.3, 0.35, 0.35))),
        ("mlsp", "casme3-4", ("mlsp-30", 32, 0.5, 3, (0.2, 0.3, 0.3, 0.2))),
        ("mlsp", "mmew-4", ("mlsp-30", 32, 0.3, 3, "shares")),
        ("icip", "samm-3", ("mlsp-30", 32, 0.3, 2, (0.3, 0.35, 0.35))),
        ("mlsp-cce", "smic-3", ("mlsp-10", 32, 0.3, 3, "ones")),
        ("icip-cce", "smic-3", ("mlsp-10", 32, 0.3, 2, "ones")),
        ("dualbranch-noau", "samm-3", ("mlsp-uniform-30", 64, 0.3, 3, (0.3, 0.35, 0.35))),
        ("dualbranch-noau", "casme2-3-megc", ("mlsp-moving-30", 64, 0.5, 3, (0.3, 0.35, 0.35))),
        ("dualbranch-noau", "casme3-4", ("mlsp-moving-30", 64, 0.5, 2, (0.2, 0.3, 0.3, 0.2))),
        ("dualbranch-au", "casme3-3", ("mlsp-moving-30", 64, 0.5, 2, (0.3, 0.35, 0.35))),
    ],
)
def test_values_by_protocol(name, protocol, wanted):
    classes = 3 if protocol == "megc2019" else int(protocol.split("-")[1])
    found = card(name, protocol, classes)
    p = create(found.method, classes, **found.params).params
    assert (found.inputs["frames"], p.merge_channels, p.dropout, p.pooling, p.class_weights) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mlsp", 2_836_759), ("mlsp-head", 2_836_759),
        ("mlsp-cce", 1_961_891), ("mlsp-wcce", 1_961_891), ("mlsp-cbam", 1_964_235), ("mlsp-newcbam", 1_964_235),

        ("mlsp-mh", 10_827_979),
        ("icip", 7_656_395), ("icip-cbam", 7_656_395), ("icip-cce", 7_654_051), ("icip-wcce", 7_654_051),
        ("dualbranch-noau", 3_817_055), ("dualbranch-au", 3_817_055),
        ("dualbranch-single-cce", 986_467), ("dualbranch-single-wcce", 986_467), ("dualbranch-single-lstm", 2_225_507),
        ("dualbranch-single-gru", 1_931_619), ("dualbranch-single-gru-cbam", 1_933_963),
    ],
)  # fmt: skip
def test_the_network_of_a_card(name, wanted):
    found = card(name, "smic-3", 3)
    assert count(on_meta(found.method, **found.params)) == wanted
    if name in ("mlsp", "dualbranch-au"):  # the class's defaults are the paper's
        given = create(found.method, 3, **found.params).params.model_dump() | {"class_weights": "shares"}
        assert given == create(found.method, 3).params.model_dump()


def test_a_quick_network_learns_what_moves_where():
    """A bright blob grows in the left, the right or the lower part of otherwise equal noisy faces."""
    found = card("mlsp", "samm-3", 3, "quick")
    rng = np.random.default_rng(0)
    labels = np.arange(36) % 3
    side = found.params["image_size"]
    frames = np.repeat(rng.integers(60, 120, (36, 1, 3, side, side)), 7, axis=1)
    rise = 12 * np.minimum(np.arange(7), 5)[:, None, None, None]
    for clip, label in enumerate(labels):
        row, column = (round(part * side) for part in ((1 / 4, 1 / 8), (1 / 4, 5 / 8), (2 / 3, 3 / 8))[label])
        frames[clip, :, :, row : row + side // 4, column : column + side // 4] += rise
    frames = frames.astype(np.uint8)
    method = create("mlsp", 3, **{**found.params, "epochs": 16})
    scores = train_fold(method, {"frames": frames[:24]}, labels[:24], {"frames": frames[24:]}, 0)
    assert (scores[-1].argmax(-1) == labels[24:]).mean() > 0.8
