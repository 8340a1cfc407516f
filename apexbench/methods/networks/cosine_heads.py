"""Heads that know each class by a direction: cosines to it, and the losses that pull clips towards their own.

Proxy anchor, ArcFace and CosFace, with the values of the released code of HTNet-PA, which compares them.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from apexbench.methods.networks.portable import square_root


class Cosines(nn.Module):
    """One proxy for each class, drawn with the model: normal of variance 2 / C if `kaiming`, else Xavier uniform."""

    def __init__(self, dim: int, num_classes: int, kaiming: bool):
        super().__init__()
        self.proxies = nn.Parameter(torch.empty(num_classes, dim))
        if kaiming:
            nn.init.kaiming_normal_(self.proxies, mode="fan_out")
        else:
            nn.init.xavier_uniform_(self.proxies)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the cosine to each class's proxy, (B, C), of embeddings (B, D)."""
        return F.linear(F.normalize(embeddings), F.normalize(self.proxies))


def proxy_anchor(cosines: Tensor, presence: Tensor, alpha: float = 32.0, delta: float = 0.1) -> Tensor:
    """Return the scalar loss of cosines (B, C) and which class each clip has, presence (B, C) of 0 and 1.

    Each class draws those that have it, the least like its proxy most, and pushes off the others, the most like it
    most; the mean over the classes of the batch of the one, over all classes of the other.
    """
    own, none = presence > 0, cosines.new_full((), -math.inf)
    drawn = _log_one_plus_sum(torch.where(own, -alpha * (cosines - delta), none))
    pushed = _log_one_plus_sum(torch.where(own, none, alpha * (cosines + delta)))
    return drawn.sum() / own.any(0).sum().clamp(min=1) + pushed.mean()


def _log_one_plus_sum(x: Tensor) -> Tensor:
    """log(1 + sum of e^x over the clips), (C,), of x (B, C)."""
    return torch.cat([torch.zeros_like(x[:1]), x]).logsumexp(0)


def arcface(cosines: Tensor, presence: Tensor, scale: float = 30.0, margin: float = 0.5) -> Tensor:
    """Return class scores (B, C): the angle (radians) to a clip's own class is taken for larger by the margin."""
    sines = square_root((1 - cosines**2).clamp(min=1e-6))
    return scale * torch.where(presence > 0, cosines * math.cos(margin) - sines * math.sin(margin), cosines)


def cosface(cosines: Tensor, presence: Tensor, scale: float = 30.0, margin: float = 0.35) -> Tensor:
    """Return class scores (B, C): the cosine to a clip's own class is taken for smaller by the margin."""
    return scale * (cosines - margin * presence)
