"""Extractors: how they are found and checked; ResNet features: what they depend on, and where weights come from."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from apexbench import features
from apexbench.errors import InputError
from apexbench.features import Extractor, Options, create, find, names
from apexbench.features.resnet import load_network
from apexbench.methods import find as find_method
from apexbench.torchvision_shim import ensure_torchvision
from apexbench.weights import RANDOM, Weights

FRAMES = np.random.default_rng(0).integers(0, 256, (9, 2, 3, 64, 64)).astype(np.uint8)


def _file(path):
    return Weights(file=str(path))


def extract(clips, **options):
    """ResNet maps of clips (N, F, 3, H, W), as of one clip of N x F frames."""
    return create("resnet", options)(np.moveaxis(clips, -3, -1))


def test_shape_and_type_at_every_layer():
    shapes = {"stem": (64, 32, 32), "layer2": (128, 8, 8), "layer4": (512, 2, 2)}
    for layer, shape in shapes.items():
        features = extract(FRAMES[:1], layer=layer)
        assert features.shape == (1, 2, *shape) and features.dtype == np.float16


def test_a_row_does_not_depend_on_its_batch():
    together = extract(FRAMES)  # 18 pictures, two batches
    alone = np.concatenate([extract(FRAMES[i : i + 1]) for i in (0, 8)])
    assert np.abs(together[[0, 8]].astype(float) - alone).max() < 2e-3 * np.abs(together.astype(float)).max()


def test_random_weights_derive_from_the_seed():
    one, same, other = (extract(FRAMES[:1], layer="layer1", seed=seed) for seed in (0, 0, 1))
    assert (one == same).all() and not (one == other).all()


def test_blocks_of_random_weights_do_something():
    norms = [x for name, x in load_network("resnet18", RANDOM, 0).named_parameters() if name.endswith("bn2.weight")]
    assert len(norms) == 8 and all((x == 1).all() for x in norms)


def test_bn_mode_train_takes_the_statistics_of_one_frames_factors():
    """As AMAN's extractor: by hand, each frame's factors through a network that never left training mode."""
    clip = np.moveaxis(FRAMES[:3], 2, -1)  # 3 frames, 2 factors
    rows = create("resnet", {"layer": "layer1", "bn_mode": "train"})(clip)
    network = load_network("resnet18", RANDOM, 0).train()
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x = (torch.from_numpy(FRAMES[1]).float() / 255 - mean) / std
    with torch.no_grad():
        maps = network.layer1(network.maxpool(network.act1(network.bn1(network.conv1(x)))))
    np.testing.assert_allclose(rows[1], maps.numpy(), rtol=2e-3, atol=2e-3)
    alone = create("resnet", {"layer": "layer1", "bn_mode": "train"})(clip[1:2])
    np.testing.assert_array_equal(alone[0], rows[1])
    assert not np.allclose(create("resnet", {"layer": "layer1"})(clip)[1], rows[1], atol=0.1)


def test_width_is_of_random_weights():
    assert extract(FRAMES[:1], layer="layer3", width=0.25).shape == (1, 2, 64, 4, 4)
    with pytest.raises(InputError, match=r"recipe: .*width: timm's weights have a size of their own"):
        create("resnet", {"width": 0.5, "weights": {"timm": "resnet18.tv_in1k"}}, where="recipe")
    with pytest.raises(InputError, match="network 'vgg11' is no ResNet; take resnet18"):
        extract(FRAMES[:1], network="vgg11")


def test_weights_from_a_file(tmp_path):
    model = load_network("resnet18", RANDOM, seed=3)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    own = extract(FRAMES[:1], layer="layer1", weights=_file(tmp_path / "weights.safetensors"), seed=0)
    assert (own == extract(FRAMES[:1], layer="layer1", seed=3)).all()


def test_weights_as_amans_file_of_fer_has_them(tmp_path):
    """Of a DataParallel model and an early PyTorch, with a classifier and under a key of its own."""
    model = load_network("resnet18", RANDOM, seed=3)
    state = {f"module.{name}": x for name, x in model.state_dict().items() if not name.endswith("batches_tracked")}
    torch.save({"state_dict": state | {"module.fc.weight": torch.zeros(8, 512)}}, tmp_path / "FER+.pth.tar")
    own = extract(FRAMES[:1], layer="layer3", weights=_file(tmp_path / "FER+.pth.tar"))
    assert (own == extract(FRAMES[:1], layer="layer3", seed=3)).all()


def test_files_that_are_no_weights(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors: no such file"):
        extract(FRAMES[:1], weights=_file(tmp_path / "none.safetensors"))
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(InputError, match=r"text\.pth: not a state dict"):
        extract(FRAMES[:1], weights=_file(tmp_path / "text.pth"))
    state = load_network("resnet18", RANDOM, seed=3).state_dict()
    save_file({name: x for name, x in state.items() if "layer3" not in name}, tmp_path / "part.safetensors")
    with pytest.raises(InputError, match=r"part\.safetensors: does not fit the network; missing \['layer3"):
        extract(FRAMES[:1], weights=_file(tmp_path / "part.safetensors"))
    save_file(load_network("resnet34", RANDOM, seed=3).state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"other\.safetensors: does not fit .*unexpected \['layer1.2"):
        extract(FRAMES[:1], weights=_file(tmp_path / "other.safetensors"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "layer5"}, "option 'layer': Input should be 'stem', .* or 'layer4'; found 'layer5'"),
        ({"network": "resnet81"}, "network 'resnet81'; did you mean 'resnet18'"),
        (
            {"weights": Weights(timm="resnet18.a1_in2k")},
            "'resnet18.a1_in2k' is not a timm tag; did you mean 'resnet18.a1",
        ),
    ],
)
def test_unknown_names(options, message):
    with pytest.raises(InputError, match=message):
        extract(FRAMES[:1], **options)


def test_a_tag_that_cannot_be_fetched(monkeypatch):
    import timm

    create = timm.create_model

    def refuse(*names, pretrained=False, **options):
        if pretrained:
            raise OSError("no network")
        return create(*names, **options)

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(
        InputError, match=r"resnet18\.a1_in1k' could not be fetched \(no network\); download timm/resnet18"
    ):
        load_network("resnet18", Weights(timm="resnet18.a1_in1k"), seed=0)


def test_torchvision_imports_beside_this_torch_and_again():
    ensure_torchvision()
    ensure_torchvision()
    import torchvision.ops

    assert torchvision.ops.misc.ConvNormActivation


# the registry and the contract


def _clip(reads):
    """A random clip of the axes that an extractor names; two more where it lets any stand in front. Flow is float16."""
    axes = [*(("key", "factor") if reads[:1] == (...,) else ()), *(name for name in reads if name is not ...)]
    shape = [_SIZES.get(axis, 3) for axis in axes]
    clip = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    return tuple(axes), clip.astype(np.float16) - 128 if "motion" in axes else clip


_SIZES = {"frame": 10, "key": 2, "factor": 2, "y": 64, "x": 64}
_MESH = np.random.default_rng(3).uniform(0, 64, (468, 2))


def test_extractors_are_found_by_file_name():
    assert {"resnet", "lbp-top", "lbp-sip", "bi-woof", "mdmo"} <= set(names())
    assert not {"base", "directions"} & set(names())
    with pytest.raises(InputError, match="unknown extractor 'lbp-tob'; did you mean 'lbp-top'"):
        find("lbp-tob")


@pytest.mark.parametrize("name", names())
def test_every_extractor_keeps_the_contract(name):
    extractor = create(name, find(name).test_options)
    assert isinstance(extractor, Extractor) and issubclass(find(name).Options, Options)
    assert set(find(name).Options.model_config.items()) >= {("extra", "forbid"), ("frozen", True)}
    axes, clip = _clip(extractor.reads)
    before, mesh = clip.copy(), [_MESH] if extractor.landmarks else []
    row = extractor(clip, *mesh)
    assert len(extractor.axes(axes)) == row.ndim and row.dtype in (np.float16, np.float32)
    np.testing.assert_array_equal(clip, before)
    np.testing.assert_array_equal(extractor(clip, *mesh), row)  # again, and after another clip
    extractor(clip[::-1], *mesh)
    np.testing.assert_array_equal(extractor(clip, *mesh), row)
    with pytest.raises(InputError, match="reads clips of axes"):
        extractor.axes((*axes[:-1], "key"))
    with pytest.raises(InputError, match="recipe: unknown option 'frobnicate'; "):
        create(name, {"frobnicate": 1}, where="recipe")


@pytest.mark.parametrize(
    ("leading", "lengths"),
    [(("key",), (2,)), (("frame", "factor"), (3, 2)), (("key", "near"), (2, 1)), ((), ())],
)
def test_resnet_takes_any_axes_before_the_picture(leading, lengths):
    extractor = create("resnet", {"layer": "layer1"})
    assert extractor.axes((*leading, "y", "x", "colour")) == (*leading, "feature", "y", "x")
    pictures = np.moveaxis(FRAMES[: np.prod(lengths, dtype=int), 0], 1, -1)
    rows = extractor(pictures.reshape(*lengths, 64, 64, 3))
    assert rows.shape == (*lengths, 64, 16, 16) and rows.dtype == np.float16
    np.testing.assert_array_equal(rows.reshape(-1, 64, 16, 16), extractor(pictures))


def test_resnet_is_what_the_pack_was():
    clip = np.moveaxis(FRAMES[0], 1, -1)
    np.testing.assert_array_equal(create("resnet")(clip), extract(FRAMES[:1])[0])


def test_gray_pictures_repeat_their_channel():
    clip = np.moveaxis(FRAMES[0], 1, -1)[..., :1]
    extractor = create("resnet", {"layer": "stem"})
    np.testing.assert_array_equal(extractor(clip), extractor(np.repeat(clip, 3, -1)))


def test_the_network_is_loaded_once_and_only_when_needed(monkeypatch):
    loads = []

    def counted(*arguments):
        loads.append(arguments)
        return load_network(*arguments)

    monkeypatch.setattr("apexbench.features.resnet.load_network", counted)
    extractor = create("resnet", {"layer": "stem", "seed": 4})
    assert not loads
    for _ in range(2):
        extractor(np.moveaxis(FRAMES[0], 1, -1))
    assert loads == [("resnet18", RANDOM, 4, 1.0)]


def test_pictures_that_cannot_be():
    with pytest.raises(ValueError, match=r"uint8 pictures \(..., H, W, 1 or 3\), got float64"):
        create("resnet")(FRAMES[0] / 255)
    with pytest.raises(ValueError, match="got uint8"):
        create("resnet")(FRAMES[0])


def test_the_example_of_the_docs(tmp_path, monkeypatch):
    """docs/add-a-method.md, as it stands: an extractor, its recipe, and a card that reads it."""
    page = (Path(__file__).parents[1] / "docs/add-a-method.md").read_text()
    section = page.split("## Features of one's own\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    recipe, card = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL))
    (tmp_path / "mean_frame.py").write_text(code)
    monkeypatch.setattr(features, "__path__", [*features.__path__, str(tmp_path)])
    ((name, entry),) = recipe["features"].items()
    extractor = create(entry["extractor"], entry["options"])
    axes, clip = _clip(extractor.reads)
    row = extractor(clip)
    assert (
        extractor.axes(axes) == ("feature",) and row.shape == (64,) and np.isclose(row.mean(), clip.mean(), rtol=1e-3)
    )
    assert card["inputs"] == {"features": name} and find_method(card["method"]).reads["features"] == extractor.axes(
        axes
    )
    sys.modules.pop("apexbench.features.mean_frame", None)
