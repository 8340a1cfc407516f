"""The networks of DSSN and SSSN: 972,805 and 630,405 parameters at 5 classes and 227 px.

A stream is what AlexNet begins with, 342,400 parameters, and ends as a map of 256 x 15 x 15 = 57,600 values.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from apexbench.errors import InputError

FILTERS, KERNELS = (96, 256), (11, 5)


class Stream(nn.Module):
    """AlexNet's first two stages: convolution, ReLU, pool and normalisation over neighbouring channels, twice.

    Its maps get a border of zeros, 1 px wide. `norm` is whether the normalisation comes after or before the pool.
    """

    def __init__(self, norm: str, width: float = 1.0, stem_stride: int = 4):
        super().__init__()
        first, second = (2 * max(1, round(filters * width / 2)) for filters in FILTERS)  # even: two groups
        convs = nn.Conv2d(3, first, KERNELS[0], stem_stride), nn.Conv2d(first, second, KERNELS[1], padding=2, groups=2)
        after = [nn.MaxPool2d(3, stride=2), nn.LocalResponseNorm(5)]
        after = after if norm == "after-pool" else after[::-1]
        stages = (layer for conv in convs for layer in (conv, nn.ReLU(), *after))
        self.body, self.channels = nn.Sequential(*stages, nn.ZeroPad2d(1)), second

    def forward(self, picture: Tensor) -> Tensor:
        """Return the map (B, 256, 15, 15) of pictures (B, 3, 227, 227)."""
        return self.body(picture)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Begin with the convolutions of an AlexNet's state dict; InputError if it has none of their shapes.

        Files name them differently (conv1, features.0, features.conv1), but no other layer of it has their shapes.
        """
        for layer in (layer for layer in self.body if isinstance(layer, nn.Conv2d)):
            shape = tuple(layer.weight.shape)
            names = [name for name, x in state.items() if tuple(x.shape) == shape]
            bias = state.get(names[0].removesuffix("weight") + "bias") if len(names) == 1 else None
            if bias is None or bias.shape != layer.bias.shape:
                raise InputError(
                    f"hyper-parameter 'weights': no one convolution of shape {shape} with its bias, as the AlexNet of "
                    f"2012 has it; torchvision's is another. Give a file that has it, width: 1, or write random"
                )
            with torch.no_grad():
                layer.weight.copy_(state[names[0]])
                layer.bias.copy_(bias)


class Network(nn.Module):
    """One or two streams, fused, dropout, and one linear layer.

    Parameters
    ----------
    streams : names of the streams, which are the arguments of `forward`.
    fusion : multiply, add or concat; of one stream without meaning.
    weights : state dict of an AlexNet, with which every stream begins; None: random.
    """

    def __init__(
        self,
        num_classes: int,
        streams: Sequence[str],
        *,
        fusion: str,
        norm: str,
        dropout: float,
        image_size: int = 227,
        width: float = 1.0,
        stem_stride: int = 4,
        weights: Mapping[str, Tensor] | None = None,
    ):
        super().__init__()
        self.streams = nn.ModuleDict({name: Stream(norm, width, stem_stride) for name in streams})
        self.fusion = fusion
        side = (image_size - KERNELS[0]) // stem_stride + 1
        for _ in FILTERS:
            side = (side - 3) // 2 + 1
        maps = len(streams) if fusion == "concat" else 1
        features = maps * self.streams[streams[0]].channels * (side + 2) ** 2
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, num_classes))
        if weights is not None:
            for stream in self.streams.values():
                stream.load(weights)

    def fused(self, **pictures: Tensor) -> Tensor:
        """Return what the head reads, (B, 57600), or twice as much if maps are put together, of pictures by stream."""
        first, *others = (stream(pictures[name]).flatten(1) for name, stream in self.streams.items())
        if self.fusion == "concat":
            return torch.cat([first, *others], dim=1)
        for other in others:
            first = first * other if self.fusion == "multiply" else first + other
        return first

    def forward(self, **pictures: Tensor) -> Tensor:
        """Return the class scores (B, C) of normalised pictures (B, 3, S, S), one for each stream."""
        return self.head(self.fused(**pictures))
