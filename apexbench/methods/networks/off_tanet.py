"""The network of Off-TANet: 59,403 parameters at 3 classes.

With another last block: `cbam` 56,967, which lacks the attention of a map to itself; `res` 50,353, a residual block
like the two before; `bot` 48,625, where attention replaces both convolutions of `res`; `sa` 57,589, where it stands
beside the second convolution of `cbam` and the other attention is left out. How the last two are put together is
inferred: these layers have these counts.
"""

import torch
from torch import Tensor, nn

STEM, WIDTHS, LAST, HIDDEN = 8, (18, 28), 8, 64


def conv(inputs: int, outputs: int) -> nn.Sequential:
    """Convolution 3x3, batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())


class ChannelAttention(nn.Module):
    """Weigh the channels by their mean and their maximum over places."""

    def __init__(self, width: int, hidden: int = 1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, hidden, 1, bias=False), nn.ReLU(), nn.Conv2d(hidden, width, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        both = self.body(x.mean((2, 3), keepdim=True)) + self.body(x.amax((2, 3), keepdim=True))
        return x * both.sigmoid()


class PlaceAttention(nn.Module):
    """Weigh the places by their mean and their maximum over channels."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(2, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.body(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)).sigmoid()


class SelfAttention(nn.Module):
    """Attention of a map to itself, channel by channel: the maps of query and key are multiplied as matrices.

    The product plus that of query and position is one softmax over all places, which weighs the value place by place.
    Heads are no more than groups of channels here, since no channel sees another: they need no part of their own.
    """

    def __init__(self, inputs: int, outputs: int, side: int):
        super().__init__()
        self.project = nn.Conv2d(inputs, 3 * outputs, 1)
        self.register_buffer("place", places(side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, S, S) of x (B, inputs, S, S), S the side."""
        query, key, value = self.project(x).chunk(3, dim=1)
        product = query @ (key + self.place).transpose(-1, -2)
        return product.flatten(2).softmax(-1).view_as(value) * value


def places(side: int) -> Tensor:
    """Return the fixed position of each place, (side, side): p_i + p_j of row i and column j.

    p_i is the sine (even i) or cosine (odd i) of 10000 ** -(floor(i / 2) / side).

    >>> places(14).shape, round(places(14)[0, 0].item(), 4)  # 2 sin 1
    (torch.Size([14, 14]), 1.6829)
    """
    i = torch.arange(side, dtype=torch.float64)
    angle = 10_000.0 ** -(i.div(2, rounding_mode="floor") / side)
    wave = torch.where(i % 2 == 0, angle.sin(), angle.cos())
    return (wave[:, None] + wave[None]).float()


class _Both(nn.Module):
    """The sum of a convolution and of attention to the same map."""

    def __init__(self, inputs: int, outputs: int, side: int):
        super().__init__()
        self.conv, self.attention = conv(inputs, outputs), SelfAttention(inputs, outputs, side)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.attention(x)


class Residual(nn.Module):
    """A body beside a convolution 1x1, and half the size after their sum: (B, I, S, S) -> (B, O, S // 2, S // 2)."""

    def __init__(self, inputs: int, outputs: int, body: nn.Module):
        super().__init__()
        self.body, self.shortcut, self.pool = body, nn.Conv2d(inputs, outputs, 1), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.body(x) + self.shortcut(x))


def last_body(kind: str, inputs: int, outputs: int, side: int) -> nn.Sequential:
    """Return what the last block has beside its shortcut; see the module and `OffTANetParams.block`."""
    if kind == "res":
        return nn.Sequential(conv(inputs, outputs), conv(outputs, outputs))
    if kind == "bot":
        first, second = SelfAttention(inputs, outputs, side), SelfAttention(outputs, outputs, side)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
    if kind == "sa":
        return nn.Sequential(conv(inputs, inputs), _Both(inputs, outputs, side))
    attention = [ChannelAttention(inputs), PlaceAttention()]
    if kind == "off-tanet":
        attention.append(SelfAttention(inputs, inputs, side))
    return nn.Sequential(conv(inputs, inputs), *attention, conv(inputs, outputs))


class Network(nn.Module):
    """Stem, two residual blocks, one with attention, three linear layers."""

    def __init__(self, num_classes: int, block: str, dropout: float, image_size: int):
        super().__init__()
        first, second = WIDTHS
        self.stem = nn.Sequential(nn.Conv2d(3, STEM, 7, stride=2, padding=3), nn.ReLU(), nn.BatchNorm2d(STEM))
        side = -(-image_size // 2) // 4  # of the last block's map
        self.blocks = nn.Sequential(
            Residual(STEM, first, nn.Sequential(conv(STEM, first), conv(first, first))),
            Residual(first, second, nn.Sequential(conv(first, second), conv(second, second))),
            Residual(second, LAST, last_body(block, second, LAST, side)),
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(LAST * (side // 2) ** 2, HIDDEN), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, num_classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores, (B, C), of u, v and strain, x (B, 3, S, S)."""
        return self.head(self.blocks(self.stem(x)))
