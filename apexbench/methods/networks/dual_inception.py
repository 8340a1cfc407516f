"""The network of Dual-Inception: 6,449,867 parameters at 3 classes and 28 px, 23,240 of them in its two streams."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FILTERS = (6, 16)  # of each branch, in the first and in the second stage


class Inception(nn.Module):
    """Four branches of `filters` each, joined in this order: 5x5, 3x3, max pool, 1x1; the last has no activation.

    Three of them begin with a 1x1 convolution of the same maps, which is one of three times the filters here.
    """

    def __init__(self, inputs: int, filters: int):
        super().__init__()
        self.ones = nn.Conv2d(inputs, 3 * filters, kernel_size=1)
        self.five = nn.Conv2d(filters, filters, kernel_size=5, padding=2)
        self.three = nn.Conv2d(filters, filters, kernel_size=3, padding=1)
        self.pooled = nn.Conv2d(inputs, filters, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 4 filters, H, W) of x (B, inputs, H, W)."""
        wide, narrow, plain = self.ones(x).chunk(3, dim=1)
        wide, narrow = self.five(F.relu(wide)), self.three(F.relu(narrow))
        pooled = self.pooled(F.max_pool2d(x, kernel_size=3, stride=1, padding=1))
        return torch.cat([F.relu(wide), F.relu(narrow), F.relu(pooled), plain], dim=1)


class Streams(nn.Module):
    """Two stages of inception and max pool on u, and as many on v.

    Attributes
    ----------
    channels : of the maps that it returns, u's first; 128 of the paper's filters.
    """

    def __init__(self, filters: Sequence[int] = FILTERS):
        super().__init__()
        first, second = filters
        stages = [
            (Inception(1, first), nn.MaxPool2d(2), Inception(4 * first, second), nn.MaxPool2d(2)) for _ in range(2)
        ]
        self.streams = nn.ModuleList(nn.Sequential(*parts) for parts in stages)
        self.channels = 2 * 4 * second

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, S // 4, S // 4) of u and v in x (B, 2, S, S)."""
        x = x.contiguous(memory_format=torch.channels_last)  # a fifth faster on the CPU
        pairs = zip(self.streams, x.split(1, dim=1), strict=True)
        return torch.cat([stream(part) for stream, part in pairs], dim=1)


class Network(nn.Module):
    """The streams, joined, one hidden layer, the head."""

    def __init__(self, num_classes: int, side: int = 28, filters: Sequence[int] = FILTERS, hidden: int = 1024):
        super().__init__()
        self.streams = Streams(filters)
        self.hidden = nn.Sequential(nn.Linear(self.streams.channels * (side // 4) ** 2, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores, (B, C), of u and v in x (B, 2, S, S)."""
        return self.head(self.hidden(self.streams(x).flatten(1)))
