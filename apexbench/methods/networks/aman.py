"""AMAN's trained part: the last layer of a ResNet-18 on maps from a cache, attention over factors, then over frames.

8,397,319 parameters at 5 classes: 8,393,728 of the layer, 513 of each attention, 2,565 of the classifier.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from apexbench.errors import InputError
from apexbench.weights import load

LAYER = "layer4."


class SlotNorm(nn.BatchNorm2d):
    """BatchNorm of maps (B * groups, C, h, w), clip by clip, whose training statistics are those of one group each.

    It is what a loop over the groups gives that hands B maps at a time to one BatchNorm: all groups in one call, as
    channels of their own, and running statistics as after the loop's updates, one for each group in turn.
    """

    def forward(self, x: Tensor, groups: int = 1) -> Tensor:
        if not self.training:
            return super().forward(x)
        apart = x.reshape(-1, groups * self.num_features, *x.shape[2:])
        mean, variance = (self.running_mean.new_zeros(apart.shape[1]) for _ in range(2))
        weight, bias = (values.repeat(groups) for values in (self.weight, self.bias))
        # with momentum 1 they become the statistics themselves, the variance unbiased, as running statistics have it
        out = F.batch_norm(apart, mean, variance, weight, bias, training=True, momentum=1.0, eps=self.eps)
        with torch.no_grad():
            kept = (1 - self.momentum) ** torch.arange(groups, -1, -1, device=x.device)
            for running, each in ((self.running_mean, mean), (self.running_var, variance)):
                new = self.momentum * (kept[1:, None] * each.view(groups, -1)).sum(0)
                running.copy_(kept[0] * running + new)
            self.num_batches_tracked += groups
        return out.view_as(x)


class Block(nn.Module):
    """A block of ResNet-18: two 3 x 3 convolutions beside a shortcut, which is a convolution where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = SlotNorm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = SlotNorm(outputs)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), SlotNorm(outputs))

    def forward(self, x: Tensor, groups: int) -> Tensor:
        shortcut = x
        if self.downsample is not None:
            convolution, norm = self.downsample
            shortcut = norm(convolution(x), groups)
        x = F.relu(self.bn1(self.conv1(x), groups))
        return F.relu(self.bn2(self.conv2(x), groups) + shortcut)


class Attention(nn.Module):
    """The mean of vectors, each weighed by the sigmoid of one linear layer; without attention, all alike."""

    def __init__(self, width: int, learned: bool):
        super().__init__()
        self.score = nn.Linear(width, 1) if learned else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted mean (..., D) of x (..., N, D), and the weights, which sum to one, (..., N)."""
        if self.score is None:
            weights = x.new_full(x.shape[:-1], 1 / x.shape[-2])
        else:
            # sigmoids over their sum, without a division by 0 where all of them vanish
            weights = F.logsigmoid(self.score(x).squeeze(-1).float()).softmax(-1)
        return (weights[..., None] * x).sum(-2), weights


class Output(NamedTuple):
    """Class scores (B, C); what each factor weighs within its frame (B, T, M), each frame within its clip (B, T)."""

    scores: Tensor
    factors: Tensor
    frames: Tensor


class Network(nn.Module):
    """Maps of T frames x M factors -> class scores.

    Parameters
    ----------
    channels : of the maps.
    slotwise : training statistics of BatchNorm are those of one frame and factor, not of all of a batch.
    frame_attention, magnification_attention : false: the mean.
    width : scales the 512 channels of the layer.
    weights : state dict of a ResNet-18, whose layer4 is taken; None: random.

    Raises InputError for weights that have no such layer, or one of another size.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int = 256,
        *,
        slotwise: bool = True,
        frame_attention: bool = True,
        magnification_attention: bool = True,
        width: float = 1.0,
        weights: Mapping[str, Tensor] | None = None,
    ):
        super().__init__()
        size = max(1, round(512 * width))
        self.slotwise = slotwise
        self.layer4 = nn.Sequential(Block(channels, size, stride=2), Block(size, size, stride=1))
        for part in self.layer4.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        self.factors = Attention(size, magnification_attention)
        self.frames = Attention(size, frame_attention)
        self.head = nn.Linear(size, num_classes)
        if weights is not None:
            source = "hyper-parameter 'weights'"
            layer = {name.removeprefix(LAYER): x for name, x in weights.items() if name.startswith(LAYER)}
            if not layer:
                raise InputError(f"{source}: no layer4 among {', '.join(list(weights)[:3])}, ...; name a ResNet-18")
            load(self.layer4, layer, f"{source}, layer4")

    def forward(self, maps: Tensor) -> Output:
        """Return scores and weights of maps (B, T, M, C, h, w)."""
        slots = maps.shape[1:3]
        x, groups = maps.flatten(0, 2), slots.numel() if self.slotwise else 1
        for block in self.layer4:
            x = block(x, groups)
        x, factors = self.factors(x.float().mean((2, 3)).unflatten(0, (-1, *slots)))
        x, frames = self.frames(x)
        return Output(self.head(x), factors, frames)
