"""The network of OFF-ApexNet: 2,664,475 parameters at 3 classes, 809,637 in MEB's variant of one stream."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class Network(nn.Module):
    """Streams of two 5x5 convolutions of 6 and 16 filters, without activation; joined, hidden layers, the head.

    Two streams read one map each and one stream reads both: groups of one convolution.
    """

    def __init__(
        self,
        num_classes: int,
        streams: int = 2,
        side: int = 28,
        hidden: Sequence[int] = (1024, 1024),
        dropout: float = 0.5,
    ):
        super().__init__()
        self.streams = nn.Sequential(
            nn.Conv2d(2, 6 * streams, kernel_size=5, padding=2, groups=streams),
            nn.MaxPool2d(2),
            nn.Conv2d(6 * streams, 16 * streams, kernel_size=5, padding=2, groups=streams),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        widths = (16 * streams * (side // 4) ** 2, *hidden)
        layers = [(nn.Linear(*sizes), nn.ReLU(), nn.Dropout(dropout)) for sizes in pairwise(widths)]
        self.hidden = nn.Sequential(*(part for layer in layers for part in layer))
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores, (B, C), of u and v in x (B, 2, S, S)."""
        return self.head(self.hidden(self.streams(x)))
