"""MMNet: the released network's size and parts, the scripts' values, frames near the key frames, and what it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from apexbench.config.methods import MethodCard
from apexbench.config.model import read_yaml
from apexbench.imagenet import normalised
from apexbench.methods import create
from apexbench.methods.deep import Clips, predict
from apexbench.methods.networks.mmnet import ContinuousAttention
from apexbench.training.run import train_fold

ROOT = Path(__file__).parent.parent
SMALL = {"image_size": 32, "width": 0.1}
pytestmark = pytest.mark.usefixtures("one_thread")


def small(classes=3, **values):
    return create("mmnet", classes, **{**SMALL, **values})


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def clips(number=4, slots=4, side=32, seed=0):
    shape = (number, 2, 3, side, side) if slots is None else (number, 2, slots, 3, side, side)
    return {"frames": np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)}


def given(method, inputs):
    """What the model is given in the test."""
    return Clips(method, inputs).batch(np.arange(len(inputs["frames"])))


def scored(method, model, inputs):
    return predict(method, model, Clips(method, inputs))


# the network


def test_it_has_the_parameters_of_the_released_network():
    model = create("mmnet", 5).build()
    main = count(model.conv, model.stages, model.head)
    assert (count(model), count(model.stem), main) == (9_438_841, 5_220, 3_025_429)
    assert (count(model.head), count(model.position)) == (501_765, 6_408_192)


def test_the_head_reads_a_map_of_14_by_14():
    model = create("mmnet", 5).build().eval()
    with torch.inference_mode():
        shapes = [tuple(model.stem(torch.zeros(1, 3, 224, 224)).shape[1:])]
        fused = model.fused(torch.zeros(1, 3, 224, 224), torch.ones(1, 3, 224, 224))
    assert shapes == [(180, 112, 112)]
    assert fused.shape == (1, 512, 14, 14) and model.head.in_features == 100_352


@pytest.mark.parametrize("size", [32, 40, 48, 60, 64])
@pytest.mark.parametrize("stride", [1, 2])
def test_any_size_fits(size, stride):
    method = small(image_size=size, stem_stride=stride)
    model = method.build().eval()
    assert model(**given(method, clips(2, side=size))).shape == (2, 3)
    assert model.position.side == -(-size // (8 * stride))


def test_widths_are_cut_among_the_heads():
    for width in (0.01, 0.03, 0.1, 0.37, 1.5):
        assert small(width=width).build().head.in_features % 16 == 0  # 2 x 2 places, 4 heads


def test_the_loss_reaches_every_parameter():
    method = small(5, drop_path=0.0)
    torch.manual_seed(0)
    model = method.build().train()
    batch = Clips(method, clips(8)).batch(np.arange(8), np.random.default_rng(0))
    method.loss(model(**batch), torch.arange(8) % 5).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_maps_are_products_of_all_before():
    torch.manual_seed(0)
    block = ContinuousAttention(4, 8, 2).eval()
    x, before = torch.randn(2, 4, 8, 8), torch.rand(2, 1, 8, 8)
    with torch.inference_mode():
        alone, own = block(x)
        together, weights = block(x, before)
        assert not block(x, torch.zeros_like(before))[0].any()
    torch.testing.assert_close(weights, own * functional.max_pool2d(before, 3, 2, 1))
    torch.testing.assert_close(together * own, alone * weights)
    assert (weights <= own).all() and (own > 0).all() and (own < 1).all()


def test_maps_only_fall_from_stage_to_stage():
    model = small().build().eval()
    with torch.inference_mode():
        x, weights = model.conv(model.stem(torch.randn(2, 3, 32, 32))), None
        for stage in model.stages:
            highest = 1.0 if weights is None else weights.amax()
            x, weights = stage(x, weights)
            assert weights.shape[-1] == x.shape[-1] and (weights <= highest).all()


def test_position_sees_the_onset_only_and_knows_places():
    torch.manual_seed(0)
    branch = small(image_size=64).build().eval().position
    same = torch.full((1, 3, 64, 64), 0.3)
    with torch.inference_mode():
        out = branch(same)[0].flatten(1)
    assert (out[:, :1] - out[:, 1:]).abs().amax(0).min() > 1e-3


def test_initial_weights():
    torch.manual_seed(0)
    model = create("mmnet", 5).build()
    conv = model.conv[0].weight
    assert conv.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    linear = model.position.blocks[0].qkv
    assert linear.weight.std().item() == pytest.approx(0.02, rel=0.02) and not linear.bias.any()
    assert model.position.places.std().item() == pytest.approx(0.02, rel=0.02)
    stage = model.stages[2].residual.body[0].weight
    assert stage.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)
    # as PyTorch makes them: the released code leaves the stem and the patch embedding as they are
    assert model.stem[0].weight.std().item() == pytest.approx(0.110, abs=0.004)
    assert model.position.embed.weight.std().item() == pytest.approx(0.332, abs=0.015)


def test_clips_skip_blocks_in_training_only():
    method = small(3, drop_path=0.9, depth=2)
    torch.manual_seed(0)
    last = method.build().position.blocks[1]
    x = torch.randn(64, 4, last.out.in_features)
    assert last.drop_path == pytest.approx(0.9) and method.build().position.blocks[0].drop_path == 0
    kept = (last.train()(x) != x).flatten(1).any(1).float().mean()
    assert 0.05 < kept < 0.4  # of two parts, each with 1 in 10
    assert (last.eval()(x) != x).flatten(1).any(1).all()


# values by the number of classes


@pytest.mark.parametrize(
    ("protocol", "wanted", "frames"),
    [
        ("casme2-5", (74, 32, 0.6, 2, 4, 0, 3, 15), "mmnet-224"),
        ("samm-3", (99, 24, 0.7, 3, 2, 0.3, 4, 4), "mmnet-3-224"),
        ("mmew-4", (74, 32, 0.7, 3, 2, 0.3, 4, 4), "mmnet-224"),
        ("casme2-7", (74, 32, 0.6, 2, 4, 0, 3, 15), "mmnet-224"),
    ],
)
def test_values_are_those_of_the_script_for_as_many_classes(protocol, wanted, frames):
    card = MethodCard(**read_yaml(ROOT / "config/methods/mmnet.yaml"))
    classes = int(protocol[-1])
    assert card.under("paper", protocol, classes).inputs == {"frames": frames}
    assert card.under("quick", protocol, classes).inputs == {"frames": "mmnet-32"}
    p = create("mmnet", classes, **card.values("paper", protocol, classes)).params
    found = (p.epochs, p.batch_size, p.weight_decay, p.depth, p.mlp_ratio, p.drop_path, p.degrees, p.padding)
    assert found == wanted and p.learning_rate == 8e-4
    quick = card.values("quick", protocol, classes)
    assert (quick["epochs"], quick["batch_size"], quick["image_size"]) == (15, 8, 32)
    assert create("mmnet", classes, **quick).params.depth == p.depth


def test_the_learning_rate_falls_for_fifty_epochs():
    method = small(5)
    optimizer, scheduler = method.optimizer(torch.nn.Linear(1, 1))
    rates = []
    for _ in range(method.params.epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates[:51], 8e-4 * 0.987 ** np.arange(51))
    assert len(rates) == 74 and set(rates[50:]) == {rates[50]}
    assert optimizer.param_groups[0]["weight_decay"] == 0.6


# what the model is given


def test_tests_see_the_key_frames_as_they_are():
    method = small(3)
    torch.manual_seed(0)
    model = method.build().eval()
    inputs, others = clips(3), clips(3, seed=1)
    others["frames"][:, :, 0] = inputs["frames"][:, :, 0]
    plain = {"frames": inputs["frames"][:, :, 0]}
    scores = [scored(method, model, x) for x in (inputs, others, plain)]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
    onset, apex = normalised(torch.from_numpy(plain["frames"])).unbind(1)
    with torch.inference_mode():
        np.testing.assert_allclose(model(onset, apex), scores[0], rtol=1e-4, atol=1e-5)


def test_frames_are_normalised_by_imagenet():
    x = torch.tensor([0, 128, 255], dtype=torch.uint8).view(3, 1, 1)
    wanted = [-0.485 / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    np.testing.assert_allclose(normalised(x).flatten(), wanted, rtol=1e-6)


def picks(method, inputs, seed=0):
    """What the model is given in training."""
    return Clips(method, inputs).batch(np.arange(len(inputs["frames"])), np.random.default_rng(seed))


def numbered(number, lengths=None):
    """Clips whose frame k of a key frame is all 10 k."""
    shown = 10 * np.arange(4, dtype=np.uint8)[None, None, :, None, None, None]
    inputs = {"frames": np.broadcast_to(shown, (number, 2, 4, 3, 32, 32)).copy()}
    return inputs | ({"frames_lengths": np.array(lengths)} if lengths else {})


def chosen(batch):
    return {n: ((x[:, 0, 0, 0] * 0.229 + 0.485) * 25.5).round().int().numpy() for n, x in batch.items()}


def test_training_picks_any_frame_that_the_jitter_allows_for_each_clip_and_kind():
    method = small(degrees=0, padding=0, drop_path=0.0)
    batch = picks(method, numbered(200))
    assert {name: tuple(x.shape) for name, x in batch.items()} == dict.fromkeys(("onset", "apex"), (200, 3, 32, 32))
    slots = chosen(batch)
    table = np.zeros((4, 4), int)
    np.add.at(table, (slots["onset"], slots["apex"]), 1)
    assert table.sum() == 200 and (table > 0).all() and (table.sum(0) > 30).all() and (table.sum(1) > 30).all()
    slots = chosen(picks(method, numbered(400, [(1, 3)] * 200 + [(2, 4)] * 200)))
    assert not slots["onset"][:200].any() and set(slots["onset"][200:]) == {0, 1}
    counts = np.bincount(slots["apex"][:200]), np.bincount(slots["apex"][200:])
    assert [len(count) for count in counts] == [3, 4] and min(map(min, counts)) > 30
    for held in (
        chosen(given(method, numbered(9, [(4, 4)] * 9))),
        chosen(picks(small(frame_jitter=False, degrees=0, padding=0), numbered(9))),
    ):
        assert not held["onset"].any() and not held["apex"].any()


def test_augmentation_is_drawn_from_the_generator_alone():
    method = small()
    inputs = clips(6)
    first = picks(method, inputs)
    np.random.random(3)
    torch.rand(3)
    again, other = picks(method, inputs), picks(method, inputs, 1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(not torch.equal(first[name], other[name]) for name in first)


def test_both_frames_move_alike_and_nothing_comes_in_from_outside():
    frames = clips(6, None, 64)["frames"]
    frames[:, 1] = frames[:, 0]
    together = small(image_size=64, padding=50)
    batch = picks(together, {"frames": frames})
    assert torch.equal(batch["onset"], batch["apex"]) and not together.energy(batch).any()
    assert (batch["onset"] == 0).all(1).any()  # 0 after the normalisation, which no px of these is
    apart = small(image_size=64, joint=False)
    assert apart.energy(picks(apart, {"frames": frames})).any()


@pytest.mark.parametrize(("padding", "wanted"), [(15, 2), (4, 1), (0, 0)])
def test_shifts_shrink_with_the_frames(padding, wanted):
    method = small(padding=padding, degrees=0)
    batch = picks(method, {"frames": np.full((64, 2, 3, 32, 32), 200, np.uint8)})
    outside = (batch["apex"] == 0).all(1)
    assert outside.all(2).sum(1).max() == outside.all(1).sum(1).max() == wanted


def test_energy_is_how_much_the_frames_differ():
    batch = {"onset": torch.zeros(1, 3, 2, 2), "apex": torch.tensor([3.0, -1, 2]).view(1, 3, 1, 1).expand(1, 3, 2, 2)}
    assert small().energy(batch).tolist() == [[[2.0, 2.0], [2.0, 2.0]]]


def test_frames_of_another_size_are_refused():
    with pytest.raises(ValueError, match="MMNet reads frames of 224 x 224 px; the pack's are 32 x 32"):
        given(create("mmnet", 3), clips())


# the switches


def test_each_switch_changes_what_it_says():
    scores = {}
    inputs = clips(2)
    for name, values in {
        "none": {},
        "stride": {"stem_stride": 1},
        "antialias": {"antialias": True},
        "depth": {"depth": 1},
        "ratio": {"mlp_ratio": 1.0},
        "outputs": {"outputs": 5},
    }.items():
        method = small(3, **values)
        torch.manual_seed(0)
        model = method.build().eval()
        scores[name] = scored(method, model, inputs), count(model)
    assert {name for name, (_, size) in scores.items() if size == scores["none"][1]} == {"none", "antialias"}
    assert not np.allclose(scores["antialias"][0], scores["none"][0])


@pytest.mark.parametrize("mixing", ["none", "memix", "manifold-mixup"])
def test_outputs_without_a_class_are_trained_and_not_scored(mixing):
    method = small(3, outputs=5, epochs=1, batch_size=4, mixing=mixing)
    assert method.build().train()(**given(method, clips(2))).shape == (2, 5)
    scores = train_fold(method, clips(8), np.arange(8) % 3, clips(3, seed=1), 0)
    assert scores.shape == (1, 3, 3)
    presence = np.eye(3, dtype=int)[np.arange(8) % 3]
    assert train_fold(method, clips(8), presence, clips(3, seed=1), 0).shape == (1, 3, 3)


def test_fewer_outputs_than_classes_are_refused():
    with pytest.raises(ValueError, match="5 outputs for 7 classes"):
        small(7, outputs=5)


def test_what_moves_where_is_learned():
    """A bright blob appears in the left, the right or the lower part of otherwise equal noisy faces."""
    rng = np.random.default_rng(0)
    labels = np.arange(36) % 3
    frames = np.repeat(rng.integers(60, 120, (36, 1, 1, 3, 32, 32)), 2, axis=1).repeat(4, axis=2)
    for clip, label in enumerate(labels):
        row, column = ((8, 4), (8, 20), (22, 12))[label]
        frames[clip, 1, :, :, row : row + 8, column : column + 8] += 60
    frames = frames.astype(np.uint8)
    script = {"weight_decay": 0.7, "depth": 3, "mlp_ratio": 2.0, "drop_path": 0.3, "degrees": 4.0, "padding": 4}
    method = small(3, epochs=12, batch_size=6, width=0.2, **script)  # for 3 classes
    scores = train_fold(method, {"frames": frames[:24]}, labels[:24], {"frames": frames[24:]}, 0)
    assert (scores[-1].argmax(-1) == labels[24:]).mean() > 0.8
