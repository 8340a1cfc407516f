"""Mixing of training clips: what holds for every function, then each against its paper and its released code."""

import re
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torch.nn.functional import cross_entropy

from apexbench.config.methods import MethodCard
from apexbench.errors import InputError
from apexbench.methods import check_card, create, mixing
from apexbench.methods.mixing import FAMILY, Batch, Hidden, Mixed, check_mixing
from apexbench.methods.mixing.family import attention_share, patch_counts
from apexbench.methods.mixing.mixable import mixed_loss
from apexbench.training.run import train_fold

ROOT = Path(__file__).parent.parent
COMPARED = [
    "mixup",
    "cutmix",
    "manifold-mixup",
    "transmix",
    "remix",
    "balanced-mixup",
    "mixaugment",
    "mix-half",
    "memix",
]
GRID = 7
SIZES = (1, 2, 5, 8)
# batches that other draws of the same function give: with and without a cut, inside and outside of the model
SEEDS = range(6)


def _batch(size=8, seed=0, presence=False, grid=GRID, depth=2, sides=(28, 14), classes=3):
    """Clips of a fold of 20: flow, which shows the motion, and a face of another size."""
    rng = np.random.default_rng(seed)
    count = 20
    x = {
        "flow": torch.tensor(rng.normal(size=(count, 2, sides[0], sides[0])), dtype=torch.float32),
        "face": torch.tensor(rng.normal(size=(count, 3, sides[1], sides[1])), dtype=torch.float32),
    }
    labels = np.eye(classes, dtype=int)[rng.integers(classes, size=count)]
    if presence:
        labels = (rng.random((count, classes)) < 0.5).astype(int)
        labels[1] = 0  # a clip without any
    soft = torch.tensor(labels, dtype=torch.float32)

    def more(rows):
        rows = torch.as_tensor(rows)
        return {name: one[rows] for name, one in x.items()}, soft[rows]

    def energy(inputs):
        return inputs["flow"][:, 0].abs() + inputs["flow"][:, 1].abs()

    inputs, wanted = more(np.arange(size))
    return Batch(inputs, wanted, labels.sum(0), labels, more, ("flow",), energy, grid, depth)


def _mix(name, batch, seed=0, **options):
    return FAMILY[name](batch, np.random.default_rng(seed), **options)


def _attention(size, cells=GRID**2, seed=5):
    """As a model's: rows sum to a little less than 1."""
    a = torch.rand((size, cells), generator=torch.Generator().manual_seed(seed)) + 0.01
    return a / a.sum(1, keepdim=True) * 0.99


def _labels(mixed, size):
    """All that the function may say of the labels: by themselves, and by an attention."""
    yield mixed.labels
    if mixed.relabel is not None:
        for attention in (_attention(size), torch.zeros(size, GRID**2), torch.eye(GRID**2)[:1].expand(size, -1)):
            yield mixed.relabel(attention)


def _tensors(mixed, size):
    return [*mixed.inputs.values(), *_labels(mixed, size)]


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """As in a training job: threads cost more than they give where clips are small and cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# what holds for all


@pytest.mark.parametrize("presence", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FAMILY)
def test_shapes_and_labels(name, size, presence):
    batch = _batch(size, presence=presence)
    before = {key: x.clone() for key, x in batch.inputs.items()}, batch.labels.clone(), batch.all_labels.copy()
    sums = torch.from_numpy(batch.all_labels.sum(1)).float()
    for seed in SEEDS:
        mixed = _mix(name, batch, seed)
        rows = sum(count for count, _ in mixed.parts) if mixed.parts else size
        assert rows in (size, 2 * size) and list(mixed.inputs) == list(batch.inputs)
        for key, x in mixed.inputs.items():
            assert x.shape == (rows, *batch.inputs[key].shape[1:]) and x.dtype == torch.float32 and x.isfinite().all()
        for labels in _labels(mixed, size):
            assert labels.shape == (rows, 3) and labels.dtype == torch.float32
            assert labels.min() >= 0 and labels.max() <= 1 + 1e-6
            if presence:  # between the sums of those that are blended
                assert sums.min() - 1e-5 <= labels.sum(1).min() and labels.sum(1).max() <= sums.max() + 1e-5
            else:
                torch.testing.assert_close(labels.sum(1), torch.ones(rows))
        if mixed.hidden is not None:
            assert 0 <= mixed.hidden.part < batch.depth and 0 <= mixed.hidden.weight <= 1
            assert sorted(mixed.hidden.partner) == list(range(size))
    for key, x in batch.inputs.items():
        torch.testing.assert_close(x, before[0][key], rtol=0, atol=0)
    torch.testing.assert_close(batch.labels, before[1], rtol=0, atol=0)
    np.testing.assert_array_equal(batch.all_labels, before[2])


@pytest.mark.parametrize("name", FAMILY)
def test_the_generator_alone_decides(name):
    batch = _batch(8)
    for seed in SEEDS:
        first = _mix(name, batch, seed)
        np.random.random(3)
        torch.rand(3)
        states = np.random.get_state()[1].copy(), torch.get_rng_state()
        again = _mix(name, batch, seed)
        assert (np.random.get_state()[1] == states[0]).all() and torch.equal(torch.get_rng_state(), states[1])
        assert all(torch.equal(a, b) for a, b in zip(_tensors(first, 8), _tensors(again, 8), strict=True))
        assert str(first.hidden) == str(again.hidden) and first.parts == again.parts


@pytest.mark.parametrize("name", FAMILY)
def test_other_draws_other_batches(name):
    batch = _batch(8)
    inputs = [_mix(name, batch, seed).inputs["flow"] for seed in range(12)]
    assert len({x.numpy().tobytes() for x in inputs}) > 3


@pytest.mark.parametrize("name", FAMILY)
def test_without_clips(name):
    mixed = _mix(name, _batch(0))
    assert len(mixed.labels) == 0 and all(len(x) == 0 for x in mixed.inputs.values())


@pytest.mark.parametrize("name", FAMILY)
def test_under_autocast_all_stays_float32(name):
    with torch.autocast("cpu", torch.bfloat16):
        for seed in SEEDS:
            assert {x.dtype for x in _tensors(_mix(name, _batch(4), seed), 4)} == {torch.float32}


@pytest.mark.parametrize("name", FAMILY)
def test_a_video_and_a_picture_that_is_not_square(name):
    batch = _batch(3)
    x = {"flow": torch.rand(3, 4, 2, 28, 42), "face": torch.rand(3, 3, 20, 15)}
    batch = replace(batch, inputs=x, more=lambda rows: ({k: v[rows] for k, v in x.items()}, batch.labels[rows]),
                    all_labels=batch.all_labels[:3], energy=lambda x: x["flow"].sum((1, 2)))  # fmt: skip
    for seed in SEEDS:
        mixed = _mix(name, batch, seed)
        assert all(mixed.inputs[key].shape[1:] == x[key].shape[1:] for key in x)


FLOW = np.random.default_rng(0).normal(size=(14, 3, 28, 28)).astype(np.float16)
CLASSES = np.arange(9) % 3
SEVERAL = np.random.default_rng(1).integers(0, 2, (9, 3))


def _scores(labels=CLASSES, **params):
    method = create("ststnet", 3, **{"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, **params})
    return train_fold(method, {"flow": FLOW[:9], "id": np.arange(9)}, labels, {"flow": FLOW[9:], "id": np.arange(5)}, 1)


@pytest.fixture(scope="module")
def plain():
    """The scores without mixing."""
    return _scores()


@pytest.mark.parametrize("name", FAMILY)
def test_ststnet_trains_with_it(name, plain):
    scores = _scores(mixing=name)
    np.random.random(3)
    torch.rand(3)
    assert scores.shape == (2, 5, 3) and np.isfinite(scores).all() and (scores != plain).any()
    np.testing.assert_array_equal(_scores(mixing=name), scores)
    assert np.isfinite(_scores(SEVERAL, mixing=name, epochs=1)).all()


# mixup, half and half


def test_mixup():
    batch, rng = _batch(5), np.random.default_rng(3)
    weight, partner = rng.beta(0.4, 0.4), rng.permutation(5)
    mixed = _mix("mixup", batch, 3, alpha=0.4)
    for key, x in batch.inputs.items():
        torch.testing.assert_close(mixed.inputs[key], weight * x + (1 - weight) * x[partner])
    torch.testing.assert_close(mixed.labels, weight * batch.labels + (1 - weight) * batch.labels[partner])


def test_mix_half():
    batch, partner = _batch(5), np.random.default_rng(3).permutation(5)
    mixed = _mix("mix-half", batch, 3)
    for key, x in batch.inputs.items():
        torch.testing.assert_close(mixed.inputs[key], (x + x[partner]) / 2)
    torch.testing.assert_close(mixed.labels, (batch.labels + batch.labels[partner]) / 2)


# memix


def test_golden_patch_counts():
    draws = np.random.RandomState(2).beta(2, 2, 3)
    np.testing.assert_allclose(draws, [0.426134, 0.244076, 0.461408], atol=1e-6)
    assert patch_counts(draws).tolist() == [97, 61, 104]


def test_golden_distribution_of_patch_counts():
    k = patch_counts(np.random.default_rng(0).beta(2, 2, 400_000))
    assert k.mean() == pytest.approx(111.4, abs=0.2) and k.std() == pytest.approx(43.6, abs=0.2)
    np.testing.assert_allclose(np.percentile(k, [5, 50, 95]), [40, 111, 183], atol=1)
    assert (k == 196).mean() == pytest.approx(0.015, abs=0.001) and k.min() >= 14 and k.max() == 196


def test_golden_label_share():
    attention = torch.arange(1, 197, dtype=torch.float32)[None]
    kept = torch.ones(1, 196)
    kept[:, : 7 * 14] = 0
    share = attention_share(attention / attention.sum() * 0.99, kept, 0.3)
    assert share.item() == pytest.approx(0.8241, abs=5e-5)


def test_label_share_where_nothing_is_looked_at():
    assert attention_share(torch.zeros(1, 4), torch.tensor([[1.0, 1, 1, 0]]), 0.0).item() == pytest.approx(0.75)


def _changed(mixed, batch):
    """Which patches of the flow of each clip differ, (B, cells) bool."""
    size, side = len(batch), batch.inputs["flow"].shape[-1] // batch.grid
    differs = (mixed.inputs["flow"] != batch.inputs["flow"]).any(1)
    cells = differs.reshape(size, batch.grid, side, batch.grid, side)
    assert torch.equal(cells.any(4).any(2), cells.all(4).all(2))  # whole patches
    return cells.any(4).any(2).flatten(1)


def _others(size, seed, draws):
    """The weight and partners that MEMix draws, and who has a partner but itself."""
    rng = np.random.default_rng(seed)
    weight = rng.beta(1, 1)
    draws(rng)
    partner = rng.permutation(size)
    return weight, partner, partner != np.arange(size)


def test_memix_of_all_patches_is_mixup_of_the_motion():
    batch = _batch(8)
    weight, partner, _ = _others(8, 1, lambda rng: None)
    mixed = _mix("memix", batch, 1, patches=196)
    flow = batch.inputs["flow"]
    torch.testing.assert_close(mixed.inputs["flow"], weight * flow + (1 - weight) * flow[partner])
    expected = weight * batch.labels + (1 - weight) * batch.labels[partner]
    for labels in (mixed.labels, mixed.relabel(_attention(8)), mixed.relabel(torch.eye(49)[:8])):
        torch.testing.assert_close(labels, expected)


def test_memix_of_no_patches_leaves_all():
    batch = _batch(8)
    mixed = _mix("memix", batch, 1, patches=0)
    assert torch.equal(mixed.inputs["flow"], batch.inputs["flow"])
    for labels in _labels(mixed, 8):
        torch.testing.assert_close(labels, batch.labels)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_memix_changes_the_patches_that_move_most(pooling):
    batch = _batch(8, grid=14)
    drawn = []
    _, _, with_another = _others(8, 2, lambda rng: drawn.append(patch_counts(rng.beta(2, 2, 8))))
    mixed = _mix("memix", batch, 2, pooling=pooling)
    assert torch.equal(mixed.inputs["face"], batch.inputs["face"])
    patches = batch.energy(batch.inputs).reshape(8, 14, 2, 14, 2).permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2)
    energy = patches.mean(2) if pooling == "mean" else patches.amax(2)
    for clip in np.flatnonzero(with_another):
        most = energy[clip].argsort(descending=True)[: drawn[0][clip]]
        assert set(most.tolist()) == set(_changed(mixed, batch)[clip].nonzero().flatten().tolist())
    assert with_another.sum() > 4 and not _changed(mixed, batch)[~with_another].any()


def test_the_two_poolings_differ():
    batch = _batch(8)
    one, other = (_mix("memix", batch, 2, pooling=pooling).inputs["flow"] for pooling in ("mean", "max"))
    assert not torch.equal(one, other)


def test_memix_takes_the_anchor_s_own_motion():
    """Whatever the partners are, the same patches change; what the partner's motion is, plays no part."""
    batch = _batch(8)
    _, partner, with_another = _others(8, 2, lambda rng: rng.beta(2, 2, 8))
    first = _changed(_mix("memix", batch, 2), batch)
    clip = np.flatnonzero(with_another)[0]
    flow = batch.inputs["flow"].clone()
    flow[partner[clip]] = flow[partner[clip]].flip(-1) * 7
    other = replace(batch, inputs=batch.inputs | {"flow": flow})
    assert torch.equal(_changed(_mix("memix", other, 2), other)[clip], first[clip])


@pytest.mark.parametrize(("grid", "patches", "changed"), [(14, 40, 40), (7, 40, 10), (7, 1, 1), (2, 1, 1), (2, 118, 2)])
def test_memix_counts_scale_with_the_grid(grid, patches, changed):
    batch = _batch(8, grid=grid)
    _, _, with_another = _others(8, 2, lambda rng: None)
    counts = _changed(_mix("memix", batch, 2, patches=patches), batch).sum(1).numpy()
    assert counts.tolist() == np.where(with_another, changed, 0).tolist()


def test_memix_floor_scales_with_the_grid():
    """Where hardly any share is drawn, the floor is left: 14 of 196, and so a fourteenth of any grid."""
    for grid, least in [(14, 14), (7, 4), (2, 0)]:
        batch = _batch(8, grid=grid)
        _, _, with_another = _others(8, 2, lambda rng: rng.beta(1e-4, 1e-4, 8))
        counts = _changed(_mix("memix", batch, 2, alpha_k=1e-4), batch).sum(1).numpy()[with_another]
        assert set(counts.tolist()) == {least, grid**2}


def test_memix_ties_go_row_by_row():
    batch = _batch(8)
    batch = replace(batch, energy=lambda inputs: torch.ones(len(inputs["flow"]), 28, 28))
    _, _, with_another = _others(8, 2, lambda rng: None)
    changed = _changed(_mix("memix", batch, 2, patches=40), batch)[with_another]
    assert changed[:, :10].all() and not changed[:, 10:].any()


def test_memix_of_random_patches():
    batch = _batch(8)
    motion = _changed(_mix("memix", batch, 2, patches=40), batch)
    drawn = _changed(_mix("memix", batch, 2, patches=40, where="random"), batch)
    rows = drawn.any(1)
    assert (drawn[rows].sum(1) == 10).all() and rows.sum() > 4
    assert not torch.equal(motion[rows], drawn[rows]) and not (drawn[rows] == drawn[rows][0]).all()


def test_memix_labels_by_attention():
    batch = _batch(8)
    mixed = _mix("memix", batch, 2, patches=40)
    weight, partner, with_another = _others(8, 2, lambda rng: None)
    blended, attention = _changed(mixed, batch).float(), _attention(8)
    theirs = (attention * blended).sum(1)
    ours = (attention * (1 - blended)).sum(1) + weight * theirs
    share = (ours / (ours + (1 - weight) * theirs))[:, None]
    expected = share * batch.labels + (1 - share) * batch.labels[partner]
    torch.testing.assert_close(mixed.relabel(attention)[with_another], expected[with_another])


def test_memix_mixes_motion_of_several_sizes():
    batch = replace(_batch(8), motion=("flow", "face"))
    mixed = _mix("memix", batch, 2)
    changed = _changed(mixed, batch).reshape(8, 7, 1, 7, 1).expand(8, 7, 2, 7, 2).reshape(8, 14, 14)
    assert torch.equal((mixed.inputs["face"] != batch.inputs["face"]).any(1), changed)


# cutmix


def _pasted(mixed, batch, key="flow"):
    """Where an input of each clip differs, (B, H, W)."""
    return (mixed.inputs[key] != batch.inputs[key]).any(1)


def test_cutmix_label_weight_is_the_area_that_is_left():
    batch = _batch(8)
    areas = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rng.random(), rng.beta(1, 1)
        partner = rng.permutation(8)
        mixed = _mix("cutmix", batch, seed)
        pasted = _pasted(mixed, batch)
        for clip in np.flatnonzero(partner != np.arange(8)):
            area = pasted[clip].sum().item() / 28**2
            expected = (1 - area) * batch.labels[clip] + area * batch.labels[partner[clip]]
            torch.testing.assert_close(mixed.labels[clip], expected)
            down, across = pasted[clip].any(1), pasted[clip].any(0)
            assert torch.equal(pasted[clip], down[:, None] & across)  # one box
            where = (slice(None), pasted[clip])
            flow = batch.inputs["flow"]
            assert torch.equal(mixed.inputs["flow"][clip][where], flow[partner[clip]][where])
            areas.add(area)
    assert len(areas) > 10


def test_cutmix_has_the_same_box_in_all_inputs():
    batch = _batch(8, sides=(28, 28))
    mixed = _mix("cutmix", batch, 1)
    assert torch.equal(_pasted(mixed, batch), _pasted(mixed, batch, "face")) and _pasted(mixed, batch).any()
    small = _batch(8, sides=(14, 28))
    mixed = _mix("cutmix", small, 1)
    box = _pasted(mixed, small).repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(box, _pasted(mixed, small, "face")) and box.any()


def test_cutmix_box():
    """Halves are whole px, so that sides are even where no edge clips them; centres are anywhere."""
    batch = _batch(2, sides=(28, 28))
    kept, even, centres = [], [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        rng.random()
        weight = rng.beta(1, 1)
        if (rng.permutation(2) == [0, 1]).all():
            continue
        pasted = _pasted(_mix("cutmix", batch, seed), batch)[0]
        down = pasted.any(1).nonzero().flatten()
        side = 2 * (int(28 * np.sqrt(1 - weight)) // 2)
        assert len(down) <= side
        if len(down) and down[0] > 0 and down[-1] < 27:
            even.append(len(down) == side)
            centres.append(down[0].item() + side // 2)
        kept.append(1 - pasted.float().mean().item())
    assert even and all(even) and 0.55 < np.mean(kept) < 0.85
    assert min(centres) < 5 and max(centres) > 19


def test_cutmix_now_and_then():
    batch = _batch(8)
    plain = [_mix("cutmix", batch, seed, probability=0.5).inputs is batch.inputs for seed in range(200)]
    assert 70 < sum(plain) < 130
    assert _mix("cutmix", batch, probability=0).labels is batch.labels


# transmix


def _transmix(batch, seed, **options):
    """A batch that is cut, or one that is not; smoothing off."""
    return _mix("transmix", batch, seed, **{"smoothing": 0, "probability": 1, **options})


def test_transmix_pairs_from_both_ends():
    batch = _batch(5)
    flow = batch.inputs["flow"]
    mixed = _transmix(batch, 0, probability=0)
    rng = np.random.default_rng(0)
    rng.random()
    weight = rng.beta(0.8, 0.8)
    torch.testing.assert_close(mixed.inputs["flow"], weight * flow + (1 - weight) * flow.flip(0))
    torch.testing.assert_close(mixed.labels, weight * batch.labels + (1 - weight) * batch.labels.flip(0))
    assert mixed.relabel is None
    assert torch.equal(mixed.inputs["flow"][2], flow[2]) and torch.equal(mixed.labels[2], batch.labels[2])
    cut = _transmix(batch, 0)
    assert torch.equal(cut.inputs["flow"][2], flow[2])
    torch.testing.assert_close(cut.relabel(_attention(5))[2], batch.labels[2])


def test_transmix_cuts_four_batches_of_five():
    batch = _batch(2)
    assert 130 < sum(_mix("transmix", batch, seed).relabel is not None for seed in range(200)) < 185


def test_transmix_labels_by_attention():
    """By hand: the cut patches are those whose first pixel is pasted."""
    batch = _batch(2)
    for seed in range(12):
        mixed = _transmix(batch, seed)
        pasted = _pasted(mixed, batch)[0]
        area = pasted.float().mean().item()
        cut = pasted[::4, ::4].flatten()
        attention = _attention(2)
        share = (attention * cut).sum(1) / attention.sum(1)
        for with_area in (True, False):
            theirs = ((share + area) / 2 if with_area else share)[:, None]
            expected = (1 - theirs) * batch.labels + theirs * batch.labels.flip(0)
            torch.testing.assert_close(_transmix(batch, seed, with_area=with_area).relabel(attention), expected)
        torch.testing.assert_close(mixed.labels, (1 - area) * batch.labels + area * batch.labels.flip(0))


def test_transmix_of_an_even_look_goes_by_the_area():
    batch = _batch(2, grid=14)
    met = 0
    for seed in range(60):
        mixed = _transmix(batch, seed)
        pasted = _pasted(mixed, batch)[0]
        if torch.equal(pasted, pasted[::2, ::2].repeat_interleave(2, 0).repeat_interleave(2, 1)):  # whole patches
            met += 1
            torch.testing.assert_close(mixed.relabel(torch.full((2, 196), 0.005)), mixed.labels)
    assert met > 3


def test_transmix_smooths_labels():
    batch = _batch(5)
    for probability in (0, 1):
        plain, smooth = (_transmix(batch, 0, probability=probability, smoothing=s) for s in (0, 0.1))
        torch.testing.assert_close(smooth.labels, 0.9 * plain.labels + 0.1 / 3)
    several = _batch(8, presence=True)
    mixed = _transmix(several, 0, smoothing=0.1)
    torch.testing.assert_close(mixed.labels.sum(1), _transmix(several, 0).labels.sum(1))


# remix


@pytest.mark.parametrize(
    ("own", "other", "weight", "expected"),
    [
        (90, 30, 0.3, 0.0),  # common anchor, rare partner, which is the greater part
        (90, 30, 0.7, 0.7),  # the common one is the greater part
        (90, 31, 0.3, 0.3),  # not uneven enough
        (30, 90, 0.7, 1.0),
        (30, 90, 0.3, 0.3),
        (31, 90, 0.7, 0.7),
        (25, 99, 0.51, 1.0),
        (99, 25, 0.49, 0.0),
        (99, 25, 0.5, 0.5),
        (25, 99, 0.5, 0.5),
        (40, 40, 0.3, 0.3),
    ],
)
def test_remix(own, other, weight, expected):
    batch = replace(_batch(2), labels=torch.eye(3)[:2], counts=np.array([own, other, 500]))
    rng = SimpleNamespace(beta=lambda a, b: weight, permutation=lambda n: np.array([1, 1]))
    mixed = FAMILY["remix"](batch, rng)
    np.testing.assert_allclose(mixed.labels[0], [expected, 1 - expected, 0], atol=1e-6)
    flow = batch.inputs["flow"]
    torch.testing.assert_close(mixed.inputs["flow"][0], weight * flow[0] + (1 - weight) * flow[1])


def test_remix_options():
    batch = replace(_batch(2), labels=torch.eye(3)[:2], counts=np.array([60, 30, 500]))
    rng = SimpleNamespace(beta=lambda a, b: 0.6, permutation=lambda n: np.array([1, 1]))
    assert FAMILY["remix"](batch, rng, kappa=2.0).labels[0, 0].item() == pytest.approx(0.6)
    assert FAMILY["remix"](batch, rng, kappa=2.0, tau=0.7).labels[0, 0].item() == 0


@pytest.mark.parametrize(
    ("present", "expected"), [((1, 1, 0), 0.0), ((1, 0, 0), 0.0), ((0, 1, 1), 0.3), ((0,) * 3, 0.3)]
)
def test_remix_of_several_classes_takes_the_rarest(present, expected):
    """Counts 90, 60, 20; the partner has 20. A clip without any class has no rarest."""
    labels = torch.tensor([present, (0, 0, 1)], dtype=torch.float32)
    batch = replace(_batch(2, presence=True), labels=labels, counts=np.array([90, 60, 20]))
    rng = SimpleNamespace(beta=lambda a, b: 0.3, permutation=lambda n: np.array([1, 1]))
    mixed = FAMILY["remix"](batch, rng)
    torch.testing.assert_close(mixed.labels[0], expected * labels[0] + (1 - expected) * labels[1])


# balanced


def _drawn(all_labels, size=30_000):
    """The rows that balanced mixup asks for, and what it makes of clips 0 .. N."""
    all_labels = np.asarray(all_labels)
    rows = []

    def more(wanted):
        rows.append(wanted)
        return {"x": torch.full((len(wanted), 1), 10.0)}, torch.from_numpy(all_labels).float()[wanted]

    batch = Batch({"x": torch.zeros(size, 1)}, torch.zeros(size, all_labels.shape[1]), all_labels.sum(0), all_labels,
                  more, ("x",), None, 1)  # fmt: skip
    return rows, _mix("balanced-mixup", batch)


def test_balanced_classes_are_equally_likely():
    labels = np.repeat([0, 1, 3], [60, 30, 6])  # class 2 is absent
    rows, mixed = _drawn(np.eye(4, dtype=int)[labels])
    (rows,) = rows
    np.testing.assert_allclose(np.bincount(labels[rows], minlength=4) / len(rows), [1 / 3, 1 / 3, 0, 1 / 3], atol=0.02)
    assert len(set(rows)) == 96 and len(rows) == 30_000
    weight = np.random.default_rng(0).beta(0.1, 1)
    torch.testing.assert_close(mixed.inputs["x"], torch.full((30_000, 1), 10 * weight))
    torch.testing.assert_close(mixed.labels.sum(1), torch.full((30_000,), weight))


def test_balanced_weight():
    """Mostly the batch, seldom the balanced clips: the mean of Beta(0.1, 1) is 1/11."""
    labels = np.eye(3, dtype=int)[:2]
    batch = Batch({"x": torch.zeros(1, 1)}, torch.zeros(1, 3), labels.sum(0), labels,
                  lambda rows: ({"x": torch.ones(1, 1)}, torch.zeros(1, 3)), ("x",), None, 1)  # fmt: skip
    rng = np.random.default_rng(0)
    weights = [FAMILY["balanced-mixup"](batch, rng).inputs["x"].item() for _ in range(3000)]
    assert np.mean(weights) == pytest.approx(1 / 11, abs=0.015)


def test_balanced_with_several_classes():
    labels = np.array([(1, 0, 0)] * 8 + [(1, 1, 0)] * 2 + [(0, 0, 0)] * 5)
    (rows,), _ = _drawn(labels)
    assert rows.max() < 10  # clips without a class are never drawn
    assert (rows < 8).mean() == pytest.approx(0.5 * 0.8, abs=0.02)
    (rows,), _ = _drawn(np.zeros((4, 3), int))
    assert len(set(rows)) == 4


# more than one part; inside of the model


class Tiny(nn.Module):
    """Two linear parts."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.second, self.head = nn.Linear(6, 5), nn.Linear(5, 4), nn.Linear(4, 3)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def forward(self, x):
        return self.head(self.second(self.first(x).tanh()).tanh())


def _tiny(size=6):
    labels = torch.eye(3)[torch.arange(size) % 3]
    x = torch.randn((size, 6), generator=torch.Generator().manual_seed(1))
    return Batch({"x": x}, labels, labels.sum(0).numpy(), labels.numpy(), None, ("x",), None, 1, 2)


def _loss(model, mixed):
    return mixed_loss(model, mixed, cross_entropy, [model.first, model.second])


@pytest.mark.parametrize(("virtual", "real"), [(1.0, 1.0), (0.5, 2.0), (0.0, 1.0)])
def test_mixaugment_adds_virtual_and_real_clips(virtual, real):
    batch, model, rng = _tiny(), Tiny(), np.random.default_rng(4)
    weight, partner = rng.beta(0.2, 0.2), rng.permutation(6)
    mixed = _mix("mixaugment", batch, 4, virtual=virtual, real=real)
    x, y = batch.inputs["x"], batch.labels
    assert torch.equal(mixed.inputs["x"][6:], x) and torch.equal(mixed.labels[6:], y)
    blended = weight * x + (1 - weight) * x[partner], weight * y + (1 - weight) * y[partner]
    torch.testing.assert_close(mixed.inputs["x"][:6], blended[0])
    expected = virtual * cross_entropy(model(blended[0]), blended[1]) + real * cross_entropy(model(x), y)
    expected += real * cross_entropy(model(x[partner]), y[partner])
    torch.testing.assert_close(_loss(model, mixed), expected)


def test_manifold_mixup_inside_of_the_model():
    batch, model = _tiny(), Tiny()
    places = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        weight, place, partner = rng.beta(2, 2), int(rng.integers(3)), rng.permutation(6)
        mixed = _mix("manifold-mixup", batch, seed)
        assert (mixed.hidden is None) == (place == 0)
        states = batch.inputs["x"]
        for part in range(3):
            if part == place:
                states = weight * states + (1 - weight) * states[partner]
            states = (model.first, model.second, model.head)[part](states)
            if part + 1 < 3:  # the hook is on the linear part, before tanh
                if part + 1 == place:
                    states = weight * states + (1 - weight) * states[partner]
                    place = -1
                states = states.tanh()
        labels = weight * batch.labels + (1 - weight) * batch.labels[partner]
        torch.testing.assert_close(mixed.labels, labels)
        torch.testing.assert_close(_loss(model, mixed), cross_entropy(states, labels))
        assert not model.first._forward_hooks and not model.second._forward_hooks
        places.add(None if mixed.hidden is None else mixed.hidden.part)
    assert places == {None, 0, 1}


def test_manifold_mixup_takes_all_places_alike():
    batch = _tiny()
    parts = [mixed.hidden and mixed.hidden.part for mixed in (_mix("manifold-mixup", batch, s) for s in range(600))]
    assert all(150 < parts.count(part) < 250 for part in (None, 0, 1))
    shallow = replace(batch, depth=0)
    assert all(_mix("manifold-mixup", shallow, seed).hidden is None for seed in range(20))


def test_the_hook_goes_even_if_the_model_fails():
    batch, model = _tiny(), Tiny()
    mixed = Mixed({"x": torch.zeros(6, 9)}, batch.labels, hidden=Hidden(1, np.arange(6), 0.5))
    with pytest.raises(RuntimeError):
        _loss(model, mixed)
    assert not model.second._forward_hooks


# names and options


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cutmx", {}, "unknown mixing 'cutmx'; did you mean 'cutmix'? Known: "),
        ("mix_half", {}, "unknown mixing 'mix_half'; did you mean 'mix-half'?"),
        ("cutmix", {"alfa": 1.0}, "mixing 'cutmix' has no option 'alfa'; did you mean 'alpha'? Known: alpha, prob"),
        ("none", {"alpha": 1.0}, "mixing 'none' has no option 'alpha'"),
        ("mixup", {"rng": 1}, "mixing 'mixup' has no option 'rng'"),
        ("mixup", {"alpha": "1"}, "mixing 'mixup', option 'alpha': Input should be a valid number; found '1'"),
        ("mixup", {"alpha": True}, "mixing 'mixup', option 'alpha': Input should be a valid number; found True"),
        ("mixup", {"alpha": 0}, "mixing 'mixup', option 'alpha': Input should be greater than 0; found 0"),
        ("mixup", {"alpha": float("nan")}, "mixing 'mixup', option 'alpha': Input should be "),
        ("cutmix", {"probability": 1.5}, "mixing 'cutmix', option 'probability': Input should be less than or equal"),
        ("memix", {"patches": 40.0}, "mixing 'memix', option 'patches': Input should be a valid integer; found 40.0"),
        ("memix", {"patches": 197}, "mixing 'memix', option 'patches': Input should be less than or equal to 196"),
        ("memix", {"pooling": "min"}, "mixing 'memix', option 'pooling': Input should be 'mean' or 'max'; found 'min'"),
        ("transmix", {"with_area": 1}, "mixing 'transmix', option 'with_area': Input should be a valid boolean"),
    ],
)
def test_bad_options(name, options, message):
    with pytest.raises(ValueError) as caught:
        check_mixing(name, options)
    assert str(caught.value).startswith(message)


def test_good_options():
    check_mixing("none", {})
    check_mixing("mixup", {"alpha": 1})  # a whole number is a number
    check_mixing("memix", {"pooling": "max", "where": "random", "patches": 0, "alpha_k": 2.5})


def test_an_error_names_the_card():
    card = MethodCard(method="ststnet", title="x", inputs={"flow": "tvl1-28"}, params={"mixing": "cutmx"})
    with pytest.raises(
        InputError, match=r"^config/methods/mine\.yaml: unknown mixing 'cutmx'; did you mean 'cutmix'\?"
    ):
        check_card("mine", card, "paper")
    with pytest.raises(InputError, match=r"^method 'ststnet': unknown mixing 'cutmx'; did you mean 'cutmix'\? Known: "):
        create("ststnet", 3, mixing="cutmx")
    with pytest.raises(InputError, match=r"^method 'ststnet': mixing 'cutmix' has no option 'alfa'"):
        create("ststnet", 3, mixing="cutmix", mixing_options={"alfa": 1})


@pytest.mark.parametrize("name", FAMILY)
def test_every_default_may_stand_on_a_card(name):
    options = {key: option.default for key, option in mixing.inspect.signature(FAMILY[name]).parameters.items()
               if option.kind is option.KEYWORD_ONLY}  # fmt: skip
    check_mixing(name, options)


@pytest.mark.parametrize("name", COMPARED)
def test_a_card_for_each_of_the_compared_methods(name):
    card = yaml.safe_load((ROOT / f"config/methods/{name}.yaml").read_text())
    assert card["params"]["mixing"] == name and not card["leaderboard"] and card["like"] == "vit-flow"
    options = card["params"].get("mixing_options", {})
    check_mixing(name, options)
    parameters = mixing.inspect.signature(FAMILY[name]).parameters
    assert all(parameters[key].default == value for key, value in options.items())


# one's own


@pytest.fixture
def family():
    """FAMILY, as it was again after the test."""
    before = dict(FAMILY)
    yield FAMILY
    FAMILY.clear()
    FAMILY.update(before)


def test_one_s_own(family):
    seen = []

    @mixing.mixing
    def mine(batch, rng, *, shift: float, kind: Literal["a", "b"] = "a", times=2, box: list[int] | None = None):
        seen.append((shift, kind, times, box))
        return Mixed({name: x + shift for name, x in batch.inputs.items()}, batch.labels)

    options = {"shift": 3, "box": [1, 2]}
    scores = _scores(batch_size=5, mixing="mine", mixing_options=options)
    assert np.isfinite(scores).all() and seen == [(3, "a", 2, [1, 2])] * 4
    for wrong, message in [
        ({}, "needs the option 'shift'"),
        ({"shift": 1, "times": 2.5}, "option 'times': Input should be a valid integer; found 2.5"),
        ({"shift": 1, "box": ["x"]}, "option 'box': Input should be a valid integer"),
        ({"shift": 1, "kind": "c"}, "option 'kind': Input should be 'a' or 'b'; found 'c'"),
    ]:
        with pytest.raises(InputError, match=f"mixing 'mine',? {message}"):
            create("ststnet", 3, mixing="mine", mixing_options=wrong)


def test_the_example_of_the_docs(family):
    """docs/add-a-method.md, as it stands: its function, its card, its line in config.yaml."""
    page = (ROOT / "docs/add-a-method.md").read_text().split("## A way of mixing")[1].split("\n## ")[0]
    code, *cards = map(dedent, re.findall(r"```(?:python|yaml)\n(.*?)```", page, re.DOTALL))
    before = set(family)
    exec(code, {"__name__": "apexbench.methods.mixing.anchored"})
    (name,) = set(family) - before
    card = MethodCard(**yaml.safe_load(cards[0]))
    run = re.search(r"`config/methods/(.+)\.yaml`", page)[1]
    check_card(run, card, "paper")
    assert card.params["mixing"] == name and f"{run}]" in page.split("config/config.yaml")[1]
    assert card.method == "ststnet" and np.isfinite(_scores(**card.params)).all()
    batch = _batch(8)
    for seed in range(20):
        mixed = _mix(name, batch, seed, **card.params["mixing_options"])
        flow = batch.inputs["flow"]
        own = (mixed.inputs["flow"] * flow).sum((1, 2, 3)) / (flow * flow).sum((1, 2, 3))
        assert (own > 0.4).all() and (mixed.labels * batch.labels).sum(1).min() >= 0.5
