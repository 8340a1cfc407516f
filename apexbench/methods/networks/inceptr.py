"""The network of IncepTR, and the inception block and the attention that it shares with Dual-ATME of the same authors.

At 3 classes 109,325,449 parameters, 102,764,547 of them the head's; the released class builds 3,590 more that it never
uses. `Inception` and `CBAM` have their biases.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from apexbench.methods.networks.mmnet import HEADS, Position

BOTTLENECK = 6  # channels between the 1x1 and the wider convolution, however wide the block


def _conv(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.BatchNorm2d(outputs), nn.ReLU()]


class Inception(nn.Module):
    """Four branches side by side: 1x1; 1x1 and 3x3; 1x1 and 5x5; max pool 3x3 and 1x1. `c` channels of each."""

    def __init__(self, in_channels: int, c: int):
        super().__init__()
        narrow = [_conv(in_channels, BOTTLENECK, 1) for _ in range(2)]
        self.branches = nn.ModuleList(
            [
                nn.Sequential(*_conv(in_channels, c, 1)),
                nn.Sequential(*narrow[0], *_conv(BOTTLENECK, c, 3)),
                nn.Sequential(*narrow[1], *_conv(BOTTLENECK, c, 5)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), *_conv(in_channels, c, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, 4 c, H, W) of maps x (B, in_channels, H, W)."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class CBAM(nn.Module):
    """Weighs channels, by their mean and their maximum through one small network, then places, by a 3x3 convolution."""

    def __init__(self, channels: int, reduced: int):
        super().__init__()
        self.channel = nn.Sequential(nn.Linear(channels, reduced), nn.ReLU(), nn.Linear(reduced, channels))
        self.place = nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, channels, H, W) of maps x."""
        weights = self.channel(x.mean((2, 3))) + self.channel(x.amax((2, 3)))
        x = x * weights.sigmoid()[:, :, None, None]
        return x * self.place(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)).sigmoid()


class Dropping(nn.Linear):
    """Queries, keys and values in one layer; in training a clip may lose those of one head, or of one token.

    `what` is `head`, as the name MSAD says, or `token-bug`, as released: of one of the first four tokens, since the
    index that is drawn for a head is used on the axis of the tokens.
    """

    def __init__(self, width: int, what: str, probability: float):
        super().__init__(width, 3 * width)
        self.what, self.probability = what, probability

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, P, 3 * width) of tokens x (B, P, width)."""
        x = super().forward(x)
        if not self.training or not self.probability:
            return x
        drawn = torch.randint(HEADS, (len(x), 1), device=x.device)
        loses = torch.rand(len(x), 1, device=x.device) < self.probability
        if self.what == "head":
            keep = ~(loses & (torch.arange(HEADS, device=x.device) == drawn))
            return (x.unflatten(2, (3, HEADS, -1)) * keep[:, None, None, :, None]).flatten(2)
        return x * ~(loses & (torch.arange(x.shape[1], device=x.device) == drawn))[:, :, None]


class Network(nn.Module):
    """A local branch of convolutions and a global one, a transformer on the shrunk maps, side by side into one head.

    The transformer is MMNet's position branch, as its script for 3 classes has it. A branch alone has a batch norm in
    its head, and the local one no last convolution.

    Parameters
    ----------
    branches : `both`, `local` or `global`.
    msad, probability : see `Dropping`.
    dim, channels, hidden : numbers of each token, channels of each branch's map, and width of the head.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        branches: str = "both",
        msad: str = "token-bug",
        msad_probability: float = 0.3,
        depth: int = 3,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.3,
        dim: int = 512,
        channels: int = 256,
        hidden: int = 1024,
        dropout: float = 0.5,
        side: int = 28,
    ):
        super().__init__()
        half, alone, width = side // 2, branches != "both", 2 * channels
        self.local = self.context = None
        if branches != "global":
            layers = [Inception(3, 6), Inception(24, 12), nn.MaxPool2d(2), CBAM(48, 3)]
            self.local = nn.Sequential(*layers, *([] if alone else [nn.Conv2d(48, channels, 1)]))
            width = 48 if alone else width
        if branches != "local":
            position = Position(half, dim, depth, mlp_ratio, drop_path, antialias=False)
            for block in position.blocks[:-1]:
                block.qkv = Dropping(dim, msad, msad_probability)
            position.initialise()
            self.context = nn.Sequential(position, nn.Conv2d(dim, channels, 1))
            width = channels if alone else width
        norm = [nn.BatchNorm1d(hidden)] if alone else []
        layers = [nn.Linear(width * half**2, hidden), *norm, nn.ReLU(), nn.Dropout(dropout)]
        self.head = nn.Sequential(nn.Flatten(), *layers, nn.Linear(hidden, num_classes))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return class scores (B, C) of maps x (B, 3, S, S), and how unlike both branches are, a scalar.

        That is 1 - cosine over the channels, the mean over clips and places; 0 for a branch alone.
        """
        maps = [branch(x) for branch in (self.context, self.local) if branch is not None]
        unlike = 1 - F.cosine_similarity(*maps).mean() if len(maps) == 2 else x.new_zeros(())
        return self.head(torch.cat(maps, dim=1)), unlike
