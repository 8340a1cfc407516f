"""SRMCL: the released network's size, masks and losses, the memory, balanced batches, and its pre-training by fold."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from packs import write_pack
from random_clips import small

from apexbench.config.model import read_yaml
from apexbench.errors import InputError
from apexbench.methods import create
from apexbench.methods import srmcl as module
from apexbench.methods.base import FLOW, Fold
from apexbench.methods.deep import Clips, epochs, predict
from apexbench.methods.networks.srmcl import Block, Memory, sin_cos
from apexbench.methods.pretraining import find_task
from apexbench.methods.pretraining.srmcl_reconstruction import SizeParams
from apexbench.project import load_project
from apexbench.protocols import COLUMNS, read_protocol
from apexbench.stages.pretrain import PretrainingJob, pretrain
from apexbench.training.pretraining import Pretrainings
from apexbench.training.record import Job
from apexbench.training.run import run_folds, train_fold
from apexbench.weights import Weights, read_seen, read_states

ROOT = Path(__file__).parent.parent
TASK = find_task("srmcl-reconstruction")
CARDS = ["srmcl", "srmcl-sr", "srmcl-ce", "srmcl-mask", "srmcl-learning-rate"]
pytestmark = pytest.mark.usefixtures("one_thread")


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def clips(number=6, side=24, seed=0):
    flow = np.random.default_rng(seed).normal(0, 0.5, (number, 3, side, side)).astype(np.float16)
    flow[:, 2] = abs(flow[:, 2])
    return {"flow": flow}


def built(method=None, seed=0, **values):
    """A method, its model and its clips: 9 patches, features of 16."""
    method = small("srmcl", **values) if method is None else method
    torch.manual_seed(seed)
    return method, method.build(), Clips(method, clips(), np.arange(6) % 3)


def all_of(held):
    return held.batch(np.arange(len(held)))["picture"]


# the network


def test_it_has_the_parameters_of_the_released_network():
    model = create("srmcl", 5).build()
    coder = model.autoencoder
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert (count(model), trained) == (26_857_989, 26_605_061)
    assert (count(coder.encoder), count(model.last), count(coder.decoder)) == (14_181_120, 4_727_040, 6_308_352)
    assert (count(coder.patch_embed), count(coder.decoder_embed), count(coder.decoder_pred)) == (
        590_592,
        393_728,
        393_984,
    )
    assert coder.positions.numel() + coder.decoder_positions.numel() == 252_160
    assert coder.kept == 49 and model.memory.prototypes.shape == (5, 768)
    assert count(create("srmcl", 5, memory=False).build()) == 26_856_453


def test_a_block_is_pytorch_s_encoder_layer():
    torch.manual_seed(0)
    block = Block(16, 4, 2.0)
    layer = torch.nn.TransformerEncoderLayer(
        16, 4, 32, dropout=0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    )
    own = block.state_dict()
    names = {"norm1": "norm1", "norm2": "norm2", "self_attn.out_proj": "proj", "linear1": "mlp.0", "linear2": "mlp.2"}
    state = {f"{theirs}.{x}": own[f"{name}.{x}"] for theirs, name in names.items() for x in ("weight", "bias")}
    state |= {f"self_attn.in_proj_{x}": own[f"qkv.{x}"] for x in ("weight", "bias")}
    layer.load_state_dict(state)
    x = torch.randn(2, 5, 16)
    torch.testing.assert_close(block(x), layer(x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(block(x, first=True), layer(x)[:, :1], rtol=1e-4, atol=1e-5)


def test_positions_are_waves_of_column_and_row():
    found = sin_cos(8, 3)[0].numpy()
    assert not found[0].any()
    for row in range(3):
        for column in range(3):
            waves = [f(place * rate) for place in (column, row) for f in (np.sin, np.cos) for rate in (1, 0.01)]
            np.testing.assert_allclose(found[1 + 3 * row + column], waves, atol=1e-6)


def test_initial_weights():
    torch.manual_seed(0)
    model = create("srmcl", 5).build()
    coder = model.autoencoder
    for weight, fans in {
        coder.patch_embed.weight: 2 * 768,
        coder.encoder[1].qkv.weight: 4 * 768,
        model.last.mlp[0].weight: 3 * 768,
        model.head[1].weight: 768 + 5,
    }.items():
        assert weight.abs().max().item() == pytest.approx((6 / fans) ** 0.5, rel=0.01)
    assert coder.cls_token.std().item() == pytest.approx(0.02, rel=0.1)
    assert coder.mask_token.std().item() == pytest.approx(0.02, rel=0.1)
    assert not coder.decoder[0].qkv.bias.any() and not model.memory.prototypes.any()


def test_the_loss_reaches_every_trained_parameter_but_the_unused_norm_s():
    method, model, held = built()
    method.begin_epoch(model, held, 0)
    method.step(model.train(), held, torch.arange(6), None).backward()
    still = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert still == {"autoencoder.positions", "autoencoder.decoder_positions", "bn_neck.weight", "bn_neck.bias"}


# patches and masks


def test_pictures_are_cut_row_by_row():
    _, model, held = built()
    x = all_of(held)
    patches = model.autoencoder.patches(x)
    assert patches.shape == (6, 9, 192)
    for place in range(9):
        row, column = 8 * (place // 3), 8 * (place % 3)
        assert torch.equal(patches[:, place], x[:, :, row : row + 8, column : column + 8].flatten(1))
    assert torch.equal(model.autoencoder.picture(patches), x)


@pytest.mark.parametrize(
    ("side", "ratio", "kept"), [(14, 0.75, 49), (14, 0.5, 98), (14, 0.9, 19), (10, 0.9, 10), (3, 0.25, 6), (3, 0.99, 0)]
)
def test_as_many_patches_stay_as_the_ratio_says(side, ratio, kept):
    coder = small("srmcl", image_size=8 * side, mask_ratio=ratio).autoencoder()
    tokens = torch.randn(3, 1 + side**2, 16)
    masked, removed = coder.mask(tokens)
    assert (removed.sum(1) == side**2 - kept).all()
    assert torch.equal(masked[:, 0], tokens[:, 0])  # the class token
    assert torch.equal(masked[:, 1:][~removed], tokens[:, 1:][~removed])
    assert (masked[:, 1:][removed] == coder.mask_token[0, 0]).all()


def test_each_clip_draws_its_own_masks_and_all_patches_alike():
    coder = small("srmcl").autoencoder()
    torch.manual_seed(0)
    _, removed = coder.mask(torch.zeros(4000, 10, 16))
    assert len(set(map(tuple, removed.tolist()))) == 36  # of 9 patches 2 stay
    assert (removed.float().mean(0) - 7 / 9).abs().max() < 0.03
    drawn = [coder.mask(torch.zeros(4, 10, 16), torch.Generator().manual_seed(seed))[1] for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def entering(model, picture):
    """The tokens that the last block sees."""
    seen = []
    handle = model.last.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    with torch.no_grad():
        model(picture)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize(("rounds", "share"), [(0, 0.0), (1, 0.75), (2, 0.9375), (3, 0.984375)])
def test_masks_add_up_and_only_in_training(rounds, share):
    method = small("srmcl", image_size=112, rounds=rounds)
    torch.manual_seed(0)
    model, pictures = method.build(), torch.randn(40, 3, 112, 112)
    whole, tokens = entering(model.eval(), pictures), entering(model.train(), pictures)
    masked = (tokens[:, 1:] == model.autoencoder.mask_token[0]).all(-1)
    assert masked.float().mean().item() == pytest.approx(share, abs=0.01)
    torch.testing.assert_close(tokens[:, 1:][~masked], whole[:, 1:][~masked])
    torch.testing.assert_close(tokens[:, 0], whole[:, 0])
    torch.testing.assert_close(whole, model.autoencoder.encode(pictures))


def test_the_error_is_of_the_removed_patches_of_each_round():
    _, model, held = built()
    coder, x = model.autoencoder, all_of(held)
    torch.manual_seed(5)
    with torch.no_grad():
        error = model.train()(x).error
        torch.manual_seed(5)
        tokens, wanted = coder.encode(x), 0
        for _ in range(2):
            tokens, removed = coder.mask(tokens)
            made = coder.picture(coder.decode(tokens)).numpy()
            pixels = np.kron(removed.view(6, 3, 3).numpy(), np.ones((1, 8, 8), bool))[:, None].repeat(3, 1)
            assert pixels.sum() == 6 * 7 * 192
            wanted += ((made - x.numpy())[pixels] ** 2).mean()
    assert error.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("early", [True, False])
def test_a_norm_before_the_decoder_forgets_the_scale(early):
    """In the fine-tuning alone: the pre-training and VIT_SR have none."""
    coder = small("srmcl").autoencoder(early_norm=early)
    tokens = torch.randn(2, 10, 16) * 10
    with torch.no_grad():
        before = coder.decode(tokens)
        coder.decoder_embed.weight *= 3
        same = torch.allclose(coder.decode(tokens), before, rtol=1e-3, atol=1e-4)
    assert same == early
    assert small("srmcl").build().autoencoder.early_norm and not small(TASK).build().early_norm


def test_scores_know_nothing_of_masks():
    reference = None
    for values in ({}, {"mask_ratio": 0.25}, {"rounds": 1}, {"rounds": 0}, {"reconstruction": 0.0}, {"memory": False}):
        method, model, held = built(**values)
        state = torch.get_rng_state()
        scores = predict(method, model, held)
        assert torch.equal(torch.get_rng_state(), state)
        np.testing.assert_array_equal(scores, predict(method, model, held))
        reference = scores if reference is None else reference
        np.testing.assert_array_equal(scores, reference)
    alone = predict(method, model, Clips(method, {"flow": clips()["flow"][2:3]}))
    np.testing.assert_allclose(alone, reference[2:3], rtol=1e-4, atol=1e-5)


# the memory


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def random_features(count=7, seed=0):
    return torch.from_numpy(unit(np.random.default_rng(seed).normal(size=(count, 5))).astype("f4"))


def memory(**values):
    made = Memory(4, 5, **{"temperature": 0.05, "momentum": 0.1, "hard": False, **values})
    made.start(random_features(20, 1), torch.arange(20) % 3)  # nobody is of the last class
    return made


def test_the_memory_begins_with_the_means_of_the_classes():
    features = random_features(20, 1).numpy()
    wanted = [unit(features[np.arange(20) % 3 == k].mean(0)) for k in range(3)]
    np.testing.assert_allclose(memory().prototypes, [*wanted, np.zeros(5)], atol=1e-6)


@pytest.mark.parametrize("momentum", [0.1, 0.5])
@pytest.mark.parametrize("hard", [False, True])
def test_prototypes_move_as_the_formula_says(hard, momentum):
    made, features, targets = memory(hard=hard, momentum=momentum), random_features(), np.array([0, 0, 2, 0, 2, 2, 2])
    old, x = made.prototypes.numpy().copy(), features.numpy()
    made.update(features, torch.from_numpy(targets))
    wanted = old.copy()
    for k in (0, 2):
        own = x[targets == k]
        new = own[np.argmin(own @ old[k])] if hard else own.mean(0)
        wanted[k] = unit(momentum * old[k] + (1 - momentum) * new)
    np.testing.assert_allclose(made.prototypes, wanted, atol=1e-6)
    np.testing.assert_array_equal(made.prototypes[[1, 3]], old[[1, 3]])


def test_the_gradient_is_of_the_prototypes_before_the_step_and_reaches_none():
    made, features = memory(), random_features().requires_grad_()
    targets = torch.tensor([0, 1, 2, 0, 1, 2, 2])
    old = made.prototypes.numpy()[:3].astype(float)
    loss = made.loss(features, targets)
    made.update(features, targets)
    loss.backward()
    scores = features.detach().double().numpy() @ old.T / 0.05
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    assert loss.item() == pytest.approx(-np.log(chances[np.arange(7), targets]).mean(), rel=1e-4)
    np.testing.assert_allclose(features.grad, (chances - np.eye(3)[targets]) @ old / 0.05 / 7, rtol=1e-3, atol=1e-5)
    assert not made.prototypes.requires_grad and not list(made.parameters())


def test_a_class_that_the_fold_has_not_gives_no_score():
    """As if there were three classes, whatever the features."""
    made, three = memory(), Memory(3, 5, temperature=0.05, momentum=0.1, hard=False)
    three.prototypes = made.prototypes[:3]
    features, targets = -random_features(), torch.tensor([0, 1, 2, 0, 1, 2, 2])
    assert made.loss(features, targets).item() == pytest.approx(three.loss(features, targets).item(), rel=1e-6)


@pytest.mark.parametrize("prototypes", ["mean", "hard"])
def test_folds_of_two_classes_or_one_are_trained(prototypes):
    for present in ((1, 4), (1,)):
        method = small("srmcl", 5, prototypes=prototypes)
        labels = np.resize(present, 9)
        *_, model = epochs(method, clips(9), labels, Fold(0))
        lengths = model.memory.prototypes.norm(dim=1).numpy()
        np.testing.assert_allclose(lengths, np.isin(np.arange(5), present), atol=1e-6)
        assert all(p.isfinite().all() for p in model.parameters())


def test_each_epoch_begins_with_masked_features_of_the_training_clips():
    method, model, held = built(batch_size=4)
    with torch.no_grad():
        plain = model.eval()(all_of(held)).features
    for epoch in range(2):
        torch.manual_seed(9)
        method.begin_epoch(model.train(), held, epoch)
        first = model.memory.prototypes
        torch.manual_seed(9)
        with torch.no_grad():
            parts = [model.masked_features(batch["picture"]) for batch, _ in held]
        features = torch.cat(parts).numpy()
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(first, [unit(features[k::3].mean(0)) for k in range(3)], atol=1e-6)
        assert abs(features - plain.numpy()).max() > 1e-3
        method.step(model.train(), held, torch.arange(6), None)
        assert not torch.equal(model.memory.prototypes, first)


# the losses


@pytest.mark.parametrize(
    "values",
    [{}, {"reconstruction": 0.2, "memory_weight": 2.0}, {"memory": False, "rounds": 1}, {"memory": False, "rounds": 0}],
)
def test_the_loss_of_a_step_is_the_sum_of_its_parts(values):
    method, model, held = built(**values)
    method.begin_epoch(model, held, 0)
    model.train()
    rows, targets = torch.tensor([4, 0, 2, 5]), np.array([1, 0, 2, 2])
    old = model.memory.prototypes.double().numpy() if method.params.memory else None
    torch.manual_seed(3)
    loss = method.step(model, held, rows, None).item()
    torch.manual_seed(3)
    with torch.no_grad():
        scores, features, error = (x.double().numpy() for x in model(**held.batch(rows)))

    def cross_entropy(x):
        return np.mean(np.log(np.exp(x).sum(1)) - x[np.arange(4), targets])

    wanted = cross_entropy(scores) + values.get("reconstruction", 0.5) * error
    assert bool(error) == (method.params.rounds > 0)
    if method.params.memory:
        wanted += values.get("memory_weight", 0.5) * cross_entropy(features @ old.T / 0.05)
    assert loss == pytest.approx(wanted, rel=1e-4)


def test_the_rate_falls_as_a_cosine_and_what_is_fixed_has_none():
    method, model, _ = built(epochs=4)
    optimizer, scheduler = method.optimizer(model)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates, 1e-4 * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2)
    assert optimizer.param_groups[0]["weight_decay"] == 0.05
    given = {id(p) for p in optimizer.param_groups[0]["params"]}
    assert given == {id(p) for p in model.parameters() if p.requires_grad}


# balanced batches


def batches(labels, each=2, seed=0, **values):
    method = small("srmcl", 5, clips_per_class=each, **values)
    generator = torch.Generator().manual_seed(seed)
    return [rows.numpy() for rows in method.batches(np.asarray(labels), generator)]


@pytest.mark.parametrize(
    ("sizes", "each", "number"),
    [
        ((99, 63, 32, 27, 25), 6, 8),  # 30 a batch: 8 end at 240, and another would be past 246
        ((60, 60), 30, 1),  # a batch that would reach the number of clips is not begun
        ((60, 61), 30, 2),
        ((3, 3, 3), 6, 1),  # fewer clips than a batch has
        ((1,), 6, 1),
        ((0, 9, 0, 4), 2, 3),
    ],
)
def test_batches_hold_as_many_of_each_class_and_end_before_the_clips_do(sizes, each, number):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    found = batches(labels, each)
    assert len(found) == number
    present = np.flatnonzero(sizes)
    for rows in found:
        assert np.bincount(labels[rows], minlength=len(sizes))[present].tolist() == [each] * len(present)
        for k in present:
            own = np.bincount(rows[labels[rows] == k])
            assert own.max() <= -(-each // sizes[k])  # none comes twice before the others have come
    assert [x.tolist() for x in batches(labels, each)] == [x.tolist() for x in found]
    assert len(labels) < 10 or [x.tolist() for x in batches(labels, each, 1)] != [x.tolist() for x in found]


def test_within_a_class_all_come_before_one_comes_again():
    labels = np.repeat([0, 1], [48, 7])
    found = batches(labels, 2)
    large, small_ = ([rows[labels[rows] == k] for rows in found] for k in (0, 1))
    assert len(found) == 13 and len(np.unique(np.concatenate(large))) == 26
    for start in range(0, 12, 3):  # 7 clips are 3 pairs and a rest, which is passed over
        assert len(np.unique(np.concatenate(small_[start : start + 3]))) == 6
    assert set(np.concatenate(small_)) == set(range(48, 55))
    in_order = batches(labels, 2, shuffle=False)
    assert all(a[1] + 1 == b[0] for a, b in pairwise(rows[:2] for rows in in_order))


# what the model is given


def given(method, inputs):
    method.fit(inputs)
    return method.shown(Clips(method, inputs).batch(np.arange(len(inputs["flow"])))["picture"]).numpy() * 255


@pytest.mark.parametrize("third", ["magnitude", "strain"])
def test_maps_are_stretched_and_rounded_down(third):
    inputs = clips()
    inputs["flow"][3, 1] = 0.5
    found = given(small("srmcl", third=third), inputs)
    u, v, strain = np.moveaxis(inputs["flow"].astype("f4"), 1, 0)
    for channel, maps in enumerate((u, v, np.sqrt(u**2 + v**2) if third == "magnitude" else strain)):
        for clip, x in enumerate(maps):
            wanted = np.uint8(255 * ((x - x.min()) / max(np.ptp(x), 1e-9)))
            assert (abs(found[clip, channel] - wanted) < 0.01).mean() > 0.998  # but where rounding meets a whole number
            assert abs(found[clip, channel] - wanted).max() < 1.01
    assert not found[3, 1].round(3).any() and found.max() == pytest.approx(255)


def test_fixed_scaling_keeps_zero_sign_and_size():
    inputs = clips()
    method = small("srmcl", scaling="fixed", third="strain")
    found = given(method, inputs)
    flow = inputs["flow"].astype(float)
    reach = 3 * np.sqrt(np.array([(flow[:, :2] ** 2).mean()] * 2 + [(flow[:, 2] ** 2).mean()]))
    np.testing.assert_allclose(found, (127.5 * (1 + flow / reach[:, None, None])).clip(0, 255), atol=0.02)
    still = Clips(method, {"flow": np.zeros((1, 3, 24, 24), np.float16)}).batch([0])["picture"]
    np.testing.assert_allclose(method.shown(still) * 255, 127.5, rtol=1e-5)
    nothing = {"flow": np.zeros((2, 3, 24, 24), np.float16)}
    np.testing.assert_allclose(given(small("srmcl", scaling="fixed"), nothing), 127.5, rtol=1e-5)


def test_pictures_are_normalised_by_imagenet():
    picture = small("srmcl").transform({"flow": torch.zeros(1, 2, 24, 24)})["picture"]
    wanted = [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(picture[0, :, 0, 0], wanted, rtol=1e-6)


# what is refused


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_size": 50}, "image_size 50 is no multiple of patch_size 8"),
        ({"dim": 20, "heads": 8}, "dim 20 is no multiple of heads 8"),
        ({"decoder_dim": 6}, "decoder_dim 6 is no multiple of 4"),
        ({"third": "gray"}, "'third': Input should be 'magnitude' or 'strain'"),
        ({"mask_ratio": 1.0}, "'mask_ratio': Input should be less than 1"),
        ({"mask_ratio": 0.0}, "'mask_ratio': Input should be greater than or equal to 0.01"),
    ],
)
def test_values_that_cannot_be(values, message):
    for kind in ("srmcl", TASK):
        with pytest.raises(InputError, match=message):
            small(kind, **values)


def test_maps_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"SRMCL reads flow maps \(N, 3, 224, 224\); the pack holds \(6, 3, 24, 24\)"):
        create("srmcl", 3).tensors(clips())


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"dim": 32}, "dim 16, the network is of 32; give the card and the recipe of the pre-training the same dim"),
        ({"heads": 4}, "heads 2, the network is of 4"),  # no shape shows it
        ({"depth": 2}, "depth 1, the network is of 2"),
        ({"decoder_heads": 4}, "decoder_heads 2, the network is of 4"),
        ({"image_size": 48}, "image_size 24, the network is of 48"),
    ],
)
def test_weights_of_another_size_are_refused_by_name(values, text):
    state = small(TASK).state(small(TASK).build())
    method = small("srmcl", weights={"pretraining": "srmcl"}, **values)
    with pytest.raises(InputError, match=f"hyper-parameter 'weights': they are of {text}"):
        method.build({"weights": state})
    with pytest.raises(InputError, match="hyper-parameter 'weights': does not fit the network; missing"):
        method.build({"weights": {"x": torch.zeros(1)}})


# the cards


def settings(budget, methods=("srmcl",)):
    ours = {"budget": budget, "methods": list(methods), "table_methods": [], "tables": ["data"]}
    return read_yaml(ROOT / "config/config.yaml") | ours


@pytest.mark.parametrize("budget", ["paper", "quick"])
def test_the_pre_training_has_the_sizes_of_the_cards(budget):
    project = load_project(settings(budget, CARDS), ROOT)
    wanted = ["third", "scaling", *SizeParams.model_fields]
    for run in project.methods:
        card = project.card_on(run, "casme2-5")
        params = create("srmcl", 5, **card.params).params
        assert params.weights.pretraining == "srmcl" and card.leaderboard == (run == "srmcl")
        for name in ("srmcl", "srmcl-mmew"):
            recipe = project.recipes.pretraining[name].under(budget)
            task = TASK.parse(recipe.params, name)
            assert recipe.inputs == card.inputs
            assert [getattr(task, field) for field in wanted] == [getattr(params, field) for field in wanted]


def test_the_pre_training_on_mmew_is_refused_where_its_people_are_tested():
    project = load_project(settings("quick"), ROOT)
    found, named = Pretrainings(project.recipes.pretraining, "quick"), Weights(pretraining="srmcl-mmew")
    for protocol in ("casme2-5", "samm-5", "smic-3", "megc2019"):
        found.check_use("here", named, {protocol: project.people_tested(protocol)}, project.people_in)
    with pytest.raises(InputError, match=r"'srmcl-mmew' sees \d+ subject\(s\) of 'mmew' whom 'mmew-4' tests"):
        found.check_use("here", named, {"mmew-4": project.people_tested("mmew-4")}, project.people_in)


def test_the_cards_leave_out_one_loss_after_the_other():
    project = load_project(settings("paper", CARDS), ROOT)
    found = {}
    for run in CARDS[:3]:
        p = create("srmcl", 5, **project.card_on(run, "casme2-5").params).params
        found[run] = (p.memory, p.rounds, p.reconstruction, p.early_norm)
    assert found == {
        "srmcl": (True, 2, 0.5, True),
        "srmcl-sr": (False, 1, 0.5, False),
        "srmcl-ce": (False, 0, 0.0, True),
    }
    assert sorted(set(project.methods) - set(CARDS)) == [
        "srmcl-learning-rate-0.0001",
        "srmcl-learning-rate-0.001",
        "srmcl-learning-rate-1e-05",
        "srmcl-mask-0.25",
        "srmcl-mask-0.5",
    ]


# whole trainings


def moving(number, seed):
    """Flow that moves in one of three places, 28 px."""
    rng = np.random.default_rng(seed)
    labels = np.arange(number) % 3
    flow = rng.normal(0, 0.15, (number, 3, 28, 28))
    for clip, label in enumerate(labels):
        row, column = ((5, 2), (5, 17), (17, 9))[label]
        flow[clip, :2, row : row + 7, column : column + 7] += rng.normal(0.9, 0.2)
    return {"flow": flow.astype(np.float16)}, labels


QUICK = read_yaml(ROOT / "config/methods/srmcl.yaml")["budgets"]["quick"]["params"]


def error_of(model, held):
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model(all_of(held)).item()


def test_what_moves_where_is_learned_from_a_pre_training():
    (train, labels), (test, wanted) = moving(60, 0), moving(24, 1)
    recipe = read_yaml(ROOT / "config/recipes.yaml")["pretraining"]["srmcl"]["budgets"]["quick"]["params"]
    task = TASK(1, TASK.parse(recipe, "srmcl"))
    held, errors = Clips(task, test), []
    for model in epochs(task, train, None, Fold(0)):
        errors.append(error_of(model, held))
    assert errors[-1] < 0.7 * errors[0]
    method = create("srmcl", 3, **QUICK | {"epochs": 16}, weights={"pretraining": "srmcl"})
    scores = train_fold(method, train, labels, test, 0, weights={"weights": task.state(model)})
    assert (scores[-1].argmax(-1) == wanted).mean() > 0.8


def test_the_network_begins_with_the_whole_autoencoder():
    torch.manual_seed(1)
    state = small(TASK).state(small(TASK).build())
    torch.manual_seed(2)
    model = small("srmcl", weights={"pretraining": "srmcl"}).build({"weights": state})
    assert state.keys() == model.autoencoder.state_dict().keys()
    assert all(torch.equal(x, state[name]) for name, x in model.autoencoder.state_dict().items())
    assert not model.autoencoder.positions.requires_grad
    other = small("srmcl").build()
    other.load_state_dict(model.state_dict())  # prototypes and all


def test_numbers_are_the_seed_s_alone():
    inputs, labels = clips(9), np.arange(9) % 3
    first = train_fold(small("srmcl"), inputs, labels, clips(4), 3)
    torch.rand(3)
    np.testing.assert_array_equal(train_fold(small("srmcl"), inputs, labels, clips(4), 3), first)
    assert (train_fold(small("srmcl"), inputs, labels, clips(4), 4) != first).any()


def test_bfloat16_and_the_compiler_agree_with_plain(monkeypatch):
    compiler = torch.compile
    # the same graphs without the C++ compiler's minute
    monkeypatch.setattr(torch, "compile", lambda model: compiler(model, backend="aot_eager"))
    inputs, labels = clips(9), np.arange(9) % 3
    runs = {
        name: train_fold(small("srmcl", learning_rate=1e-3, **values), inputs, labels, clips(4), 3)
        for name, values in {"plain": {}, "half": {"precision": "bfloat16"}, "compiled": {"compile": True}}.items()
    }
    largest = np.abs(runs["plain"]).max()
    np.testing.assert_allclose(runs["compiled"], runs["plain"], atol=1e-3 * largest)
    np.testing.assert_allclose(runs["half"], runs["plain"], atol=5e-2 * largest)


# what figures show


def test_reconstructions_are_shown_with_what_was_removed():
    method, model, held = built()
    batch = held.batch(np.arange(4))
    drawn = [method.reconstructions(model, batch, torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    pictures, removed, made = drawn[0]
    assert pictures.shape == (4, 3, 24, 24) and removed.shape == (4, 2, 24, 24) and made.shape == (4, 2, 3, 24, 24)
    assert (pictures >= -1e-6).all() and (pictures <= 1 + 1e-6).all()
    assert (removed.flatten(2).sum(2) == 7 * 64).all()
    cells = removed.unflatten(3, (3, 8)).unflatten(2, (3, 8)).float().mean((3, 5))
    assert set(cells.unique().tolist()) == {0.0, 1.0} and not torch.equal(removed[:, 0], removed[:, 1])
    assert all(torch.equal(*pair) for pair in zip(drawn[0], drawn[1], strict=True))
    assert not torch.equal(removed, drawn[2][1])
    coder, generator = model.autoencoder, torch.Generator().manual_seed(1)
    with torch.no_grad():
        tokens, _ = coder.mask(coder.encode(batch["picture"]), generator)
        first = method.shown(coder.picture(coder.decode(tokens)))
    torch.testing.assert_close(made[:, 0], first)
    with pytest.raises(ValueError, match="rounds: 0 reconstructs nothing; give it one round"):
        small("srmcl", rounds=0).reconstructions(model, batch)


def test_prototypes_and_features_can_be_read_after_each_epoch():
    method = small("srmcl")
    held, seen = Clips(method, clips(9)), []
    for model in epochs(method, clips(9), np.arange(9) % 3, Fold(0)):
        with torch.no_grad():
            features = model.eval()(**held.batch(np.arange(9))).features
        torch.testing.assert_close(features.norm(dim=1), torch.ones(9))
        seen.append(model.memory.prototypes)
    assert [x.shape for x in seen] == [(3, 16)] * 2 and not torch.equal(*seen)


# pre-training by fold


FOLDS = ["a:1", "a:2", "a:3"]
SMALL = dict(TASK.test_params)


@pytest.fixture
def study(tmp_path):
    """A protocol of three subjects and its flow of 24 px."""
    rows = [("a", 1 + n // 4, f"c{n}", 1, "x", n % 3, "x", f"a:{1 + n // 4}") for n in range(12)]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(tmp_path / "p.csv", index=False)
    ids = read_protocol(tmp_path / "p.csv")["id"].tolist()
    write_pack(tmp_path / "flow", ids, clips(12)["flow"], {"axes": FLOW})
    return tmp_path


def trained(study, folds, output):
    job = PretrainingJob("srmcl", "srmcl-reconstruction", SMALL, "fold", 0, "quick", "c", "p", ("x", "y", "z"))
    paths = {"packs": {"flow": [str(study / "flow")]}, "protocol": str(study / "p.csv"), "people_of": {"a": "r"}}
    pretrain(job=vars(job), output=str(study / f"{output}.weights"), folds=folds, **paths)
    params = {**module.Srmcl.test_params, "weights": {"pretraining": "srmcl"}}
    job = Job(0, "p", ("x", "y", "z"), "run", "srmcl", params, 0, "quick", "synthetic", "c")
    files = {"weights": {"weights": str(study / f"{output}.weights")}, "people_of": {"a": "r"}}
    run_folds(job, str(study / "p.csv"), paths["packs"], folds, str(study / output), **files)
    return pd.read_parquet(study / output)


def test_a_fold_alone_equals_the_fold_in_a_batch_pre_training_and_all(study):
    whole, alone = trained(study, FOLDS, "whole"), trained(study, ["a:2"], "alone")
    pd.testing.assert_frame_equal(alone, whole[whole["fold"] == "a:2"].reset_index(drop=True))
    assert len(alone) and np.isfinite(alone[["p0", "p1", "p2"]]).all(axis=None)
    states = [read_states(study / "whole.weights", fold) for fold in FOLDS]
    assert all((a["mask_token"] != b["mask_token"]).any() for a, b in pairwise(states))
    assert [read_seen(study / "whole.weights", fold) for fold in FOLDS[:2]] == [{"r:2", "r:3"}, {"r:1", "r:3"}]


def test_the_test_side_of_a_fold_changes_nothing_in_its_training(study):
    before = trained(study, ["a:2"], "before")
    first = read_states(study / "before.weights", "a:2")
    ids = read_protocol(study / "p.csv")["id"].tolist()
    flow = clips(12)["flow"]
    flow[4] *= 3
    flow[4, :, :8] = 0
    write_pack(study / "flow", ids, flow, {"axes": FLOW})
    after = trained(study, ["a:2"], "after")
    assert all(torch.equal(x, first[name]) for name, x in read_states(study / "after.weights", "a:2").items())
    changed = (before[["p0", "p1", "p2"]] != after[["p0", "p1", "p2"]]).any(axis=1)
    assert set(before.loc[changed, "clip"]) == {"c4"}
