"""A ResNet of timm's that scores the pictures of a clip one by one."""

from collections.abc import Mapping

import torch
from torch import nn

from apexbench.timm_resnet import create_network
from apexbench.weights import load


class Faces(nn.Module):
    """Frames (B, T, 3, H, W), normalised -> scores (B, classes): the mean of those of the clip's frames.

    Of ragged clips `frames_lengths` (B,) says how many frames count.
    """

    def __init__(self, num_classes: int, network: str, *, width: float = 1.0, weights: Mapping | None = None):
        super().__init__()
        self.network = create_network(network, width)
        if weights is not None:
            load(self.network, weights, "weights")
        self.head = nn.Linear(self.network.num_features, num_classes)

    def forward(self, frames, frames_lengths=None):
        scores = self.head(self.network(frames.flatten(0, 1))).unflatten(0, frames.shape[:2])
        if frames_lengths is None:
            return scores.mean(1)
        there = torch.arange(frames.shape[1], device=frames.device) < frames_lengths[:, None]
        return (scores * there[..., None]).sum(1) / frames_lengths[:, None]
