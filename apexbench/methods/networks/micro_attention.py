"""The network of Micro-Attention as ported in Off-TANet's repository: 53,384,195 parameters at 3 classes, 224 px."""

from torch import Tensor, nn
from torch.nn import functional as F

STEM, CHANNELS = 32, (64, 128, 256)


def conv(inputs: int, outputs: int) -> nn.Sequential:
    """Convolution 3x3, batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())


class MicroAttention(nn.Module):
    """A residual block that adds to its output what it attends to, a softmax over places of all its layers."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first, self.second = conv(inputs, outputs), conv(outputs, outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.attention = nn.Conv2d(3 * outputs, 3 * outputs, 1)

    def weights(self, layers: list[Tensor]) -> Tensor:
        """Return the weights (B, 1, H, W) of the places, whose sum is 1, by three layers (B, O, H, W).

        They are the softmax of the mean over the channels of a convolution of the layers, one after the other. The mean
        of a 1x1 convolution's channels is one channel, of the mean weights; and the layers need not be put together.
        """
        weight = self.attention.weight.mean(0, keepdim=True).chunk(len(layers), dim=1)
        scores = sum(F.conv2d(layer, part) for layer, part in zip(layers, weight, strict=True))
        scores = scores + self.attention.bias.mean()
        return scores.flatten(1).softmax(-1).view_as(scores)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, O, H, W) of x (B, I, H, W)."""
        first = self.first(x)
        second, shortcut = self.second(first), self.shortcut(x)
        return (second + shortcut) * (1 + self.weights([first, second, shortcut]))


class Network(nn.Module):
    """Stem, three blocks, each with a pool after it, and two linear layers."""

    def __init__(
        self,
        num_classes: int,
        dropout: float,
        image_size: int,
        width: float = 1.0,
        hidden: int = 4096,
        stem_stride: int = 2,
    ):
        super().__init__()
        stem, *channels = (max(1, round(c * width)) for c in (STEM, *CHANNELS))
        side = -(-image_size // (2 * stem_stride)) // 2 ** len(channels)
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 7, stem_stride, padding=3), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)
        )
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(MicroAttention(*shape), nn.MaxPool2d(2))
                for shape in zip([stem, *channels[:-1]], channels, strict=True)
            )
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(channels[-1] * side**2, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores, (B, C), of u, v and strain, x (B, 3, S, S)."""
        return self.head(self.blocks(self.stem(x)))
