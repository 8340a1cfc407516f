"""The learned arm: its network, its checkpoints, and its training on scenes whose motion is known."""

import json
import re
from functools import partial

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.functional import conv2d, pad

from apexbench.cli import main
from apexbench.errors import InputError
from apexbench.frames.magnet.network import MagNet, initialise
from apexbench.frames.magnet.scenes import Scenes
from apexbench.frames.magnet.training import train
from apexbench.frames.magnification import magnify, magnify_clip
from apexbench.frames.magnifying.magnet import SHIPPED
from apexbench.store.tensors import read_tensors
from apexbench.weights import read_state


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return MagNet().eval()


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("magnet") / "random.safetensors"
    save_file({name: x.contiguous() for name, x in network.state_dict().items()}, path)
    return {"file": str(path)}


@pytest.fixture
def pair():
    return np.random.default_rng(0).integers(0, 256, (2, 37, 50, 3), dtype=np.uint8)


# the network


def test_counts_of_the_network(network):
    """Golden values of the released checkpoint."""
    assert sum(x.numel() for x in network.parameters()) == 928_144
    assert len(network.state_dict()) == 43 and all(x.ndim == 4 for x in network.state_dict().values())


def test_the_network_is_what_the_paper_s_port_computes(network):
    """Against plain convolutions, by the checkpoint's names."""
    w = network.state_dict()
    torch.manual_seed(0)
    a, b = torch.rand(2, 2, 3, 16, 24)

    def conv(x, name, stride=1):
        weight = w[f"{name}.weight"]
        side = weight.shape[-1] // 2
        return conv2d(pad(x, (side,) * 4, mode="reflect"), weight, stride=stride)

    def blocks(x, name, count):
        for block in range(count):
            x = x + conv(conv(x, f"{name}.{block}.conv1").relu(), f"{name}.{block}.conv2")
        return x

    def encode(x):
        x = conv(conv(x, "encoder.conv1").relu(), "encoder.conv2", 2).relu()
        x = blocks(x, "encoder.resblks", 3)
        texture = blocks(conv(x, "encoder.conv1_text", 2).relu(), "encoder.resblks_text", 2)
        return texture, blocks(conv(x, "encoder.conv1_shape").relu(), "encoder.resblks_shape", 2)

    def twice(x):
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2)

    (_, shape_a), (texture, shape_b) = encode(a), encode(b)
    change = (3.5 - 1) * conv(shape_b - shape_a, "manipulator.convblks.0.conv1").relu()
    change = blocks(conv(change, "manipulator.convblks_after.0.conv1"), "manipulator.resblks", 1)
    x = torch.cat([conv(twice(texture), "decoder.conv1_text").relu(), shape_b + change], 1)
    x = conv(conv(twice(blocks(x, "decoder.resblks", 9)), "decoder.conv1").relu(), "decoder.conv2")
    torch.testing.assert_close(network(a, b, 3.5), x, rtol=1e-4, atol=1e-5)


def test_a_factor_of_1_is_the_reconstruction_whatever_the_reference(network, weights, pair):
    a, b = torch.rand(2, 1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(network(a, b, 1.0), network.decoder(*network.encoder(b)))
    once, again = (magnify(reference, pair[1], "magnet", 1, weights=weights) for reference in pair)
    np.testing.assert_array_equal(once, again)
    assert (magnify(pair[0], pair[1], "magnet", 5, weights=weights) != once).any()


# the arm


def test_pictures_go_in_and_come_out_as_the_network_takes_them(network, weights, pair):
    """Any size, gray or colour, uint8 or float: scaled to [-1, 1], reflected to multiples of 4, cut again."""
    for onset, apex in (pair, pair[..., 0], pair[..., :1]):
        colour = [x if x.shape[-1] == 3 else np.repeat(x.reshape(37, 50, 1), 3, -1) for x in (onset, apex)]
        x = torch.stack([torch.from_numpy(frame).permute(2, 0, 1) for frame in colour]).float() / 127.5 - 1
        x = pad(x, (0, 2, 0, 3), mode="reflect")
        with torch.no_grad():
            made = (network(x[:1], x[1:], 4.0)[0, :, :37, :50].permute(1, 2, 0).numpy() + 1) * 127.5
        made = made if onset.shape[-1] == 3 else made.mean(-1)
        wanted = made.clip(0, 255).reshape(apex.shape)
        found = magnify(onset, apex, "magnet", 4, weights=weights)
        assert found.dtype == np.uint8 and np.abs(found - wanted).max() < 0.51
        as_float = magnify(onset / 255, apex / 255, "magnet", 4, weights=weights)
        np.testing.assert_allclose(255 * as_float, wanted, atol=1e-2)


def test_batches_change_no_picture(weights):
    clip = np.random.default_rng(1).integers(0, 256, (5, 20, 24, 3), dtype=np.uint8)
    one, all_at_once = (magnify_clip(clip, "magnet", 3, weights=weights, batch=batch, onset=2) for batch in (1, 8))
    assert np.abs(one.astype(int) - all_at_once).max() <= 1
    np.testing.assert_array_equal(one, magnify_clip(clip, "magnet", 3, weights=weights, batch=1, onset=2))


# checkpoints


@pytest.mark.parametrize("suffix", [".pth", ".pth.tar"])
def test_a_released_checkpoint_is_unwrapped(network, weights, pair, tmp_path, suffix):
    state = {f"module.{name}": x for name, x in network.state_dict().items()}
    torch.save({"state_dict": state, "time": 1.6e9}, tmp_path / f"theirs{suffix}")
    theirs = magnify(*pair, "magnet", 4, weights={"file": str(tmp_path / f"theirs{suffix}")})
    np.testing.assert_array_equal(theirs, magnify(*pair, "magnet", 4, weights=weights))
    assert read_state(tmp_path / f"theirs{suffix}", "a test").keys() == network.state_dict().keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state | {"encoder.conv3.weight": torch.zeros(1)}, "encoder.conv3.weight"),
        (lambda state: {n: x for n, x in state.items() if n != "decoder.conv2.weight"}, "missing .*decoder.conv2"),
        (lambda state: state | {"decoder.conv2.weight": torch.zeros(3, 64, 7, 7)}, "another shape .*decoder.conv2"),
        (lambda state: {"fc.weight": torch.zeros(2, 2)}, "missing .*encoder.conv1"),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused(network, pair, tmp_path, change, message):
    path = tmp_path / "other.safetensors"
    save_file({n: x.contiguous() for n, x in change(network.state_dict()).items()}, path)
    with pytest.raises(InputError, match=f"other.safetensors: does not fit the network.*{message}"):
        magnify(*pair, "magnet", 4, weights={"file": str(path)})
    with pytest.raises(InputError, match=r"nowhere\.pth: no such file"):
        magnify(*pair, "magnet", 4, weights={"file": "nowhere.pth"})


def test_what_is_shipped_is_small_and_says_how_it_was_made():
    assert SHIPPED.stat().st_size < 4e6
    with safe_open(SHIPPED, framework="pt") as file:
        record = json.loads(file.metadata()["meta"])
    assert record["kind"] == "magnet"
    assert re.fullmatch(r"apexbench train-magnet \S+ --steps \d+ --seed \d+( --bfloat16)?", record["command"])
    MagNet().load_state_dict(read_state(SHIPPED, "a test"))


# training


@pytest.fixture(scope="module")
def batch():
    return Scenes(48, 8.0, torch.Generator().manual_seed(0)).draw(16)


def test_scenes_are_pictures_of_256_levels(batch):
    for x in (batch.reference, batch.target, batch.retinted):
        levels = (x + 1) * 127.5
        assert x.shape == (16, 3, 48, 48) and x.abs().max() <= 1
        torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    assert batch.truth.abs().max() <= 1 and (batch.truth * 127.5 % 1 > 0.01).any()
    assert batch.factor.shape == (16, 1, 1, 1) and batch.factor.min() >= 1 and batch.factor.max() <= 20


def test_truth_is_the_motion_times_the_factor(batch):
    """To first order: what changes from reference to truth is about the factor times what changes to the target."""
    noise = torch.Generator().manual_seed(1)
    scenes = Scenes(48, 0.5, noise)  # no magnified motion above half a px
    few = scenes.draw(16)
    small, large = few.target - few.reference, few.truth - few.reference
    ratio = (small * large).sum((1, 2, 3)) / small.square().sum((1, 2, 3))
    assert (ratio < few.factor.flatten() + 0.5).all()
    clean = [k for k in range(16) if large[k].std() > 6 * 2.0 / 127.5]
    assert clean, "some scenes change far more than noise"
    for k in clean:
        assert float(ratio[k]) == pytest.approx(float(few.factor[k]), rel=0.5)


def test_colours_of_a_retinted_scene_differ_and_its_motion_does_not(batch):
    def still(x):  # what is where, whatever the light
        x = x - x.mean((2, 3), keepdim=True)
        return x / x.std((2, 3), keepdim=True)

    inside = (batch.truth.abs().amax((1, 2, 3)) < 0.95) & (batch.retinted_truth.abs().amax((1, 2, 3)) < 0.95)
    assert inside.sum() >= 3
    torch.testing.assert_close(still(batch.truth[inside]), still(batch.retinted_truth[inside]), atol=1e-3, rtol=0)
    assert (batch.truth - batch.retinted_truth).abs().mean() > 0.05


def test_scenes_come_from_their_generator_alone():
    torch.manual_seed(0)
    first = Scenes(24, 4.0, torch.Generator().manual_seed(7)).draw(2)
    torch.manual_seed(1)
    again = Scenes(24, 4.0, torch.Generator().manual_seed(7)).draw(2)
    assert torch.equal(first.reference, again.reference) and torch.equal(first.truth, again.truth)
    other = Scenes(24, 4.0, torch.Generator().manual_seed(8)).draw(2)
    assert not torch.equal(first.reference, other.reference)


def test_training_begins_with_a_linear_magnifier(batch):
    torch.manual_seed(0)
    model = initialise(MagNet())
    with torch.no_grad():
        shape = model.encoder(batch.target)[1]
        part = shape[:, 0:6]  # of the first of 2 x 2 pixels: the picture, and its negative
        torch.testing.assert_close(part[:, :3] - part[:, 3:], batch.target[:, :, ::2, ::2])
        flat = torch.rand(1, 32, 1, 1).expand(-1, -1, 12, 12)
        pushed = torch.zeros_like(flat)
        pushed[:, 0] = 0.1  # the first channel's pixels are brighter by that much
        enlarged = model.manipulator(flat, flat + pushed, 4.0)[0, :6, 6, 6] - flat[0, :6, 0, 0]
        assert float(enlarged[0] - enlarged[3]) == pytest.approx(4 * 0.1, rel=0.01)


def test_training_is_the_same_for_a_seed_and_learns():
    first, again = (train(6, 1, size=16, batch=2, reach=4.0).state_dict() for _ in range(2))
    assert all(torch.equal(x, again[name]) for name, x in first.items())
    other = train(6, 2, size=16, batch=2, reach=4.0).state_dict()
    assert not torch.equal(first["encoder.conv1.weight"], other["encoder.conv1.weight"])
    assert MagNet().state_dict().keys() == first.keys()
    assert len(train(1, 1, size=16, batch=2, reach=4.0).decoder.resblks) == 9


def test_the_command_writes_what_the_arm_reads(tmp_path, capsys, pair, monkeypatch):
    monkeypatch.setattr("apexbench.frames.magnet.training.train", partial(train, size=16))
    path = tmp_path / "own.safetensors"
    assert main(["train-magnet", str(path), "--steps", "1", "--seed", "5"]) == 0
    assert "own.safetensors: 1.9 MB" in capsys.readouterr().out
    assert read_tensors(path).meta["command"] == f"apexbench train-magnet {path} --steps 1 --seed 5"
    assert magnify(*pair, "magnet", 2, weights={"file": str(path)}).shape == (37, 50, 3)
    assert main(["train-magnet", str(tmp_path / "own.pth")]) == 1
    assert "expected a file named .safetensors" in capsys.readouterr().err
