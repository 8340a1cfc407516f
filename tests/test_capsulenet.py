"""CapsuleNet: the released network's size, the routing, which frames an epoch has, and what is done to them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from random_clips import clips, small

from apexbench.config.methods import MethodCard
from apexbench.config.model import read_yaml
from apexbench.methods import Fold, create
from apexbench.methods.augmentation import colour_jitter
from apexbench.methods.deep import Clips
from apexbench.methods.networks.capsulenet import Capsules, squash
from apexbench.torchvision_shim import ensure_torchvision

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.usefixtures("one_thread")


def count(module):
    return sum(p.numel() for p in module.parameters())


# the network


def test_it_has_the_size_of_the_released_network():
    with torch.device("meta"):
        model = create("capsulenet", 3).build()
        maps = [model.trunk(torch.zeros(1, 3, 224, 224))]
        maps += [model.conv(maps[0])]
        maps += [model.primary(maps[1])]
        assert model(torch.zeros(2, 3, 224, 224)).shape == (2, 3)
    assert [tuple(x.shape[1:]) for x in maps] == [(256, 28, 28), (256, 20, 20), (256, 6, 6)]
    assert model.capsules.weight.shape == (3, 1152, 16, 8)
    sizes = [count(part) for part in (model, model.trunk, model.conv, model.primary, model.capsules)]
    assert sizes == [13_842_496, 2_782_784, 5_308_672, 5_308_672, 442_368]


def test_freezing_keeps_the_stem_and_the_first_layer():
    with torch.device("meta"):
        method = create("capsulenet", 3, freeze=True)
        model = method.build()
        (group,) = method.optimizer(model)[0].param_groups
    kept = [name for name, p in model.trunk.named_parameters() if not p.requires_grad]
    assert len(kept) == 15 and {name.split(".")[0] for name in kept} == {"conv1", "bn1", "layer1"}
    assert sum(p.numel() for p in group["params"]) == 13_684_992


def test_the_trunk_is_timm_s_resnet_up_to_layer3_without_the_pool():
    ensure_torchvision()
    import timm

    sizes = small("capsulenet").params.resnet
    torch.manual_seed(0)
    whole = timm.create_model("resnet18", num_classes=0, zero_init_last=False, **sizes).eval()
    method = small("capsulenet", weights={"file": "any.pth"})
    model = method.build({"weights": whole.state_dict()}).eval()
    whole.maxpool, x = torch.nn.Identity(), torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        wanted = whole.forward_intermediates(x, indices=[3], stop_early=True, intermediates_only=True)[0]
        torch.testing.assert_close(model.trunk(x), wanted)


def test_eight_neighbouring_channels_of_a_place_are_a_capsule():
    model = small("capsulenet").build().eval()
    frames = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        maps = model.primary(model.conv(model.trunk(frames)).relu())[0]
        given = []
        model.capsules.register_forward_pre_hook(lambda _module, arguments: given.append(arguments[0][0]))
        model(frames)
    expected = [
        squash(maps[start : start + 8, row, column])
        for row in range(maps.shape[1])
        for column in range(maps.shape[2])
        for start in range(0, maps.shape[0], 8)
    ]
    torch.testing.assert_close(given[0], torch.stack(expected))


def test_squash_keeps_directions_and_has_a_gradient_at_zero():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    out = squash(x)
    torch.testing.assert_close(out, torch.tensor([[3.0, 4.0], [0, 0]]) / 5 * 25 / 26)
    out.sum().backward()
    assert x.grad.isfinite().all()


def test_routing_is_three_weighted_sums_and_the_last_alone_has_a_gradient():
    torch.manual_seed(0)
    capsules, x = Capsules(6, 3, iterations=3), torch.randn(2, 6, 8)
    capsules.weight.data.mul_(50)  # so that votes differ
    votes = (capsules.weight[None] @ x[:, None, :, :, None]).squeeze(-1).detach()
    agreement = torch.zeros(2, 3, 6)
    for iteration in range(3):
        coupling = agreement.exp() / agreement.exp().sum(1, keepdim=True)
        out = squash((coupling[..., None] * votes).sum(2))
        if iteration < 2:
            agreement = agreement + (votes * out[:, :, None]).sum(-1)
    found = capsules(x)
    torch.testing.assert_close(found, out)
    assert not torch.allclose(coupling, torch.full_like(coupling, 1 / 3), atol=0.05)
    found.square().sum().backward()
    weight = capsules.weight.detach().requires_grad_()
    votes = (weight[None] @ x[:, None, :, :, None]).squeeze(-1)
    squash((coupling[..., None] * votes).sum(2)).square().sum().backward()
    torch.testing.assert_close(capsules.weight.grad, weight.grad)


def test_the_routing_begins_with_small_weights():
    torch.manual_seed(0)
    assert Capsules(500, 3, 3).weight.std().item() == pytest.approx(0.01, rel=0.02)


# training


def test_the_margin_loss():
    method = create("capsulenet", 3)
    scores = torch.tensor([[0.9, 0.2, 0.0], [0.5, 0.995, 0.11]])
    wanted = [0.09**2 + 0.5 * 0.19**2, 0.5 * (0.49**2 + 0.10**2)]
    for targets in (torch.tensor([0, 1]), torch.eye(3)[:2]):
        assert method.loss(scores, targets).item() == pytest.approx(np.mean(wanted), rel=1e-4)


def test_the_learning_rate_falls_before_the_first_epoch():
    optimizer, scheduler = create("capsulenet", 3).optimizer(torch.nn.Linear(1, 1))
    rates = []
    for _ in range(3):
        rates += [optimizer.param_groups[0]["lr"]]
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates, [0.9e-4, 0.81e-4, 0.729e-4])


def _epochs(labels, near, held, number, **values):
    """Rows of `number` epochs, as (clip, place near the apex)."""
    method = create("capsulenet", 3, **values)
    lengths = np.stack([np.ones(len(labels), int), held], 1)
    method.fit({"frames": np.empty((len(labels), 2, near, 1)), "frames_lengths": lengths})
    generator = torch.Generator().manual_seed(0)
    for _ in range(number):
        rows = torch.cat(list(method.batches(np.asarray(labels), generator))).numpy()
        assert (rows // near % 2 == 1).all()  # near the apex, not the onset
        yield np.stack([rows // (2 * near), rows % near], 1)


def test_an_epoch_has_each_apex_once_and_as_many_frames_of_each_class():
    labels = np.repeat([0, 1, 2], [40, 15, 10])
    counts, places = np.zeros(3), np.zeros((65, 5))
    for drawn in _epochs(labels, 5, np.full(65, 5), 200):
        assert len(np.unique(drawn, axis=0)) == len(drawn)
        counts += np.bincount(labels[drawn[:, 0]])
        np.add.at(places, tuple(drawn.T), 1)
    assert (places[:, 0] == 200).all()
    np.testing.assert_allclose(counts / 200, 50, rtol=0.01)  # 5 frames of each of the rarest's clips
    np.testing.assert_allclose(places[:40, 1:].mean(0) / 200, 0.25 / 4, rtol=0.15)
    assert (places[55:] == 200).all() and places[:40, 1:].min() > 0


def test_a_class_of_many_more_clips_gives_its_apex_frames():
    labels = np.repeat([0, 2], [30, 2])
    for drawn in _epochs(labels, 5, np.full(32, 5), 5):
        assert np.bincount(labels[drawn[:, 0]]).tolist() == [30, 0, 10]


def test_clips_without_neighbours_give_what_they_have():
    for drawn in _epochs([0, 0, 1, 1], 5, np.array([1, 5, 3, 5]), 3, batch_size=4):
        assert np.bincount(drawn[:, 0]).tolist() == [1, 5, 3, 5] and drawn[drawn[:, 0] == 2, 1].max() == 2


def test_a_step_sees_the_frames_that_were_drawn():
    method = small("capsulenet", degrees=0, jitter=(0, 0, 0, 0), image_size=32)
    inputs = clips("capsulenet", 4)
    shades = np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3, 1, 1, 1)
    inputs["frames"] = np.broadcast_to(10 * shades, (4, 2, 3, 3, 32, 32)).copy()
    method.fit(inputs)
    seen = []

    def model(frames):
        seen.append((frames[:, 0, 0, 0] * 25.5).round().int().tolist())
        return frames.mean((2, 3)).requires_grad_()

    method.step(model, Clips(method, inputs, np.arange(4) % 3), torch.tensor([23, 3, 9]), np.random.default_rng(0))
    assert seen == [[23, 3, 9]]
    batch = Clips(method, inputs).batch(np.arange(4))["frames"]
    assert (batch[:, 0, 0, 0] * 25.5).round().int().tolist() == [3, 9, 15, 21]  # the apex frame itself


def test_frames_are_cropped_and_neither_changed_in_the_test_nor_normalised():
    method = create("capsulenet", 3, image_size=40, crop=32)
    frames = np.random.default_rng(0).integers(0, 256, (2, 2, 5, 3, 40, 40), dtype=np.uint8)
    batch = Clips(method, {"frames": frames}).batch([0, 1])["frames"]
    np.testing.assert_allclose(batch, frames[:, 1, 0, :, 4:36, 4:36] / 255, rtol=1e-6)
    flat = torch.full((64, 3, 40, 40), 255, dtype=torch.uint8)
    moved = method.transform({"frames": flat}, np.random.default_rng(0))["frames"]
    assert moved.shape == (64, 3, 32, 32) and moved.min() == 0 and moved.max() <= 1


def test_crops_fall_anywhere():
    method = create("capsulenet", 3, image_size=40, crop=32, degrees=0, jitter=(0, 0, 0, 0))
    columns = torch.arange(40, dtype=torch.uint8).expand(300, 3, 40, 40)
    first = (method.transform({"frames": columns}, np.random.default_rng(0))["frames"][:, 0, 0] * 255).round()
    starts = torch.minimum(first[:, 0], first[:, -1]).int()
    flipped = (first[:, 0] > first[:, -1]).float().mean()
    assert set(starts.tolist()) == set(range(9)) and 0.4 < flipped < 0.6


def test_frames_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"reads frames of 240 x 240 px \(image_size\).*; the pack's are 32 x 32"):
        create("capsulenet", 3).tensors({"frames": np.zeros((1, 2, 5, 3, 32, 32))})
    with pytest.raises(ValueError, match="9 x 9 twice is more than frames of 64 px leave"):
        create("capsulenet", 3, crop=64, resnet=small("capsulenet").params.resnet).build()


def test_a_blob_in_the_apex_frame_is_learned():
    """In the upper, the middle or the lower part of noisy pictures, so that flips change nothing."""
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 3
    frames = rng.integers(60, 120, (48, 2, 3, 3, 36, 36), dtype=np.uint8)
    for clip, label in enumerate(labels):
        frames[clip, 1, :, :, 4 + 10 * label : 12 + 10 * label, 14:22] += 100
    inputs = {"frames": frames, "frames_lengths": np.tile([1, 3], (48, 1))}
    train, test = ({name: x[side] for name, x in inputs.items()} for side in (slice(36), slice(36, None)))
    quick = MethodCard(**read_yaml(ROOT / "config/methods/capsulenet.yaml")).values("quick", "samm-3", 3)
    method = create("capsulenet", 3, **quick | {"batch_size": 8, "decay": 1.0})
    scores = method.scores(train, labels[:36], test, Fold(0))
    assert (scores[-1].argmax(-1) == labels[36:]).mean() > 0.8


# colours


class Fixed:
    """A generator that gives what it is told to, and the order of one change before all others."""

    def __init__(self, first, amount):
        self.first, self.amount, self.calls = first, amount, 0

    def permutation(self, count):
        return [self.first]

    def uniform(self, low, high, count):
        return np.full(count, self.amount)


@pytest.mark.parametrize(("change", "amount"), [(0, 1.15), (1, 0.83), (2, 1.2), (3, 0.17), (3, -0.2)])
def test_colours_change_as_torchvision_changes_them(change, amount):
    ensure_torchvision()
    from torchvision.transforms import functional

    frames = torch.rand(3, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    frames[0, :, 0] = 0.5  # gray: of no hue
    names = ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue")
    found = colour_jitter(frames, Fixed(change, amount), 0.2, 0.2, 0.2, 0.2)
    torch.testing.assert_close(found, getattr(functional, names[change])(frames, amount), atol=1e-5, rtol=1e-5)


def test_each_frame_draws_how_its_colours_change():
    frames = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    frames[1] = frames[0]
    found = colour_jitter(frames, np.random.default_rng(0), 0.2, 0.2, 0.2, 0.2)
    assert not torch.allclose(found[0], found[1]) and not torch.equal(found, frames)
    torch.testing.assert_close(colour_jitter(frames, np.random.default_rng(0), 0, 0, 0, 0), frames, atol=1e-5, rtol=0)


def test_the_card_has_the_published_values():
    card = MethodCard(**read_yaml(ROOT / "config/methods/capsulenet.yaml"))
    given = create("capsulenet", 3, **card.values("paper", "megc2019", 3)).params.model_dump(exclude={"weights"})
    assert given == create("capsulenet", 3).params.model_dump(exclude={"weights"})
