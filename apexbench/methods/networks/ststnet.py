"""The network of STSTNet as released in PyTorch: 1683 parameters at 3 classes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Network(nn.Module):
    """Three streams of 3, 5 and 8 filters: conv 3x3 (padding 2), ReLU, batch norm, max pool, dropout; then one head.

    The streams read the same maps and do the same, so one convolution of 16 filters is all three of them. On the CPU
    the stem runs as one compiled pass over each clip (`ststnet_kernel`), four times as fast as the modules and equal to
    them up to rounding; its dropout draws another pattern. `fused=False` keeps the plain modules everywhere.
    """

    def __init__(self, num_classes: int, dropout: float = 0.5, fused: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(3, 3 + 5 + 8, kernel_size=3, padding=2)
        self.norm = nn.BatchNorm2d(16)
        self.head = nn.Linear(400, num_classes)
        self.dropout = dropout
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores, (B, C), of flow maps x (B, 3, 28, 28)."""
        if self.fused and x.device.type == "cpu" and not x.requires_grad:
            return self.head(self._fused(x).flatten(1))
        x = F.max_pool2d(self.norm(F.relu(self.conv(x))), kernel_size=3, stride=3, padding=1)
        return self.head(self._drop_and_average(x).flatten(1))

    def _drop_and_average(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.dropout(x, self.dropout, self.training), 2)

    def _fused(self, x: Tensor) -> Tensor:
        from apexbench.methods.networks import ststnet_kernel as kernel

        norm = self.norm
        parameters = self.conv.weight, self.conv.bias, norm.weight, norm.bias
        if not self.training:
            pooled = kernel.stem_eval(x, *parameters, norm.running_mean, norm.running_var, norm.eps)
            return F.avg_pool2d(pooled, 2)
        pooled, mean, var = kernel.stem(x, *parameters, norm.eps)
        with torch.no_grad():
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(var, norm.momentum)
            norm.num_batches_tracked += 1
        return kernel.drop_and_average(pooled) if self.dropout == 0.5 else self._drop_and_average(pooled)
