"""SLSTT: flow as pictures, the class token of a vision transformer, and what is trained on it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from random_clips import clips, small
from safetensors.torch import save_file

from apexbench.config.model import read_yaml
from apexbench.errors import InputError
from apexbench.features import create as create_extractor
from apexbench.features.vit import flow_pictures, load_vit
from apexbench.methods import create
from apexbench.methods.base import Fold
from apexbench.methods.deep import epochs
from apexbench.project import load_project
from apexbench.recipes import axes_of, check_recipes
from apexbench.weights import RANDOM, Weights

ROOT = Path(__file__).parent.parent
SIZES = {"embed_dim": 16, "depth": 1, "num_heads": 2}
FLOW = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float16)


# flow as pictures


def test_hue_is_the_direction_and_value_the_magnitude():
    u, v = np.float32([[2, 0, -2, 0], [1, 0, 0, 0]]), np.float32([[0, 2, 0, -2], [0, 0, 0, 0]])
    picture = flow_pictures(np.dstack([u, v]))
    hue, saturation, value = np.moveaxis(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), -1, 0)
    np.testing.assert_array_equal(hue[0], [0, 45, 90, 135])  # OpenCV's: half of the degrees
    np.testing.assert_array_equal(value, [[255, 255, 255, 255], [127, 0, 0, 0]])
    assert (saturation[value > 0] == 255).all()


def test_pictures_are_stretched_one_by_one_and_do_not_see_strain():
    pictures = flow_pictures(FLOW)
    assert pictures.shape == FLOW.shape and pictures.dtype == np.uint8
    np.testing.assert_array_equal(flow_pictures(FLOW[:, None, ..., :2])[:, 0], pictures)
    np.testing.assert_array_equal(flow_pictures(4 * FLOW[1]), pictures[1])
    assert not flow_pictures(np.full((4, 4, 2), 3.0)).any()


# the extractor


def test_a_row_is_the_class_token_of_each_picture_after_the_last_norm():
    row = create_extractor("vit", {"sizes": SIZES})(FLOW)
    model = load_vit("vit_base_patch16_384", RANDOM, 0, 32, SIZES)
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        x = (torch.from_numpy(flow_pictures(FLOW)).permute(0, 3, 1, 2) / 255 - mean) / std
        tokens = torch.cat([model.cls_token.expand(3, -1, -1), model.patch_embed(x)], 1) + model.pos_embed
        tokens = model.norm(model.blocks(tokens))
    assert row.shape == (3, 16) and row.dtype == np.float16
    np.testing.assert_allclose(row, tokens[:, 0], rtol=1e-2, atol=2e-3)


def test_pictures_and_flow_whatever_axes_stand_in_front():
    extractor = create_extractor("vit", {"sizes": SIZES})
    assert extractor.axes(("pair", "y", "x", "motion")) == ("pair", "feature")
    assert extractor.axes(("frame", "factor", "y", "x", "colour")) == ("frame", "factor", "feature")
    np.testing.assert_array_equal(extractor(FLOW), extractor(flow_pictures(FLOW)))
    gray = flow_pictures(FLOW)[None, ..., :1]
    np.testing.assert_array_equal(extractor(gray), extractor(np.repeat(gray, 3, -1)))
    np.testing.assert_allclose(extractor(np.tile(gray, (20, 1, 1, 1, 1)))[19], extractor(gray)[0], atol=2e-3)


def test_random_weights_see_what_lies_where():
    extractor = create_extractor("vit", {"sizes": SIZES})
    pictures = flow_pictures(FLOW)
    turned = np.roll(pictures, 16, axis=2)  # the same patches elsewhere
    assert np.abs(extractor(turned) - extractor(pictures)).mean() > 0.05
    other = create_extractor("vit", {"sizes": SIZES, "seed": 1})
    assert np.abs(other(pictures) - extractor(pictures)).mean() > 0.05


def test_weights_from_a_file_are_of_one_size(tmp_path):
    state = load_vit("vit_tiny_patch16_224", RANDOM, 3, 32, {}).state_dict()
    save_file(state, tmp_path / "weights.safetensors")
    options = {"network": "vit_tiny_patch16_224", "weights": Weights(file=str(tmp_path / "weights.safetensors"))}
    own = create_extractor("vit", options)
    np.testing.assert_array_equal(own(FLOW), create_extractor("vit", {"network": options["network"], "seed": 3})(FLOW))
    with pytest.raises(ValueError, match=r"pictures of \(32, 32\) px, got \(3, 16, 16, 3\)"):
        own(FLOW[:, :16, :16])
    with pytest.raises(InputError, match=r"weights\.safetensors: does not fit .* shape \['pos_embed'\]"):
        create_extractor("vit", options)(np.tile(FLOW, (1, 2, 2, 1)))
    with pytest.raises(InputError, match="sizes: given weights have a size of their own"):
        create_extractor("vit", options | {"sizes": SIZES})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "vit_base_patch16_348"}, "network 'vit_base_patch16_348'; did you mean 'vit_base_patch16_384'"),
        ({"network": "vit_base_patch16_siglip_224"}, "has no class token; take vit_base_patch16_384"),
        ({"network": "resnet18"}, "network 'resnet18' "),
        ({"sizes": {"layers": 3}}, r"network 'vit_base_patch16_384' with sizes \{'layers': 3\}"),
    ],
)
def test_networks_that_cannot_be(options, message):
    with torch.device("meta"), pytest.raises(InputError, match=message):
        load_vit(**({"network": "vit_base_patch16_384", "sizes": {}} | options), weights=RANDOM, seed=0, side=32)


def test_arrays_that_are_no_pictures():
    for clip in (FLOW[0, 0], FLOW.astype(int), FLOW[..., :1], FLOW[:0]):
        with pytest.raises(ValueError, match="expected uint8 pictures or flow"):
            create_extractor("vit", {"sizes": SIZES})(clip)


def test_vit_b_has_its_size():
    """ViT-B/16 at 384 px without its head: 577 positions of 768."""
    with torch.device("meta"):
        model = load_vit("vit_base_patch16_384", RANDOM, 0, 384, {})
    assert sum(p.numel() for p in model.parameters()) == 86_090_496
    assert model.pos_embed.shape == (1, 577, 768)


# what is trained


@pytest.mark.parametrize(("aggregation", "classes", "count"), [("lstm", 5, 6_962_181), ("mean", 5, 5_381)])
def test_parameters_at_paper_size(aggregation, classes, count):
    method = create("slstt", classes, aggregation=aggregation)
    method.dim = 768
    with torch.device("meta"):
        model = method.build()
    assert sum(p.numel() for p in model.parameters()) == count
    assert model(torch.zeros(2, 11, 768, device="meta")).shape == (2, classes)


def _trained(**params):
    method, inputs = small("slstt", **params), clips("slstt", 6)
    *_, model = epochs(method, inputs, np.array([0, 1, 2] * 2), Fold(0))
    return method, model, method.transform({"features": torch.from_numpy(inputs["features"])})["features"]


def test_the_mean_has_no_order_and_the_lstm_has():
    for aggregation, ordered in (("mean", False), ("lstm", True)):
        _, model, x = _trained(aggregation=aggregation)
        assert torch.allclose(model(x), model(x.flip(1)), atol=1e-6) != ordered


def test_the_lstm_is_read_at_the_last_picture():
    _, model, x = _trained()
    outputs, (hidden, _) = model.lstm(x * model.weight + model.bias)
    assert torch.allclose(model(x), model.head(hidden[-1]), atol=1e-6) and outputs.shape[1] == x.shape[1]


def test_scale_and_shift_of_the_last_norm_begin_as_given_and_are_trained():
    method, model, _ = _trained()
    fresh = method.build()
    assert (fresh.weight == 1).all() and not fresh.bias.any()
    assert (model.weight != 1).any() and model.bias.any()


def test_a_step_of_the_scale_grows_with_the_norms_weight_squared():
    """As slstt.yaml says of `learning_rate`: ours is behind the norm, the released one is the norm itself."""
    from apexbench.methods.networks.slstt import Network

    normed = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    gamma = torch.tensor([0.5, 1.0, 2.0, 4.0])

    def change(scale_of_norm, outside):
        torch.manual_seed(0)
        model = Network(2, 4, "mean", 1, 4, 4)
        norm = torch.nn.Parameter(scale_of_norm.clone())
        features = normed * (scale_of_norm if outside else norm)
        model(features).square().sum().backward()
        return scale_of_norm * model.weight.grad if outside else norm.grad

    torch.testing.assert_close(change(gamma, outside=True), gamma**2 * change(gamma, outside=False))


def test_standardised_features_are_those_of_the_training_clips():
    method, _, x = _trained(standardise=True)
    np.testing.assert_allclose(x.mean((0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose(x.std((0, 1), correction=0), 1, atol=1e-3)
    same = np.ones((2, 2, 8), np.float16)
    method.fit({"features": same})
    assert not method.transform({"features": torch.from_numpy(same)})["features"].any()
    plain = small("slstt")
    plain.fit({"features": same})
    assert (plain.transform({"features": torch.from_numpy(same)})["features"] == 1).all()


def test_the_learning_rate_starts_anew_every_four_epochs():
    method = create("slstt", 3, layers=1, hidden=2)
    method.dim = 2
    optimizer, scheduler = method.optimizer(method.build())
    (group,) = optimizer.param_groups
    assert (group["momentum"], group["weight_decay"]) == (0.9, 1e-4)
    rates = []
    for _ in range(9):
        rates.append(group["lr"])
        optimizer.step()
        scheduler.step()
    cosine = [0.01 * (1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in range(4)]
    np.testing.assert_allclose(rates, [*cosine, *cosine, cosine[0]])


def test_the_cards():
    """Eleven pictures from the onset; the row of SMIC is the variant Mean."""
    settings = {"methods": ["slstt", "slstt-mean"], "table_methods": [], "tables": ["data"], "leave_out": {}}
    for budget in ("paper", "quick"):
        project = load_project(read_yaml(ROOT / "config/config.yaml") | settings | {"budget": budget}, ROOT)
        check_recipes(project.recipes)
        for run, protocol, aggregation in (
            ("slstt", "casme2-5", "lstm"),
            ("slstt", "smic-3", "mean"),
            ("slstt-mean", "casme2-5", "mean"),
        ):
            card = project.card_on(run, protocol)
            assert card.params["aggregation"] == aggregation
            assert axes_of(project.recipes, card.inputs["features"]) == ("pair", "feature")
            assert project.recipes.frames_of(card.inputs["features"]).options == {"reach": 5}
