"""The network of HTNet: levels of fewer, wider tokens each, which attend to those of their part of the map.

114,429,446 parameters at 3 classes and depths (2, 2, 8), 139,582,982 at (2, 2, 10). At patches of 7 px every part holds
one token at every level, which attends to itself alone: queries and keys decide nothing, and are not computed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """A pre-norm transformer block. Heads have dim // heads numbers each; what does not divide is left out."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        inner = dim // heads * heads
        self.heads = heads
        self.first, self.second = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query_key, self.value = nn.Linear(dim, 2 * inner, bias=False), nn.Linear(dim, inner, bias=False)
        self.out = nn.Linear(inner, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (B, T, dim) of tokens x, which attend to all T."""
        x = x + self.out(self._attend(self.first(x)))
        return x + self.mlp(self.second(x))

    def _attend(self, x: Tensor) -> Tensor:
        value = self.value(x)
        if x.shape[1] == 1:
            return value
        query, key = self.query_key(x).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        value = value.unflatten(2, (self.heads, -1)).transpose(1, 2)
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


class Level(nn.Module):
    """`depth` blocks of a transformer in each of `side` x `side` parts of the map; a place is one number for all."""

    def __init__(self, dim: int, heads: int, depth: int, side: int, tokens: int):
        super().__init__()
        self.side = side
        self.places = nn.Parameter(torch.randn(tokens))
        self.blocks = nn.Sequential(*(Block(dim, heads) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """Return a map (B, H, W, dim) of a map x."""
        side, within = self.side, x.shape[1] // self.side
        parts = x.unflatten(2, (side, within)).unflatten(1, (side, within)).transpose(2, 3)
        tokens = self.blocks(parts.reshape(-1, within * within, x.shape[-1]) + self.places[:, None])
        return tokens.view(parts.shape).transpose(2, 3).reshape(x.shape)


class Aggregate(nn.Module):
    """Conv 3x3 to a wider map, layer norm over its channels, max pool to half the size."""

    def __init__(self, dim: int, wider: int):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(dim, wider, 3, padding=1), nn.LayerNorm(wider)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map (B, H / 2, W / 2, wider) of a map x (B, H, W, dim)."""
        x = self.norm(self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        return F.max_pool2d(x.permute(0, 3, 1, 2), 3, stride=2, padding=1).permute(0, 2, 3, 1)


class Network(nn.Module):
    """Patches, levels of twice the width and half the size each, the mean over places, and a head on it.

    The map of patches has `patches` on a side, a multiple of 2 ** (levels - 1). `head` takes (B, features), of
    `features` = dim * 2 ** (levels - 1), to what the network returns.
    """

    def __init__(self, head: nn.Module, *, patch: int, patches: int, dim: int, heads: int, depths: Sequence[int]):
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(3 * patch**2, dim)
        layers = []
        for number, depth in enumerate(depths):
            width, side = dim * 2**number, 2 ** (len(depths) - 1 - number)
            tokens = (patches // 2 ** (len(depths) - 1)) ** 2
            layers.append(Level(width, heads * 2**number, depth, side, tokens))
            if side > 1:
                layers.append(Aggregate(width, 2 * width))
        self.levels = nn.Sequential(*layers)
        self.norm, self.head = nn.LayerNorm(width), head

    def forward(self, x: Tensor) -> Tensor:
        """Return what the head makes of maps x (B, 3, S, S)."""
        patches = F.pixel_unshuffle(x, self.patch).permute(0, 2, 3, 1)
        return self.head(self.norm(self.levels(self.embed(patches))).mean((1, 2)))
