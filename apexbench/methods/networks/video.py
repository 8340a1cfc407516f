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
    recompute: bool = False,
    weights: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    """Return a network of clips (B, inputs, T, H, W) -> features (B, `num_features`), for any T, H and W.

    Parameters
    ----------
    name : `resnext101`, `resnet50`, `resnet18` (three inputs), `swin-t`, `swin-s`, `swin-b` or `swin-l`.
    width, depths, recompute : of `ResNet3d` and `swin3d`; `stem` of a ResNet.
    weights : state dict of another, or of a released ResNet; None: random. InputError if it is of another network.
    """
    options = {"width": width, "depths": depths, "recompute": recompute}
    if name.startswith("swin"):
        from apexbench.methods.networks.swin3d import swin3d  # torchvision takes its time

        model = swin3d(name, inputs=inputs, **options)
    else:
        model = ResNet3d(name, stem=stem, **options)
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


class ByView(nn.Module):
    """Each view goes through the same network, apart from the others: so do batch norms see one view at a time.

    `options` are those of `output_layers`.
    """

    def __init__(self, num_classes: int, backbone: nn.Module, **options):
        super().__init__()
        self.backbone, self.head = backbone, output_layers(backbone.num_features, num_classes, **options)

    def forward(self, **views: Tensor) -> dict[str, Tensor]:
        """Return {view: scores (B, classes)} of {view: clips (B, C, T, H, W)}."""
        return {name: self.head(self.backbone(clips)) for name, clips in views.items()}


class SideBySide(nn.Module):
    """The same, but the features of all views, in the order in which they come, give the scores together."""

    def __init__(self, num_classes: int, backbone: nn.Module, views: int, **options):
        super().__init__()
        self.backbone, self.head = backbone, output_layers(views * backbone.num_features, num_classes, **options)

    def forward(self, **views: Tensor) -> Tensor:
        """Return scores (B, classes) of {view: clips (B, C, T, H, W)}."""
        return self.head(torch.cat([self.backbone(clips) for clips in views.values()], dim=1))
