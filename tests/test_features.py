"""ResNet features: what they depend on, and where weights come from."""

import numpy as np
import pytest
from safetensors.torch import save_file

from apexbench.errors import InputError
from apexbench.features import extract
from apexbench.features.resnet import load_network
from apexbench.torchvision_shim import ensure_torchvision
from apexbench.weights import RANDOM, Weights

FRAMES = np.random.default_rng(0).integers(0, 256, (9, 2, 3, 64, 64)).astype(np.uint8)


def _file(path):
    return Weights(file=str(path))


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


def test_weights_from_a_file(tmp_path):
    model = load_network("resnet18", RANDOM, seed=3)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    own = extract(FRAMES[:1], layer="layer1", weights=_file(tmp_path / "weights.safetensors"), seed=0)
    assert (own == extract(FRAMES[:1], layer="layer1", seed=3)).all()


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "layer5"}, "layer 'layer5'; did you mean 'layer4'"),
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
