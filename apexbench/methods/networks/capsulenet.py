"""The network of CapsuleNet as released: ResNet-18 up to layer3, two wide convolutions, capsules and their routing.

13,842,496 parameters at 3 classes: 2,782,784 of the ResNet, 5,308,672 of each 9 x 9 convolution, 442,368 of the
capsules. The ResNet has no max pool, so that of 224 px its map has 28 x 28 places; then there are 20 x 20, and 6 x 6.
The ResNet's modules are timm's, so that pretrained weights fit.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from apexbench.torchvision_shim import ensure_torchvision
from apexbench.weights import load

RESNET = "resnet18"
PRIMARY, CLASS = 8, 16  # numbers of a primary capsule and of a class's


def squash(x: Tensor) -> Tensor:
    """Return vectors x (..., D) of the same direction, their length l made l^2 / (1 + l^2).

    >>> squash(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).norm(dim=-1).tolist()
    [0.9615384936332703, 0.0]
    """
    length = x.norm(dim=-1, keepdim=True)
    return x * (length / (1 + length**2))


class Capsules(nn.Module):
    """One capsule of each class out of many: each votes for each class, and votes that agree count more."""

    def __init__(self, capsules: int, num_classes: int, iterations: int):
        super().__init__()
        self.weight = nn.Parameter(0.01 * torch.randn(num_classes, capsules, CLASS, PRIMARY))
        self.iterations = iterations

    def forward(self, x: Tensor) -> Tensor:
        """Return the classes' capsules, (B, classes, 16), of primary capsules x (B, capsules, 8).

        The coupling is a softmax over the classes. Gradients go through the last iteration alone.
        """
        votes = torch.einsum("cioe,bie->bcio", self.weight, x)
        fixed = votes.detach()
        agreement = fixed.new_zeros(fixed.shape[:3])
        for _ in range(self.iterations - 1):
            agreement = agreement + torch.einsum("bcio,bco->bci", fixed, self._sum(fixed, agreement))
        return self._sum(votes, agreement)

    @staticmethod
    def _sum(votes: Tensor, agreement: Tensor) -> Tensor:
        return squash(torch.einsum("bci,bcio->bco", agreement.softmax(1), votes))


class Network(nn.Module):
    """Class scores are the lengths of the classes' capsules, 0 to 1.

    Parameters
    ----------
    side : side in px of the frames.
    resnet : sizes that differ from ResNet-18, as timm's builders take them.
    channels, kernel : of the two convolutions after the ResNet; 8 channels of a place are one capsule.
    iterations : of the routing.
    freeze : whether the ResNet's stem and first layer keep their weights.
    weights : state dict of the ResNet; None: random.
    """

    def __init__(
        self,
        num_classes: int,
        side: int = 224,
        *,
        resnet: Mapping[str, Any] | None = None,
        channels: int = 256,
        kernel: int = 9,
        iterations: int = 3,
        freeze: bool = False,
        weights: Mapping[str, Tensor] | None = None,
    ):
        super().__init__()
        ensure_torchvision()
        import timm

        network = timm.create_model(RESNET, num_classes=0, zero_init_last=False, **(resnet or {}))
        if weights is not None:
            load(network, weights, "hyper-parameter 'weights'")
        parts = ("conv1", "bn1", "act1", "layer1", "layer2", "layer3")
        self.trunk = nn.Sequential()
        for name in parts:
            self.trunk.add_module(name, getattr(network, name))
        if freeze:
            for name in parts[:4]:
                getattr(network, name).requires_grad_(False)
        places = -(-side // 8) - kernel + 1
        places = (places - kernel) // 2 + 1
        if places < 1:
            raise ValueError(
                f"kernel: {kernel} x {kernel} twice is more than frames of {side} px leave; make it smaller"
            )
        self.conv = nn.Conv2d(network.feature_info[3]["num_chs"], channels, kernel)
        self.primary = nn.Conv2d(channels, channels, kernel, stride=2)
        self.capsules = Capsules(places**2 * channels // PRIMARY, num_classes, iterations)

    def forward(self, frames: Tensor) -> Tensor:
        """Return class scores (B, C) of frames (B, 3, side, side), 0 to 1."""
        x = self.primary(F.relu(self.conv(self.trunk(frames))))
        return self.capsules(squash(x.permute(0, 2, 3, 1).unflatten(3, (-1, PRIMARY)).flatten(1, 3))).norm(dim=-1)
