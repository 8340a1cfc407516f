"""Décalcomanie: mirrored halves, the loader's transform, released networks, views and losses, pre-training in steps."""

import json
import shutil
from contextlib import nullcontext
from itertools import pairwise, product
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import skimage.transform
import torch
from packs import write_pack
from random_clips import small
from torch.nn import functional as F

from apexbench.clips import COLUMNS as INDEX_COLUMNS
from apexbench.config.methods import MethodCard
from apexbench.config.model import read_yaml
from apexbench.config.recipes import PretrainingRecipe, Recipes
from apexbench.errors import InputError
from apexbench.methods import create, find
from apexbench.methods.augmentation import decalcomanie, resize, rotate_resize_flip
from apexbench.methods.base import FRAMES, Fold
from apexbench.methods.deep import Clips, epochs, predict
from apexbench.methods.networks.resnet3d import KINDS, ResNet3d
from apexbench.methods.networks.swin3d import swin3d
from apexbench.methods.pretraining import find_task
from apexbench.project import load_project
from apexbench.protocols import COLUMNS
from apexbench.stages.pretrain import PretrainingJob, pretrain
from apexbench.study import Study
from apexbench.training.pretraining import Pretrainings
from apexbench.training.record import Job
from apexbench.training.run import run_folds, train_fold
from apexbench.weights import EVERY, Weights, read_seen, read_states, state_of, write_states

ROOT = Path(__file__).parent.parent
CARDS = ROOT / "config/methods"
VARIANTS = pd.read_csv(ROOT / "config/published/decalcomanie.csv")["method"].tolist()
STEPS = ["sbml-o-o", "sbml-o-o-1", "sbml-o-o-2", "sbml-lr-lr-1", "sbml-lr-lr-2", "sbml-lr-lr-3"]
LABELS = np.arange(6) % 3


pytestmark = pytest.mark.usefixtures("one_thread")


def sbml(**values):
    return small("decalcomanie-sbml", **values)


def fsb(**values):
    return small("decalcomanie-fsb", **values)


def clips(number=6, frames=4, side=24, seed=0):
    rng = np.random.default_rng(seed)
    return {"frames": rng.integers(0, 256, (number, frames, 3, side, side), dtype=np.uint8)}


def given(method, inputs=None, augmented=None):
    """What the model is given of all clips: augmented by a seed, or as in the test."""
    held = Clips(method, clips() if inputs is None else inputs)
    return held.batch(np.arange(len(held)), None if augmented is None else np.random.default_rng(augmented))


def on_meta(name, classes=3, **values):
    """A network that has shapes and no numbers, which takes no time."""
    with torch.device("meta"):
        return create(name, classes, **values).build()


def count(module):
    return sum(p.numel() for p in module.parameters())


# mirrored halves


@pytest.mark.parametrize(("width", "wanted"), [(121, (120, 122)), (120, (120, 120)), (2, (2, 2)), (3, (2, 4))])
def test_each_half_is_made_whole(width, wanted):
    frames = torch.randint(0, 256, (2, 3, 5, width), dtype=torch.uint8)
    left, right = decalcomanie(frames)
    assert (left.shape[-1], right.shape[-1]) == wanted and left.shape[:-1] == frames.shape[:-1]
    assert left.dtype == right.dtype == torch.uint8
    x, half = frames.numpy(), width // 2
    for side in (left, right):
        np.testing.assert_array_equal(side, side.flip(-1))
    np.testing.assert_array_equal(left[..., :half], x[..., :half])
    np.testing.assert_array_equal(right[..., right.shape[-1] // 2 :], x[..., half:])


def test_a_picture_without_halves_is_refused():
    with pytest.raises(ValueError, match="a picture 1 px wide has no left half"):
        decalcomanie(torch.zeros(4, 1))
    assert decalcomanie(torch.arange(4))[0].tolist() == [0, 1, 1, 0]  # no other axis is needed


def released_transform(frame, angle, side, flipped):
    """The released order on one frame (H, W), by skimage and OpenCV."""
    x = skimage.transform.rotate(frame, np.rad2deg(angle))
    scaled = tuple(int(length * 1.1) for length in x.shape)
    x = cv2.resize(x, scaled[::-1], interpolation=cv2.INTER_NEAREST)
    x = cv2.resize(x, (side, side), interpolation=cv2.INTER_NEAREST)
    return x[:, ::-1] if flipped else x


@pytest.mark.parametrize(("height", "width", "side"), [(24, 24, 24), (25, 24, 25), (25, 26, 25), (40, 33, 23)])
def test_rotation_scale_and_flip_are_those_of_the_released_loader(height, width, side):
    frames = np.random.default_rng(1).integers(0, 256, (5, 2, height, width), dtype=np.uint8)
    frames = cv2.GaussianBlur(frames.reshape(-1, height, width).transpose(1, 2, 0), (0, 0), 1.0)
    frames = np.ascontiguousarray(frames.transpose(2, 0, 1)).reshape(5, 2, height, width)
    found = rotate_resize_flip(
        torch.from_numpy(frames).float(), side, np.random.default_rng(7), degrees=30, scale=1.1, flip=0.5
    )
    rng = np.random.default_rng(7)
    angles, flipped = np.deg2rad(rng.uniform(-30, 30, 5)), rng.random(5) < 0.5
    assert len(set(flipped)) == 2 and found.shape == (5, 2, side, side)
    wanted = [
        [released_transform(frame, angle, side, flip) for frame in clip]
        for clip, angle, flip in zip(frames, angles, flipped, strict=True)
    ]
    np.testing.assert_allclose(found / 255, wanted, atol=1e-4)  # the same angle for all frames of a clip


def test_resizing_takes_the_nearest_and_copies_nothing_that_fits():
    frames = np.random.default_rng(0).integers(0, 256, (3, 121, 120), dtype=np.uint8)
    wanted = [cv2.resize(frame, (50, 50), interpolation=cv2.INTER_NEAREST) for frame in frames]
    np.testing.assert_array_equal(resize(torch.from_numpy(frames), 50), wanted)
    same = torch.zeros(2, 8, 8)
    assert resize(same, 8) is same


# what the model is given


def test_views_in_training_and_in_the_test():
    method = sbml(views="olr", degrees=0, scale=1, flip=0)
    x = torch.from_numpy(clips()["frames"]).float().div(255).transpose(1, 2)
    for augmented in (None, 0):
        batch = given(method, augmented=augmented)
        assert list(batch) == ["original", "left", "right"]
        for view, wanted in zip(batch.values(), [x, *decalcomanie(x)], strict=True):
            torch.testing.assert_close(view, wanted, rtol=0, atol=1e-5)
    only = sbml(views="lr", infer="o")
    assert list(given(only)) == ["original"] and list(given(only, augmented=0)) == ["left", "right"]


def test_halves_of_an_odd_width_fit():
    batch = given(sbml(image_size=25, views="lr"), clips(side=25))
    assert {x.shape for x in batch.values()} == {(6, 3, 4, 25, 25)}
    x = clips(side=25)["frames"][..., :12] / 255
    whole = np.concatenate([x, x[..., ::-1]], -1)[..., np.arange(25) * 24 // 25].transpose(0, 2, 1, 3, 4)
    np.testing.assert_allclose(batch["left"], whole, atol=1e-6)


def test_each_view_and_each_clip_is_turned_by_a_draw_of_its_own():
    same = {"frames": np.broadcast_to(clips(1, 1)["frames"], (6, 4, 3, 24, 24)).copy()}
    same["frames"][..., 12:] = same["frames"][..., 11::-1]  # a face whose halves are alike: all views are one
    batch = given(sbml(views="olr"), same, augmented=0)
    turned = [tuple(x[row, 0, 0].flatten().tolist()) for x in batch.values() for row in range(6)]
    assert len(set(turned)) == 18
    for x in batch.values():
        assert torch.equal(x[:, :, :1].expand_as(x), x)
    again = given(sbml(views="olr"), same, augmented=0)
    assert all(torch.equal(x, again[view]) for view, x in batch.items())


@pytest.mark.parametrize(("legacy", "largest"), [(False, 1), (True, 255)])
def test_the_released_mismatch_of_the_original(legacy, largest):
    method, bright = sbml(views="olr", degrees=0, legacy_o_scale=legacy), clips()
    bright["frames"][:] = 255
    batch = given(method, bright, augmented=0)
    assert [x.max().item() for x in batch.values()] == pytest.approx([largest, 1, 1])
    assert [x.max().item() for x in given(method, bright).values()] == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(("frames", "count"), [(4, 4), (7, 4), (4, 7), (1, 3), (9, 1), (74, 34)])
def test_clips_of_another_length_are_interpolated_in_time(frames, count):
    inputs = clips(2, frames)
    found = given(sbml(n_frames=count, views="o"), inputs)["original"]
    x = torch.from_numpy(inputs["frames"]).float().div(255).transpose(1, 2)
    wanted = F.interpolate(x, (count, 24, 24), mode="trilinear", align_corners=False)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_ragged_clips_are_interpolated_each_by_its_own_length():
    inputs, lengths = clips(3, 9), [9, 4, 1]
    whole = inputs | {"frames_lengths": np.array(lengths, np.int32)}
    whole["frames"][1, 4:] = 77  # what follows is not read
    found = given(sbml(n_frames=5, views="o"), whole)["original"]
    for row, length in enumerate(lengths):
        alone = {"frames": inputs["frames"][row : row + 1, :length]}
        torch.testing.assert_close(found[row : row + 1], given(sbml(n_frames=5, views="o"), alone)["original"])


@pytest.mark.parametrize("count", [4, 6])
def test_of_each_frame_the_first_is_taken_away(count):
    inputs, values = clips(), {"views": "lr", "n_frames": count}
    found = given(sbml(subtract_first=True, **values), inputs)
    plain, first = (given(sbml(**values), x) for x in (inputs, {"frames": inputs["frames"][:, :1]}))
    for view, x in found.items():
        torch.testing.assert_close(x, plain[view] - first[view], rtol=0, atol=1e-5)
        assert not x[:, :, 0].any() or count > 4
    still = {"frames": np.repeat(inputs["frames"][:, :1], 4, axis=1)}
    for augmented in (None, 0):
        assert not any(x.any() for x in given(sbml(subtract_first=True, **values), still, augmented).values())
    for view, x in given(sbml(subtract_first=True, gain=50, **values), inputs).items():
        torch.testing.assert_close(x, 50 * found[view], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("lengths", [{}, {"frames_lengths": np.array([6, 3], np.int32)}])
def test_flicker_leaves_no_difference(lengths):
    face = np.random.default_rng(0).integers(40, 80, (2, 1, 3, 24, 24))
    flickering = face * np.array([2, 1, 3, 2, 1, 3])[:, None, None, None]
    values = {"subtract_first": True, "n_frames": 6, "views": "olr"}
    seen = [given(sbml(**values, steady_light=on), {"frames": flickering.astype(np.uint8)} | lengths) for on in (0, 1)]
    for plain, steady in zip(seen[0].values(), seen[1].values(), strict=True):
        assert plain.abs().max() > 0.1 and steady.abs().max() < 1e-5
    moved = flickering.copy()
    moved[:, 1:, :, :4] = moved[:, 1:, :, 4:8]  # what moves is left
    found = given(sbml(**values, steady_light=True), {"frames": moved.astype(np.uint8)} | lengths)["original"]
    assert found[:, :, :, :4].std() > 3 * found[:, :, :, 4:].std() > 0


def test_packs_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"DecalcomanieSbml reads frames of 24 x 24 px \(image_size\).* 30 x 30"):
        sbml().tensors(clips(side=30))


# networks


@pytest.mark.parametrize(
    ("name", "classes", "values", "wanted"),
    [
        ("decalcomanie-sbml", 3, {}, 47_527_363),
        ("decalcomanie-sbml", 5, {}, 47_531_461),
        ("decalcomanie-sbml", 3, {"backbone": "resnet50"}, 46_205_123),
        ("decalcomanie-sbml", 3, {"backbone": "resnet18"}, 33_031_619),
        ("decalcomanie-fsb", 3, {"views": "lr"}, 47_533_507),
        ("decalcomanie-fsb", 3, {"views": "olr"}, 47_539_651),
        ("decalcomanie-fsb", 3, {"views": "ol", "use_mlp": True}, 48_570_819),
        ("decalcomanie-fsb", 3, {"views": "olr", "use_mlp": True}, 49_095_107),
    ],
)
def test_parameters_are_as_many_as_in_the_released_network(name, classes, values, wanted):
    assert count(on_meta(name, classes, **values)) == wanted


@pytest.mark.parametrize(
    ("size", "released", "sound"),
    [
        ("t", 27_948_009, 27_852_777),
        ("s", 49_606_617, 49_511_385),
        ("b", 87_769_035, 87_642_059),
        ("l", 196_534_191, 196_343_727),
    ],
)
def test_parameters_of_the_swins(size, released, sound):
    """Released: 27.95M, 49.61M, 87.77M and 196.53M, with 34 frames as channels."""
    for switched, wanted in ((True, released), (False, sound)):
        assert count(on_meta("decalcomanie-sbml", backbone=f"swin-{size}", frames_as_channels=switched)) == wanted


def test_shapes_of_the_resnext():
    model, seen = on_meta("decalcomanie-sbml").backbone, []
    model.bn1.register_forward_hook(lambda *args: seen.append(args[2]))
    model.layer1[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        stage[-1].register_forward_hook(lambda *args: seen.append(args[2]))
    assert model(torch.zeros(1, 3, 34, 112, 112, device="meta")).shape == (1, 2048)
    sizes = [(64, 34, 56), (64, 17, 28), (256, 17, 28), (512, 9, 14), (1024, 5, 7), (2048, 3, 4)]
    assert [tuple(x.shape[1:4]) for x in seen] == sizes and all(x.shape[3] == x.shape[4] for x in seen)
    assert [len(getattr(model, f"layer{n}")) for n in (1, 2, 3, 4)] == [3, 4, 23, 3]
    assert {block.conv2.groups for block in model.layer3} == {32} and model.layer3[0].conv2.out_channels == 512


def test_initial_weights_of_the_resnext():
    model = ResNet3d("resnext101", depths=(1, 1, 1, 1))
    for layer in (model.conv1, model.layer1[0].conv2, model.layer4[0].conv3, model.layer2[0].downsample[0]):
        sides = layer.kernel_size[0] * layer.kernel_size[1]
        assert layer.weight.std().item() == pytest.approx((2 / (sides * layer.out_channels)) ** 0.5, rel=0.05)
        assert layer.bias is None


def test_the_shortcut_without_parameters_is_a_pooling_and_zeros():
    block = ResNet3d("resnet18", width=0.125).layer2[0]
    x = torch.randn(2, 8, 5, 6, 7)
    wanted = F.avg_pool3d(x, 1, 2)
    assert torch.equal(block.downsample(x), torch.cat([wanted, torch.zeros_like(wanted)], dim=1))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_block_is_what_its_layers_are_one_by_one(kind):
    model = ResNet3d(kind, width=0.125, depths=(1, 2, 1, 1)).eval()
    block, same = model.layer2
    x = torch.randn(2, model.layer1[-1](torch.zeros(1, model.conv1.out_channels, 2, 2, 2)).shape[1], 4, 6, 6)
    for part in (block, same):
        out = x
        for number in (1, 2, 3)[: 2 if kind == "resnet18" else 3]:
            out = getattr(part, f"bn{number}")(getattr(part, f"conv{number}")(out))
            last = number == (2 if kind == "resnet18" else 3)
            out = torch.relu(out + part.downsample(x) if last else out)
        torch.testing.assert_close(part(x), out)
        x = out
    assert isinstance(same.downsample, torch.nn.Identity) and x.shape[2:] == (2, 3, 3)


def test_narrow_networks():
    model = ResNet3d("resnext101", width=0.07, depths=(1, 2, 1, 1), stem=(3, 5, 7))
    assert model.conv1.weight.shape == (4, 3, 3, 5, 7) and model.layer1[0].conv2.weight.shape == (8, 4, 3, 3, 3)
    assert model.layer4[0].conv2.weight.shape == (64, 32, 3, 3, 3) and model.num_features == 128
    for frames, side in ((1, 8), (5, 17), (7, 24)):
        assert model.eval()(torch.zeros(1, 3, frames, side, side)).shape == (1, 128)
        assert swin3d("swin-l", width=0.01, depths=(1, 1, 1, 1))(torch.zeros(1, 3, frames, side, side)).shape == (1, 48)
    fewer = ResNet3d("resnet18", width=0.125, depths=(1, 1))
    assert not hasattr(fewer, "layer3") and fewer(torch.zeros(2, 3, 4, 24, 24)).shape == (2, 16)
    assert swin3d("swin-t", width=0.1, depths=(1, 1))(torch.zeros(1, 3, 4, 24, 24)).shape[0] == 1


def test_a_swin_as_released_has_frames_for_channels_and_colours_for_depth():
    values = {"backbone": "swin-t", "width": 0.1, "n_frames": 5, "views": "lr"}
    shapes = []
    for switched in (True, False):
        method = sbml(frames_as_channels=switched, **values)
        model, batch = method.build().eval(), given(method, clips(frames=5))
        model.backbone.patch_embed.register_forward_hook(lambda *args: shapes.append(tuple(args[2].shape[1:4])))
        with torch.inference_mode():
            assert method.logits(model(**batch)).shape == (6, 3)
        x = clips(frames=5)["frames"].astype(np.float32) / 255
        left = np.concatenate([x[..., :12], x[..., 11::-1]], -1)
        np.testing.assert_allclose(batch["left"], left if switched else left.transpose(0, 2, 1, 3, 4), atol=1e-6)
    assert shapes == [(2, 6, 6)] * 2 + [(3, 6, 6)] * 2


def test_a_softmax_before_the_loss_bounds_it():
    for method in (sbml(backbone="swin-t", softmax_output=True), fsb(backbone="swin-t", softmax_output=True)):
        model, batch = method.build().eval(), given(method)
        with torch.no_grad():
            model.head[-2].bias.copy_(torch.tensor([1e3, 0, 0]))
            loss = method.loss(model(**batch), torch.zeros(6, dtype=torch.int64))
        assert loss.item() == pytest.approx(-np.log(np.e / (np.e + 2)), abs=1e-5) == pytest.approx(0.551, abs=1e-3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gain": 2}, "gain: goes with subtract_first: true"),
        ({"steady_light": True}, "steady_light: goes with subtract_first: true"),
        ({"softmax_output": True}, "softmax_output: goes with a backbone swin-\\*, and resnext101 has no such switch"),
        ({"frames_as_channels": True, "backbone": "resnet18"}, "frames_as_channels: goes with a backbone swin-"),
        ({"depths": [1] * 5}, "depths has 5 values, but there are 1 to 4 stages"),
        ({"depths": []}, "depths has 0 values, but there are 1 to 4 stages"),
        ({"stem": [3, 4, 3]}, "hyper-parameter 'stem.1'"),
        (
            {"weights": {"timm": "resnet18.tv_in1k"}},
            "weights: timm has no 3D networks, so resnet18.tv_in1k does not fit",
        ),
        ({"backbone": "resnet34"}, "hyper-parameter 'backbone': Input should be 'resnext101'"),
        ({"views": "rl"}, "hyper-parameter 'views': Input should be 'o', 'lr'"),
        ({"view_weights": [0.5]}, "view_weights has 1 values for the views 'lr'; give one for each"),
    ],
)
def test_values_that_do_not_fit(values, message):
    with pytest.raises(InputError, match=message):
        create("decalcomanie-sbml", 3, **values)


@pytest.mark.parametrize("backbone", ["resnext101", "resnet18", "swin-t"])
def test_recomputing_changes_nothing_but_the_memory(backbone):
    models = [small("decalcomanie-sbml", backbone=backbone, recompute=on).build() for on in (False, True)]
    models[1].load_state_dict(models[0].state_dict())
    batch, kept = given(sbml()), []
    for model in models:
        held = {}
        torch.manual_seed(3)  # of the dropout
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, held=held: held.update({x.data_ptr(): x.nbytes}) or x, lambda x: x
        ):
            loss = sum(x.square().sum() for x in model.train()(**batch).values())
        loss.backward()
        kept.append(sum(held.values()))
    for (name, one), other in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=name)
    for (name, one), other in zip(models[0].named_buffers(), models[1].buffers(), strict=True):
        torch.testing.assert_close(one, other, msg=name)
    assert kept[1] < 0.7 * kept[0]


def test_the_loss_reaches_every_parameter():
    for method in (sbml(views="olr"), fsb(use_mlp=True), sbml(backbone="resnet18"), sbml(backbone="swin-t")):
        model = method.build()
        method.loss(model(**given(method, augmented=0)), torch.from_numpy(LABELS)).backward()
        assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


# released weights


def released(path, **changes):
    """A checkpoint as the backbone's authors publish them: of a DataParallel model, with its classifier."""
    torch.manual_seed(5)
    model = ResNet3d("resnext101", **{"width": 0.07, "depths": (1, 1, 1, 1), **changes})
    for norm in (layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm3d)):
        norm.running_mean.normal_()
    state = {f"module.{n}": x for n, x in model.state_dict().items() if not n.endswith("num_batches_tracked")}
    state |= {"module.fc.weight": torch.zeros(101, model.num_features), "module.fc.bias": torch.zeros(101)}
    torch.save({"epoch": 1, "arch": "resnext-101", "state_dict": state}, path)
    return model


def test_a_released_checkpoint_fits(tmp_path):
    path = tmp_path / "resnext-101-kinetics.pth"
    theirs = released(path)
    weights = {"weights": {"file": str(path)}}
    for method in (sbml(**weights), fsb(**weights)):
        model = method.build({"weights": state_of(Weights(file=str(path)), "here")})
        own = model.backbone.state_dict()
        assert all(torch.equal(x, own[name]) for name, x in theirs.state_dict().items())
    scores = train_fold(sbml(**weights), clips(), LABELS, clips(2, seed=1), 0, weights={"weights": own})
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("theirs", "ours", "message"),
    [
        ({"width": 0.1}, {}, r"\(resnext101\): does not fit .* of another shape \['conv1.weight'"),
        (
            {},
            {"backbone": "resnet50"},
            r"\(resnet50\): does not fit the network; .* shape \['layer1.0.conv1",
        ),
        ({}, {"backbone": "swin-t"}, r"\(swin-t\): does not fit the network; missing \['patch_embed"),
        (
            {"depths": (1, 2, 1, 1)},
            {},
            r"\(resnext101\): does not fit .* missing \[\], unexpected \['layer2.1",
        ),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused(tmp_path, theirs, ours, message):
    path = tmp_path / "x.pth"
    released(path, **theirs)
    method = sbml(weights={"file": str(path)}, **ours)
    with pytest.raises(InputError, match=rf"^hyper-parameter 'weights' {message}"):
        method.build({"weights": state_of(Weights(file=str(path)), "here")})


# losses, scores and batches


@pytest.mark.parametrize(
    ("views", "given_weights", "shares"),
    [
        ("o", None, {"original": 1}),
        ("lr", None, {"left": 0.5, "right": 0.5}),
        ("ol", None, {"original": 0.5, "left": 0.5}),
        ("or", None, {"original": 0.5, "right": 0.5}),
        ("olr", None, {"original": 0.4, "left": 0.4, "right": 0.2}),
        ("lr", (0.9, 0.3), {"left": 0.9, "right": 0.3}),
    ],
)
def test_what_each_view_counts_in_the_loss(views, given_weights, shares):
    method, targets = sbml(views=views, view_weights=given_weights), torch.from_numpy(LABELS)
    output = {view: torch.randn(6, 3) for view in ("original", "left", "right")}
    wanted = sum(share * F.cross_entropy(output[view], targets) for view, share in shares.items())
    torch.testing.assert_close(method.loss(output, targets), wanted)
    presence = torch.eye(3)[LABELS]
    wanted = sum(s * F.binary_cross_entropy_with_logits(output[view], presence) for view, s in shares.items())
    torch.testing.assert_close(method.presence_loss(output, presence), wanted)
    torch.testing.assert_close(method.logits(output), sum(output[view] for view in shares))
    assert torch.equal(sbml(views=views, infer="o").logits(output), output["original"])


@pytest.mark.parametrize("momentum", [0.1, 0.4])
def test_batch_norms_see_one_view_at_a_time(momentum):
    method = sbml(views="lr", degrees=0, flip=0, scale=1, momentum=momentum)
    model, batch = method.build(), given(method)
    model.train()(**batch)
    first, wanted = model.backbone.conv1, torch.zeros(4)
    for x in batch.values():
        wanted = (1 - momentum) * wanted + momentum * first(x).mean((0, 2, 3, 4))
    torch.testing.assert_close(model.backbone.bn1.running_mean, wanted)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("backbone", ["resnext101", "resnet18"])
def test_views_in_one_pass_are_what_each_is_by_itself(backbone, recompute):
    method = sbml(views="olr", backbone=backbone, recompute=recompute)
    together, alone = method.build(), method.build()
    alone.load_state_dict(together.state_dict())
    batch = given(method, augmented=0)
    for mode in ("train", "eval"):
        found = getattr(together, mode)()(**batch)
        wanted = {name: getattr(alone, mode)()(**{name: x})[name] for name, x in batch.items()}
        for name, scores in wanted.items():
            torch.testing.assert_close(found[name], scores)
        for scores in (found, wanted):
            method.loss(scores, torch.from_numpy(LABELS)).backward()
        for (name, one), other in zip(together.named_parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5, msg=name)
        for (name, one), other in zip(together.named_buffers(), alone.buffers(), strict=True):
            torch.testing.assert_close(one, other, msg=name)


@pytest.mark.parametrize(("views", "names"), [("ol", ("original", "left")), ("olr", ("original", "left", "right"))])
def test_features_go_side_by_side_in_the_order_of_the_views(views, names):
    method, seen = fsb(views=views, use_mlp=True), []
    model, batch = method.build().eval(), given(method)
    model.head.register_forward_hook(lambda _, x, scores: seen.append(x[0]))
    with torch.no_grad():
        scores = model(**batch)
        wanted = torch.cat([model.backbone(batch[name]) for name in names], dim=1)
    torch.testing.assert_close(seen[0], wanted)
    hidden, last = model.head[0], model.head[2]
    assert hidden.out_features == 256 and len(model.head) == 3
    torch.testing.assert_close(scores, last(torch.relu(hidden(wanted))))
    torch.testing.assert_close(
        method.loss(scores, torch.from_numpy(LABELS)), F.cross_entropy(scores, torch.tensor(LABELS))
    )


def test_classes_are_drawn_alike_and_as_many_clips_as_there_are():
    labels, generator = np.repeat([0, 2, 3], [70, 20, 10]), torch.Generator().manual_seed(0)
    method, drawn = sbml(batch_size=10), []
    for _ in range(60):
        batches = method.batches(labels, generator)
        assert [len(rows) for rows in batches] == [10] * 10
        drawn.append(torch.cat(list(batches)).numpy())
    shares = np.bincount(labels[np.concatenate(drawn)], minlength=4) / 6000
    np.testing.assert_allclose(shares, [1 / 3, 0, 1 / 3, 1 / 3], atol=0.03)
    assert len(set(drawn[0])) < 100 and set(np.concatenate(drawn)) == set(range(100))


def test_no_batch_has_one_clip_alone():
    sizes = [len(rows) for rows in sbml(batch_size=4).batches(np.zeros(9, int), torch.Generator())]
    assert sizes == [4, 5] and [len(rows) for rows in sbml(batch_size=4).batches(np.zeros(1, int), None)] == [1]
    several = list(sbml(batch_size=4).batches(np.eye(9, 3, dtype=int), torch.Generator()))
    assert sorted(torch.cat(several).tolist()) == list(range(9)) and [len(rows) for rows in several] == [4, 5]
    in_order = sbml(batch_size=4, shuffle=False).batches(np.arange(8), torch.Generator())
    assert [rows.tolist() for rows in in_order] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_the_learning_rate_falls_at_the_given_epochs():
    method = create("decalcomanie-sbml", 3, width=0.07, depths=(1, 1, 1, 1))
    optimizer, scheduler = method.optimizer(method.build())
    rates = []
    for _ in range(method.params.epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert [n for n, (a, b) in enumerate(pairwise(rates), 1) if b < 0.2 * a] == [30, 60, 80]
    assert rates[0] == 1e-4 and rates[-1] == pytest.approx(1e-7)


def moving(number=30, seed=0):
    """A spot that moves right, left or down; what is still says nothing of the class."""
    rng, labels = np.random.default_rng(seed), np.arange(number) % 3
    frames = np.repeat(rng.integers(60, 120, (number, 1, 1, 24, 24)), 4, axis=1)
    for row, label in enumerate(labels):
        for step in range(4):
            across, down = {0: (step, 0), 1: (-step, 0), 2: (0, step)}[int(label)]
            for side in (6, 17):  # as a face has, on both halves, away from the middle and towards it
                x = side + (across if side > 12 else -across)
                frames[row, step, 0, 8 + down : 12 + down, x - 1 : x + 2] += 60
    return {"frames": np.repeat(frames, 3, axis=2).astype(np.uint8)}, labels


@pytest.mark.parametrize("method", [sbml, fsb])
def test_motion_is_learned(method):
    (train, labels), (test, wanted) = moving(), moving(12, seed=1)
    values = {"backbone": "resnet18", "width": 0.125, "stem": (3, 3, 3), "batch_size": 8, "epochs": 12, "degrees": 5}
    learner = method(**values, learning_rate=1e-2, lr_epochs=(9,), subtract_first=True)
    scores = train_fold(learner, train, labels, test, 0)
    assert (scores[-1].argmax(-1) == wanted).mean() >= 0.75 and learner.losses[-1] < 0.7 * learner.losses[0]


def trained(**values):
    return train_fold(sbml(epochs=1, **values), clips(), LABELS, clips(2, seed=1), 0)


@pytest.mark.parametrize("values", [{"views": "olr"}, {"backbone": "swin-t", "recompute": True}])
def test_half_precision_changes_little(values):
    plain, half = (trained(precision=precision, **values) for precision in ("float32", "bfloat16"))
    np.testing.assert_allclose(half, plain, atol=0.2)
    assert (half != plain).any()


def test_compiled_agrees_with_plain(monkeypatch):
    compiler, values = torch.compile, {"backbone": "resnet18", "recompute": True}
    # the same graphs without the C++ compiler's minute
    monkeypatch.setattr(torch, "compile", lambda model: compiler(model, backend="aot_eager"))
    np.testing.assert_allclose(trained(compile=True, **values), trained(**values), atol=1e-3)


# pre-training in steps

SIZES = find("decalcomanie-sbml").test_params


def study(folder):
    """A protocol of the data set a, indexes of b and c, each with other emotions, and frames of all."""
    emotions = {"a": ["x", "y"], "b": ["jump", "run", "wave"], "c": ["joy", "fear"]}
    for number, (dataset, names) in enumerate(emotions.items()):
        rows = [(dataset, 1 + n // 3, f"c{n}", 1, names[n % len(names)]) for n in range(9)]
        if dataset == "a":
            table = [(*row, n % 2, "x", f"a:{row[1]}") for n, row in enumerate(rows)]
            pd.DataFrame(table, columns=list(COLUMNS)).to_csv(folder / "p.csv", index=False)
        index = pd.DataFrame(rows, columns=["dataset", "subject", "clip", "onset", "emotion"])
        index = index.reindex(columns=INDEX_COLUMNS).assign(apex=2, offset=3, n_frames=3, fps=100)
        index.to_csv(folder / f"{dataset}.csv", index=False)
        ids = ["/".join(map(str, row[:4])) for row in rows]
        write_pack(folder / dataset, ids, clips(9, seed=number)["frames"], {"axes": FRAMES})


def step(folder, name, dataset="", start="", people="r"):
    """One step of the chain, of a whole data set or of each fold of a; `start`: the step before."""
    params = {**SIZES, "epochs": 1, **({"weights": {"pretraining": start}} if start else {})}
    scope = {"scope": "all"} if dataset else {"scope": "fold", "protocol": "p", "classes": ("x", "y")}
    job = PretrainingJob(name, "classify-clips", params, study_seed=0, budget="quick", code="c", **scope)
    where = {"indexes": [str(folder / f"{dataset}.csv")]} if dataset else {"protocol": str(folder / "p.csv")}
    pretrain(
        job=vars(job), packs={"frames": [str(folder / (dataset or "a"))]}, output=str(folder / name), **where,
        folds=[] if dataset else ["a:1", "a:2", "a:3"], weights={"weights": str(folder / start)} if start else None,
        people_of={"a": people, "b": "q", "c": "s"},
    )  # fmt: skip
    return str(folder / name)


def finish(folder, weights, people="r", name="decalcomanie-sbml", folds=("a:1", "a:2", "a:3")):
    params = {**find(name).test_params, "epochs": 1, "weights": {"pretraining": "steps"}}
    job = Job(0, "p", ("x", "y"), "run", name, params, 0, "quick", "synthetic", "c")
    run_folds(job, str(folder / "p.csv"), {"frames": [str(folder / "a")]}, list(folds), str(folder / "o.parquet"),
              weights={"weights": weights}, people_of={"a": people})  # fmt: skip
    return pd.read_parquet(folder / "o.parquet")


def test_three_steps_and_the_method(tmp_path, monkeypatch):
    study(tmp_path)
    kind, classes = find_task("classify-clips"), []
    build = kind.build
    monkeypatch.setattr(kind, "build", lambda self, *given: classes.append(self.num_classes) or build(self, *given))
    one = step(tmp_path, "one", "b")
    two = step(tmp_path, "two", "c", "one")
    three = step(tmp_path, "three", start="two")
    assert classes == [3, 2, 2, 2, 2]  # the emotions of each data set; then the classes of the protocol, fold by fold
    assert read_seen(one, "a:1") == {"q:1", "q:2", "q:3"}
    assert read_seen(two, "a:1") == read_seen(one, EVERY) | {"s:1", "s:2", "s:3"}
    assert read_seen(three, "a:1") == read_seen(two, EVERY) | {"r:2", "r:3"}
    states = [read_states(path, "a:1") for path in (one, two, three)]
    assert all(set(state) == set(states[0]) and "conv1.weight" in state for state in states)
    assert not any(torch.equal(a["conv1.weight"], b["conv1.weight"]) for a, b in pairwise(states))
    for name in ("decalcomanie-sbml", "decalcomanie-fsb"):
        begun = create(name, 2, **{**SIZES, "weights": {"pretraining": "steps"}}).build({"weights": states[2]})
        assert torch.equal(begun.backbone.conv1.weight, states[2]["conv1.weight"])
        assert finish(tmp_path, three, name=name)[["p0", "p1"]].notna().all(axis=None)


def test_a_step_begins_where_the_one_before_ended(tmp_path):
    study(tmp_path)
    one, alone = step(tmp_path, "one", "b"), step(tmp_path, "alone", "c")
    two = step(tmp_path, "two", "c", "one")
    assert not torch.equal(read_states(two, EVERY)["conv1.weight"], read_states(alone, EVERY)["conv1.weight"])
    task = small("decalcomanie-sbml", weights={"pretraining": "one"})
    begun = task.build({"weights": read_states(one, EVERY)}).backbone
    moved = read_states(two, EVERY)["conv1.weight"] - begun.conv1.weight
    assert 0 < moved.abs().max() < 1e-3 < begun.conv1.weight.std()  # a few steps of Adam with 1e-4


def test_nobody_who_is_tested_was_seen_in_any_step(tmp_path):
    study(tmp_path)
    step(tmp_path, "one", "b")
    two = step(tmp_path, "two", "c", "one")
    for people in ("q", "s"):  # if the data set a shows the people of the first step, or of the second
        with pytest.raises(InputError, match=rf"has seen {people}:1, who are tested in a:1; name a recipe of scope"):
            finish(tmp_path, two, people, folds=["a:1"])
        with pytest.raises(InputError, match=rf"'two' .* has seen {people}:1, who are tested in a:1; name a recipe of"):
            step(tmp_path, "three", start="two", people=people)
    three = step(tmp_path, "three", start="two")  # of a fold, used for another
    write_states(tmp_path / "renamed", {"a:2": read_states(three, "a:1")}, {"a:2": read_seen(three, "a:1")}, {})
    with pytest.raises(InputError, match=r"has seen r:2, who are tested in a:2; name a recipe of scope fold"):
        finish(tmp_path, str(tmp_path / "renamed"), folds=["a:2"])


def test_classes_of_a_step_are_learned():
    some, labels = moving()
    task = small(
        find_task("classify-clips"), epochs=12, batch_size=8, backbone="resnet18", width=0.125, stem=(3, 3, 3),
        subtract_first=True, learning_rate=1e-2, lr_epochs=(9,), degrees=5,
    )  # fmt: skip
    *_, model = epochs(task, some, labels, Fold(0))
    test, wanted = moving(12, seed=1)
    assert task.labelled and (predict(task, model, Clips(task, test)).argmax(-1) == wanted).mean() >= 0.75


# cards


def card(name, protocol="smic-3", budget="paper"):
    own = read_yaml(CARDS / f"{name}.yaml")
    if "like" in own:
        own = MethodCard.inherit(own, read_yaml(CARDS / f"{own['like']}.yaml"))
    return MethodCard(**own).under(budget, protocol, 3)


def params(name, **where):
    found = card(name, **where)
    return create(found.method, 3, **found.params).params


def test_every_printed_variant_has_a_card_that_is_what_its_name_says():
    assert len(VARIANTS) == 16 == len(set(VARIANTS))
    for name in VARIANTS:
        family, views, scored, *mlp = name.split("-")
        found, p = card(name), params(name)
        assert found.method == f"decalcomanie-{family}" and p.views == views
        assert create(found.method, 3, **found.params).scored() == scored
        assert getattr(p, "use_mlp", False) == bool(mlp)
        assert found.leaderboard == (name in ("sbml-lr-lr", "fsb-lr-lr"))
        assert (p.backbone, p.n_frames, p.image_size, p.epochs, p.batch_size) == ("resnext101", 34, 112, 100, 10)
        assert not p.legacy_o_scale and not p.subtract_first and p.weights.random


@pytest.mark.parametrize("budget", ["paper", "quick"])
def test_all_steps_and_cards_have_one_size(budget):
    """Or the weights of a step would not fit the next."""
    recipes = Recipes(**read_yaml(ROOT / "config/recipes.yaml"))
    pretrainings = Pretrainings(recipes.pretraining, budget)
    sizes = ("backbone", "width", "depths", "stem", "momentum", "image_size", "n_frames")
    sizes += ("subtract_first", "steady_light")
    of_steps = [pretrainings.params(f"decalcomanie-{n}") for n in (1, 2, 3)]
    of_cards = [params(name, budget=budget) for name in VARIANTS + STEPS]
    assert len({tuple(getattr(p, name) for name in sizes) for p in of_steps + of_cards}) == 1
    inputs = [pretrainings.values(f"decalcomanie-{n}").inputs for n in (1, 2, 3)]
    assert all(own == card(name, budget=budget).inputs for own in inputs for name in VARIANTS + STEPS)


def test_the_chain_of_the_configuration():
    recipes = Recipes(**read_yaml(ROOT / "config/recipes.yaml"))
    pretrainings = Pretrainings(recipes.pretraining, "quick")
    for name, steps in {"sbml-o-o": 0, "sbml-o-o-2": 2, "sbml-lr-lr": 0, "sbml-lr-lr-1": 1, "sbml-lr-lr-3": 3}.items():
        chain = pretrainings.chain([params(name).weights])
        assert chain == [f"decalcomanie-{n}" for n in range(steps, 0, -1)]
        assert params(name).views == name.split("-")[1]
    rows = read_yaml(ROOT / "config/tables/decalcomanie-steps.yaml")["rows"]
    assert sorted(rows) == sorted([*STEPS, "sbml-lr-lr"])


def test_a_chain_in_a_circle_is_refused():
    recipes = dict(Recipes(**read_yaml(ROOT / "config/recipes.yaml")).pretraining)
    del recipes["faces"]  # which reads other recipes
    start = {"start": {"weights": Weights(pretraining="decalcomanie-2")}}
    recipes["decalcomanie-1"] = PretrainingRecipe(**{**recipes["decalcomanie-1"].model_dump(), **start})
    names = ["decalcomanie-34", "decalcomanie-quick", "srmcl-224", "tvl1-28"]
    axes = dict(zip(names, [FRAMES] * 2 + [("motion", "y", "x")] * 2, strict=True))
    sizes = dict(zip(names, [112, 32, 224, 28], strict=True))
    with pytest.raises(InputError) as caught:
        Pretrainings(recipes, "quick").check(axes.get, sizes.get, names, ["actions", "macro", "mmew"])
    assert "'pretraining.decalcomanie-1.start': it starts from itself (decalcomanie-1 from decalcomanie-2" in str(
        caught.value
    )


def test_the_configured_steps_show_nobody_whom_a_protocol_tests():
    project = load_project(read_yaml(ROOT / "config/config.yaml"), ROOT)
    pretrainings = Pretrainings(project.recipes.pretraining, "quick")
    tested = {p: project.people_tested(p) for p in project.protocols}
    pretrainings.check_use("here", Weights(pretraining="decalcomanie-3"), tested, project.people_in)
    with pytest.raises(InputError) as caught:  # as where the macro-expressions are those of MMEW's people
        people = {**project.datasets, "macro": project.datasets["macro"].model_copy(update={"people": "mmew"})}
        project.datasets = people
        pretrainings.check_use("here", Weights(pretraining="decalcomanie-3"), tested, project.people_in)
    assert "the pre-training 'decalcomanie-2' sees 8 subject(s) of 'macro' whom 'mmew-4' tests" in str(caught.value)


def test_data_sets_of_pretraining_are_made_for_it_alone():
    settings = read_yaml(ROOT / "config/config.yaml")
    default = Study(settings, ROOT)
    assert not {"actions", "macro"} & set(default.licensed) and default.pretrained_in_use() == ["srmcl"]
    read = [paths for table in default.project.tables for paths in default.table_inputs(table).values()]
    files = [path for paths in read for path in paths]
    assert not [path for path in [*files, *default.figures()] if "actions" in path or "macro." in path]
    steps = Study({**settings, "methods": ["sbml-lr-lr-3"], "tables": [], "protocols": ["smic-3"]}, ROOT)
    assert steps.pretrained_in_use() == ["decalcomanie-3", "decalcomanie-2", "decalcomanie-1"]
    assert steps.datasets == ["casme2", "samm", "smic-hs"] and {"actions", "macro"} <= set(steps.licensed)
    assert "faces" not in steps.frames_inputs("actions", "mlsp-quick", "1-8")
    assert "faces" in steps.frames_inputs("macro", "mlsp-quick", "1-8")


def test_a_checkpoint_of_another_network_is_refused_before_the_first_job(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    for name in ("apexbench", "workflow"):
        (tmp_path / name).symlink_to(ROOT / name)
    recipes, file = read_yaml(ROOT / "config/recipes.yaml"), tmp_path / "resnext-101.pth"
    recipes["pretraining"]["decalcomanie-1"]["start"] = {"weights": {"file": str(file)}}
    (tmp_path / "config/recipes.yaml").write_text(json.dumps(recipes))
    settings = read_yaml(ROOT / "config/config.yaml")
    settings |= {"methods": ["sbml-lr-lr-2"], "tables": [], "protocols": ["smic-3"]}
    with pytest.raises(InputError, match=r"resnext-101\.pth: no such file; .*'pretraining\.decalcomanie-1\.start'"):
        Study(settings, tmp_path).check_weight_files()
    quick = params("sbml-lr-lr", budget="quick").model_dump()
    other = r"-1\.start': .*101\.pth: .* does not fit the network"
    for backbone, message in {"resnet18": "", "resnet50": other}.items():
        state = create("decalcomanie-sbml", 3, **quick | {"backbone": backbone}).build().backbone.state_dict()
        torch.save({"state_dict": {f"module.{name}": x for name, x in state.items()}}, file)
        with pytest.raises(InputError, match=message) if message else nullcontext():
            Study(settings, tmp_path).check_weight_files()


def variant(p):
    return p.views, getattr(p, "infer", ""), getattr(p, "use_mlp", "")


def test_a_table_has_every_variant_with_every_backbone():
    """With the backbone of a variant's own card a run has that card's values, on random streams of its own."""
    cards = ("sbml-resnets", "sbml-swins", "fsb-resnets", "fsb-swins")
    project = load_project(read_yaml(ROOT / "config/config.yaml"), ROOT)
    rows = [run for name in cards for run in project.card(name).runs(name, "quick")]
    assert project.table("decalcomanie-backbones").rows == tuple(rows) and len(rows) == 112
    backbones = ["resnext101", "resnet50", "resnet18", *(f"swin-{size}" for size in "tsbl")]
    for budget, width in {"paper": 1, "quick": 0.125}.items():
        names = {variant(params(name, budget=budget)): name for name in VARIANTS}
        found, same = set(), set()
        for name in cards:
            assert not project.card(name).leaderboard
            assert project.card(name).protocols == ("casme2-3-wide", "samm-3", "smic-3")
            for run in project.card(name).runs(name, budget, "smic-3", 3).values():
                p = create(run.method, 3, **run.params).params
                found.add((variant(p), p.backbone))
                stages = {"paper": 0, "quick": 4 if p.backbone.startswith("swin") else 3}[budget]
                assert p.width == width and p.depths == ((1,) * stages if stages else None)
                own = card(names[variant(p)], budget=budget)
                assert run.method == own.method and run.inputs == own.inputs
                same |= {names[variant(p)]} if p == create(own.method, 3, **own.params).params else set()
        assert found == set(product(names, backbones)) and same == set(VARIANTS) == set(names.values())
