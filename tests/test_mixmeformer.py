"""MixMeFormer and the ViT on flow: sizes, one forward pass, normalisation, augmentation, weights, precision."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_networks import RESNET, VIT

from apexbench.errors import InputError
from apexbench.methods import create
from apexbench.methods.augmentation import flip_rotate_crop
from apexbench.methods.deep import Clips
from apexbench.methods.mixing import Mixed
from apexbench.methods.mixing.mixable import mixed_loss
from apexbench.torchvision_shim import ensure_torchvision
from apexbench.training.run import train_fold
from apexbench.weights import Weights, state_of

SMALL = {
    "image_size": 48,
    "vit": {**VIT, "depth": 3},
    "resnet": RESNET,
    "statistics": "fold",
    "padding": 1,
}


def _count(module):
    return sum(p.numel() for p in module.parameters())


def _clips(count, seed=0, side=48):
    rng = np.random.default_rng(seed)
    flow = rng.normal(0.3, 2, (count, 3, side, side)).astype(np.float16)
    frames = rng.integers(0, 256, (count, 2, 3, side, side), dtype=np.uint8)
    return {"flow": flow, "frames": frames, "id": np.array([f"samm/{i}/c/{seed}" for i in range(count)], dtype=object)}


def _given(method, clips, train=None):
    """What the model is given in the test."""
    method.fit(clips if train is None else train)
    return Clips(method, clips).batch(np.arange(len(clips["flow"])))


def _method(name="mixmeformer", classes=3, **options):
    sizes = {key: value for key, value in SMALL.items() if key != "resnet" or name == "mixmeformer"}
    return create(name, classes, **{**sizes, "epochs": 2, "batch_size": 4, **options})


def test_sizes_as_released():
    model = create("mixmeformer", 5).build()
    assert _count(model) == 88_587_589
    assert (_count(model.vit), _count(model.head), _count(model.norm)) == (85_602_048, 3_845, 1_536)
    assert (_count(model.semantic.stages), _count(model.semantic.project)) == (2_782_784, 197_376)
    assert _count(create("mixmeformer", 5, unused_norm=False).build()) == 88_586_053


def test_vit_flow_is_the_same_network_without_fusion_and_its_attention_costs_no_second_pass():
    model = create("vit-flow", 5).build().eval()
    assert _count(model) == 85_605_893
    flow = torch.randn(2, 2, 224, 224, generator=torch.Generator().manual_seed(0))
    seen = []
    model.vit.blocks[-1].attn.proj.register_forward_hook(lambda *_: seen.append(1))
    with torch.no_grad():
        scores, attention = model(flow, attention=True)
        whole = model.head(model.vit.forward_features(flow)[:, 0])  # timm's own way, all tokens to the end
    assert len(seen) == 2  # once for each of the two ways
    torch.testing.assert_close(scores, whole, rtol=1e-4, atol=1e-5)
    assert attention.shape == (2, 196) and not attention.requires_grad
    assert ((attention.sum(1) - 0.995).abs() < 0.003).all()


def test_the_class_token_s_shortcut_has_the_gradients_of_the_whole_block():
    model = _method("vit-flow").build()
    flow = torch.randn(3, 2, 48, 48)
    grads = []
    for scores in (model(flow), model.head(model.vit.forward_features(flow)[:, 0])):
        model.zero_grad()
        scores.square().sum().backward()
        grads.append([p.grad.clone() for p in model.parameters()])
    for short, whole in zip(*grads, strict=True):
        torch.testing.assert_close(short, whole, rtol=1e-3, atol=1e-5)


def test_attention_is_that_of_the_last_block():
    model = _method("vit-flow").build().eval()
    flow = torch.randn(2, 2, 48, 48)
    vit, block = model.vit, model.vit.blocks[-1]
    tokens = vit._pos_embed(vit.patch_embed(flow))
    for earlier in vit.blocks[:-1]:
        tokens = earlier(tokens)
    attn = block.attn
    q, k, _ = attn.qkv(block.norm1(tokens)).reshape(2, 10, 3, 4, 8).permute(2, 0, 3, 1, 4)
    by_hand = (q @ k.transpose(-2, -1) * 8**-0.5).softmax(-1)[:, :, 0, 1:].mean(1)
    torch.testing.assert_close(model(flow, attention=True)[1], by_hand.detach(), rtol=1e-4, atol=1e-6)


def test_the_onset_frame_reaches_every_patch_and_not_the_class_token():
    model = _method().build().eval()
    seen = []
    model.vit.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    flow = torch.randn(1, 2, 48, 48)
    with torch.no_grad():
        for onset in (torch.zeros(1, 3, 48, 48), torch.randn(1, 3, 48, 48)):
            model(flow, onset)
    changed = (seen[0] != seen[1]).any(-1)[0]
    assert not changed[0] and changed[1:].all() and len(changed) == 1 + 9


def test_gradients_reach_vit_resnet_and_head_but_not_through_the_labels():
    method = _method(mixing="memix")
    model = method.build()
    inputs = _given(method, _clips(4))
    seen = []

    def relabel(attention):
        assert not attention.requires_grad
        seen.append(attention)
        return torch.eye(3)[[0, 1, 2, 0]]

    mixed_loss(model, Mixed(inputs, torch.eye(3)[[0, 1, 2, 0]], relabel), method.loss, [], attends=True).backward()
    assert len(seen) == 1
    still = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert still == {"norm.weight", "norm.bias"}  # the released network's unused batch norm


@pytest.mark.parametrize("name", ["mixmeformer", "vit-flow"])
@pytest.mark.parametrize("mixing", ["none", "memix", "manifold-mixup", "transmix"])
def test_a_fold_is_the_same_again_and_differs_by_seed(name, mixing):
    labels, clips, test = np.array([0, 1, 2] * 3), _clips(9), _clips(3, 1)
    first, again, other = (train_fold(_method(name, mixing=mixing), clips, labels, test, seed) for seed in (3, 3, 4))
    assert first.shape == (2, 3, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


# normalisation


def test_statistics_of_a_fold_are_of_its_training_clips():
    train, test = _clips(6), _clips(3, 1)
    test["flow"] = test["flow"] * 5
    tensors = _given(_method(), train)
    for x in tensors.values():
        torch.testing.assert_close(x.mean(dim=(0, 2, 3)), torch.zeros(x.shape[1]), rtol=0, atol=1e-4)
        torch.testing.assert_close(x.std(dim=(0, 2, 3)), torch.ones(x.shape[1]), rtol=0, atol=1e-4)
    assert _given(_method(), test, train)["flow"].std() > 3


def test_global_statistics_are_the_released_constants_and_bgr_the_released_order():
    clips = _clips(2)
    tensors = _given(_method(statistics="global"), clips)
    u = clips["flow"][:, 0].astype(np.float32)
    np.testing.assert_allclose(tensors["flow"][:, 0], (u - 0.006) / 0.956, rtol=1e-5, atol=1e-5)
    blue = clips["frames"][:, 0, 2].astype(np.float32) / 255
    np.testing.assert_allclose(tensors["onset"][:, 0], (blue - 0.296) / 0.123, rtol=1e-4, atol=1e-5)
    red_first = _given(_method(statistics="global", channels="rgb"), clips)["onset"]
    torch.testing.assert_close(red_first, tensors["onset"].flip(1))


# augmentation


def test_augmentation_is_torchvision_s_flip_rotation_and_padded_crop():
    ensure_torchvision()
    from torchvision.transforms import functional as tv

    from apexbench.methods.augmentation import _apply

    x = torch.randn(4, 3, 32, 32)
    flips, degrees = np.array([False, True, True, False]), np.array([0.0, 4.0, -2.5, 3.0])
    shifts = np.array([[0, 0], [2, -3], [-4, 4], [1, 1]])
    ours = _apply(x, flips, np.deg2rad(degrees), shifts)
    for i, one in enumerate(x):
        one = tv.rotate(tv.hflip(one) if flips[i] else one, float(degrees[i]))
        theirs = tv.crop(tv.pad(one, [4, 4]), 4 + int(shifts[i, 0]), 4 + int(shifts[i, 1]), 32, 32)
        torch.testing.assert_close(ours[i], theirs, rtol=0, atol=0)


@pytest.mark.parametrize("kind", [torch.float32, torch.uint8])
@pytest.mark.parametrize(("side", "degrees", "padding", "margin"), [(32, 4, 4, 0), (17, 180, 20, 0), (36, 8, 2, 2)])
def test_the_compiled_augmentation_has_the_bits_of_pytorch_s_operations(kind, side, degrees, padding, margin):
    from apexbench.methods.augmentation import _apply, _apply_anywhere, _draw

    rng = np.random.default_rng(side)
    drawn = _draw(rng, 64, degrees, padding, 0.5)
    x = torch.from_numpy(rng.uniform(1, 200, (64, 2, 3, side, side))).to(kind)
    x = x.transpose(1, 2)  # as a batch may lie
    compiled, plain = _apply(x, *drawn, margin), _apply_anywhere(x, *drawn, margin)
    assert compiled.dtype == kind and compiled.shape == (64, 3, 2, side - 2 * margin, side - 2 * margin)
    assert torch.equal(compiled, plain)
    assert (compiled == 0).any() and (compiled != 0).any()  # both what comes in from outside, and pixels
    whole = _apply_anywhere(x, *drawn)
    assert torch.equal(plain, whole[..., margin : side - margin, margin : side - margin])


def test_augmentation_joint_or_independent():
    x = torch.arange(64 * 32 * 32.0).view(64, 1, 32, 32)
    pair = {"flow": x, "onset": x.clone()}
    joint, _ = flip_rotate_crop(pair, np.random.default_rng(0), degrees=4, padding=4, joint=True)
    apart, flips = flip_rotate_crop(pair, np.random.default_rng(0), degrees=4, padding=4, joint=False)
    torch.testing.assert_close(joint["flow"], joint["onset"], rtol=0, atol=0)
    assert (apart["flow"] != apart["onset"]).any() and (flips["flow"] != flips["onset"]).any()
    assert 15 < flips["flow"].sum() < 49


def test_flow_s_sign_under_a_flip():
    constants = {"degrees": 0, "padding": 0, "statistics": "global", "flow_mean": (0, 0), "flow_std": (1, 1)}
    batches = []
    for flip_sign in (False, True):
        method = _method("vit-flow", flip_sign=flip_sign, **constants)
        method.fit({})
        batches.append(method.transform({"flow": torch.ones(32, 2, 48, 48)}, np.random.default_rng(0))["flow"])
    kept, turned = batches
    assert (kept == 1).all() and (turned[:, 1] == 1).all()
    assert set(turned[:, 0].unique().tolist()) == {-1.0, 1.0}
    clips = _clips(4)
    x = _given(_method("vit-flow", flip_sign=True), clips)["flow"]
    assert (np.sign(x[:, 0].numpy()) == np.sign(clips["flow"][:, 0].astype(np.float32))).all()  # 0 px stays 0


# weights, precision, sizes


def _pretrained(tmp_path):
    ensure_torchvision()
    import timm

    state = timm.create_model("vit_base_patch16_224", img_size=48, num_classes=7, **SMALL["vit"]).state_dict()
    save_file(state, tmp_path / "vit.safetensors")
    return state


def test_weights_from_a_file_and_the_patch_embedding_of_two_channels(tmp_path):
    state, weights = _pretrained(tmp_path), {"file": str(tmp_path / "vit.safetensors")}
    method = _method("vit-flow", weights=weights)
    model = method.build({"weights": state_of(Weights(**weights), "")})
    first = model.vit.patch_embed.proj.weight
    mean = state["patch_embed.proj.weight"].mean(1)
    torch.testing.assert_close(first[:, 0], mean)
    torch.testing.assert_close(first[:, 1], mean)
    torch.testing.assert_close(model.vit.blocks[2].mlp.fc1.weight, state["blocks.2.mlp.fc1.weight"])
    with pytest.raises(ValueError, match="'weights' names weights, but none were handed to build"):
        method.build()


def test_weights_that_do_not_fit_or_are_not_there(tmp_path):
    state, weights = _pretrained(tmp_path), {"file": str(tmp_path / "vit.safetensors")}
    with pytest.raises(InputError, match=r"'weights': does not fit the network; missing \['blocks\.3"):
        _method("vit-flow", vit={**SMALL["vit"], "depth": 4}, weights=weights).build({"weights": state})
    with pytest.raises(InputError, match=r"none\.safetensors: no such file; here names it"):
        state_of(Weights(file=str(tmp_path / "none.safetensors")), "here")
    with pytest.raises(InputError, match=r"did you mean 'vit_base_patch16_224\.augreg_in21k_ft_in1k'"):
        state_of(Weights(timm="vit_base_patch16_224.augreg_in21k_ft_in2k"), "here")


def test_patches_that_do_not_meet_the_features():
    with pytest.raises(InputError, match="makes 3 x 3 features, the flow 6 x 6 patches; the patch size must be 16"):
        _method(vit={**SMALL["vit"], "patch_size": 8}).build()


def test_bfloat16_agrees_with_float32():
    labels, clips, test = np.array([0, 1, 2] * 3), _clips(9), _clips(6, 1)
    single, half = (
        train_fold(_method(precision=precision, mixing="memix"), clips, labels, test, 3)
        for precision in ("float32", "bfloat16")
    )
    assert (single != half).any()
    np.testing.assert_allclose(half, single, atol=0.1 * np.abs(single).max())


def test_compiled_agrees_with_plain(monkeypatch):
    compiler = torch.compile
    # the same graphs without the C++ compiler's minute; benchmarks/transformers.py has the whole way
    monkeypatch.setattr(torch, "compile", lambda model: compiler(model, backend="aot_eager"))
    labels, clips, test = np.array([0, 1, 2] * 3), _clips(9), _clips(6, 1)
    for mixing in ("memix", "manifold-mixup"):
        plain, compiled = (
            train_fold(_method("vit-flow", compile=compile, mixing=mixing), clips, labels, test, 3)
            for compile in (False, True)
        )
        np.testing.assert_allclose(compiled, plain, atol=1e-3 * np.abs(plain).max())
