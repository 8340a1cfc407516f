"""3D ResNets and the 3D ResNeXt-101 of kenshohara/video-classification-3d-cnn-pytorch, whose names of layers they have.

Convolutions begin normal with standard deviation (2 / (k_t k_h channels out))^0.5: two sides of the kernel of three, as
released. The released network ends with an average over ceil(T / 16) x ceil(S / 32)^2, which is all that there is.
Parameters at three classes: ResNeXt-101 47,527,363, ResNet-50 46,205,123, ResNet-18 33,031,619.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from apexbench.methods.networks.recompute import recomputed


class Kind(NamedTuple):
    """What tells one network from another.

    Attributes
    ----------
    depths : blocks of each stage.
    inner : channels within the blocks of the first stage; each later stage has twice as many.
    expansion : of a block's output over that, where a block is a bottleneck; 0: two plain convolutions.
    groups : of a bottleneck's 3x3x3 convolution.
    """

    depths: tuple[int, ...]
    inner: int
    expansion: int
    groups: int = 1


KINDS = {
    "resnext101": Kind((3, 4, 23, 3), 128, 2, 32),
    "resnet50": Kind((3, 4, 6, 3), 64, 4),
    "resnet18": Kind((2, 2, 2, 2), 64, 0),
}


class Norm(nn.BatchNorm3d):
    """Batch norm of several views, which lie one after the other in the batch: in training each by itself."""

    def forward(self, x: Tensor, views: int = 1) -> Tensor:
        if views == 1 or not self.training:
            return super().forward(x)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(views)
        options = self.running_mean, self.running_var, self.weight, self.bias, True, self.momentum, self.eps
        return torch.cat([F.batch_norm(view, *options) for view in x.chunk(views)])


class Shortcut(nn.Module):
    """Every `stride`-th element and zeros for the channels that lack: type A, without parameters."""

    def __init__(self, channels: int, stride: int):
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x: Tensor) -> Tensor:
        step = self.stride
        return F.pad(x[:, :, ::step, ::step, ::step], (0, 0, 0, 0, 0, 0, 0, self.channels - x.shape[1]))


class Plain(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, inner: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, inner, 3, stride, 1, bias=False)
        self.bn1 = Norm(inner)
        self.conv2 = nn.Conv3d(inner, inner, 3, 1, 1, bias=False)
        self.bn2 = Norm(inner)
        self.downsample = nn.Identity() if (inputs, stride) == (inner, 1) else Shortcut(inner, stride)

    def forward(self, x: Tensor, views: int = 1) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x), views))
        return F.relu(self.bn2(self.conv2(out), views) + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1x1, 3x3x3 in groups and 1x1x1, and a shortcut that is a convolution where the shape changes: type B."""

    def __init__(self, inputs: int, inner: int, outputs: int, groups: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, inner, 1, bias=False)
        self.bn1 = Norm(inner)
        self.conv2 = nn.Conv3d(inner, inner, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = Norm(inner)
        self.conv3 = nn.Conv3d(inner, outputs, 1, bias=False)
        self.bn3 = Norm(outputs)
        self.downsample = nn.Identity()
        if (inputs, stride) != (outputs, 1):
            self.downsample = nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride, bias=False), Norm(outputs))

    def forward(self, x: Tensor, views: int = 1) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x), views))
        out = F.relu(self.bn2(self.conv2(out), views))
        for layer in self.downsample.children():
            x = layer(x, views) if isinstance(layer, Norm) else layer(x)
        return F.relu(self.bn3(self.conv3(out), views) + x)


class ResNet3d(nn.Module):
    """Clips (B, 3, T, H, W) -> features (B, `num_features`).

    Parameters
    ----------
    kind : of `KINDS`.
    width : scales the channels; of a ResNeXt the groups, which stay as wide.
    depths : blocks of each stage, of fewer than four too; none: the kind's.
    stem : sides of the first kernel, odd.
    momentum : what a batch counts in the running statistics of batch norms.
    recompute : keep nothing of what is inside of a block, and compute it again for the gradient.
    """

    def __init__(
        self,
        kind: str,
        *,
        width: float = 1.0,
        depths: Sequence[int] | None = None,
        stem: tuple[int, int, int] = (7, 7, 7),
        momentum: float = 0.1,
        recompute: bool = False,
    ):
        super().__init__()
        given = KINDS[kind]
        groups = max(1, round(given.groups * width)) if given.groups > 1 else 1
        inner = given.inner // given.groups * groups if given.groups > 1 else max(1, round(given.inner * width))
        self.recompute = recompute
        channels = max(1, round(64 * width))
        self.conv1 = nn.Conv3d(3, channels, stem, (1, 2, 2), [side // 2 for side in stem], bias=False)
        self.bn1 = Norm(channels)
        depths = depths or given.depths
        self.stages = len(depths)
        for stage, depth in enumerate(depths):
            blocks = []
            for place in range(depth):
                stride = 2 if stage and not place else 1
                if given.expansion:
                    outputs = inner * given.expansion
                    blocks.append(Bottleneck(channels, inner, outputs, groups, stride))
                else:
                    outputs = inner
                    blocks.append(Plain(channels, inner, stride))
                channels = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            inner *= 2
        self.num_features = channels
        for layer in self.modules():
            if isinstance(layer, Norm):
                layer.momentum = momentum
            if isinstance(layer, nn.Conv3d):
                kept = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels
                nn.init.normal_(layer.weight, 0, (2 / kept) ** 0.5)

    def forward(self, x: Tensor, views: int = 1) -> Tensor:
        """Return features of clips; of several `views`, which lie one after the other, as of each by itself."""
        x = F.max_pool3d(F.relu(self.bn1(self.conv1(x), views)), 3, 2, 1)
        for stage in range(self.stages):
            for block in getattr(self, f"layer{stage + 1}"):
                x = recomputed(block, partial(block, views=views), x) if self.recompute else block(x, views)
        return x.mean((2, 3, 4))
