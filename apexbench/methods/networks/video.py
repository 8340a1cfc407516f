"""Classifiers of clips that are seen in several views, one by one, by one network."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from apexbench.methods.networks.resnet3d import ResNet3d
from apexbench.weights import load


def backbone(
    name: str,
    *,
    inputs: int = 3,
    width: float = 1.0,
    depths: Sequence[int] | None = None,
    stem: tuple[int, int, int] = (7, 7, 7),
    momentum: float = 0.1,
    recompute: bool = False,
    weights: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    """Return a network of clips (B, inputs, T, H, W) -> features (B, `num_features`), for any T, H and W.

    Parameters
    ----------
    name : `resnext101`, `resnet50`, `resnet18` (three inputs), `swin-t`, `swin-s`, `swin-b` or `swin-l`.
    width, depths, recompute : of `ResNet3d` and `swin3d`; `stem`, `momentum` of a ResNet.
    weights : state dict of another, or of a released ResNet; None: random. InputError if it is of another network.
    """
    options = {"width": width, "depths": depths, "recompute": recompute}
    if name.startswith("swin"):
        from apexbench.methods.networks.swin3d import swin3d  # torchvision takes its time

        model = swin3d(name, inputs=inputs, **options)
    else:
        model = ResNet3d(name, stem=stem, momentum=momentum, **options)
    if weights is not None:
        load(model, weights, f"hyper-parameter 'weights' ({name})")
    return model


def output_layers(features: int, num_classes: int, *, hidden: int = 0, dropout: float = 0.0, softmax: bool = False):
    """Return the layers from features (B, F) to scores (B, classes).

    Parameters
    ----------
    hidden : units of a layer in between; 0: there is none.
    dropout : before all of them.
    softmax : give probabilities, to which the loss applies a softmax again, as Décalcomanie's code does with a Swin.
    """
    layers = [nn.Dropout(dropout)] if dropout else []
    if hidden:
        layers += [nn.Linear(features, hidden), nn.ReLU()]
    layers += [nn.Linear(hidden or features, num_classes)] + ([nn.Softmax(-1)] if softmax else [])
    return nn.Sequential(*layers)


def features(backbone: nn.Module, views: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return the features (B, F) of each view (B, C, T, H, W), of which batch norms see one at a time.

    A ResNet has them in one pass, as small networks wait for the calls and not for the arithmetic.
    """
    if len(views) == 1 or not isinstance(backbone, ResNet3d):
        return [backbone(clips) for clips in views]
    return backbone(torch.cat(views), len(views)).chunk(len(views))


class ByView(nn.Module):
    """Each view goes through the same network, apart from the others.

    `options` are those of `output_layers`.
    """

    def __init__(self, num_classes: int, backbone: nn.Module, **options):
        super().__init__()
        self.backbone, self.head = backbone, output_layers(backbone.num_features, num_classes, **options)

    def forward(self, **views: Tensor) -> dict[str, Tensor]:
        """Return {view: scores (B, classes)} of {view: clips (B, C, T, H, W)}."""
        found = features(self.backbone, list(views.values()))
        return {name: self.head(x) for name, x in zip(views, found, strict=True)}


class SideBySide(nn.Module):
    """The same, but the features of all views, in the order in which they come, give the scores together."""

    def __init__(self, num_classes: int, backbone: nn.Module, views: int, **options):
        super().__init__()
        self.backbone, self.head = backbone, output_layers(views * backbone.num_features, num_classes, **options)

    def forward(self, **views: Tensor) -> Tensor:
        """Return scores (B, classes) of {view: clips (B, C, T, H, W)}."""
        return self.head(torch.cat(list(features(self.backbone, list(views.values()))), dim=1))
