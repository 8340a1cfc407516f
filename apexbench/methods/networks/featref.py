"""The network of FeatRef on the streams of Dual-Inception; its branches are ours."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from apexbench.methods.networks.dual_inception import FILTERS, Streams


class Proposal(nn.Module):
    """One class: a gate on the shared maps, its own features of them, and whether it is there."""

    def __init__(self, channels: int, side: int, hidden: int):
        super().__init__()
        self.gate = nn.Sequential(nn.Conv2d(channels, channels, kernel_size=1), nn.Sigmoid())
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(channels * side**2, hidden), nn.ReLU())
        self.detect = nn.Linear(hidden, 1)

    def forward(self, shared: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, hidden) and a logit (B, 1) of shared maps (B, channels, side, side)."""
        features = self.features(shared * self.gate(shared))
        return features, self.detect(features)


class Network(nn.Module):
    """Streams that all classes share, a proposal for each class, a head on the features of all proposals."""

    def __init__(self, num_classes: int, side: int = 28, filters: Sequence[int] = FILTERS, hidden: int = 512):
        super().__init__()
        self.streams = Streams(filters)
        branches = [Proposal(self.streams.channels, side // 4, hidden) for _ in range(num_classes)]
        self.proposals = nn.ModuleList(branches)
        self.head = nn.Linear(num_classes * hidden, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class scores and the logits of the proposals, both (B, C), of u and v in x (B, 2, S, S)."""
        shared = self.streams(x)
        features, logits = zip(*(proposal(shared) for proposal in self.proposals), strict=True)
        return self.head(torch.cat(features, dim=1)), torch.cat(logits, dim=1)
