"""The networks of SRMCL: a ViT that reconstructs pictures from its masked features, a classifier on it, and a memory.

26,857,989 parameters at 5 classes, 26,605,061 of them trained: positions are fixed, and `bn_neck`, which the released
network makes and never uses, has a fixed bias. Without memory there is no such norm: 26,856,453.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from apexbench.errors import InputError
from apexbench.weights import load

COLOURS = 3
_EPS = 1e-6  # of every layer norm


class Block(nn.Module):
    """A transformer block, norms first: tokens (B, T, D) -> (B, T, D)."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=_EPS), nn.LayerNorm(dim, eps=_EPS)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        hidden = round(dim * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, tokens: Tensor, first: bool = False) -> Tensor:
        """Return all tokens; or the `first` alone, (B, 1, D), as the whole block gives it, at a part of the cost."""
        x, dim = self.norm1(tokens), tokens.shape[-1]
        asking, tokens = (x[:, :1], tokens[:, :1]) if first else (x, tokens)
        query = F.linear(asking, self.qkv.weight[:dim], self.qkv.bias[:dim])
        key, value = F.linear(x, self.qkv.weight[dim:], self.qkv.bias[dim:]).chunk(2, -1)
        heads = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        attended = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        tokens = tokens + self.proj(attended)
        return tokens + self.mlp(self.norm2(tokens))


class Autoencoder(nn.Module):
    """All patches are encoded, most of their features are masked, and the picture is reconstructed from the others.

    Parameters
    ----------
    mask_ratio : share of the patches that a round of masking removes; floor(P (1 - mask_ratio)) of P stay.
    early_norm : the decoder's norm is applied before its blocks too.
    weights : state dict of another; None: random. InputError if it is of another size.
    """

    def __init__(
        self,
        *,
        image_size: int,
        patch_size: int,
        dim: int,
        depth: int,
        heads: int,
        mlp_ratio: float,
        decoder_dim: int,
        decoder_depth: int,
        decoder_heads: int,
        mask_ratio: float,
        early_norm: bool,
        weights: Mapping[str, Tensor] | None = None,
    ):
        super().__init__()
        self.patch_size, self.side = patch_size, image_size // patch_size
        self.early_norm = early_norm
        self.kept = int(self.side**2 * (1 - mask_ratio) + 1e-6)  # 0.1 of 100 patches are 10
        self.patch_embed = nn.Conv2d(COLOURS, dim, patch_size, patch_size)
        self.cls_token, self.mask_token = (nn.Parameter(torch.zeros(1, 1, dim)) for _ in range(2))
        self.positions = nn.Parameter(sin_cos(dim, self.side), requires_grad=False)
        self.new_block = partial(Block, dim, heads, mlp_ratio)
        self.encoder = nn.Sequential(*(self.new_block() for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=_EPS)
        self.decoder_embed = nn.Linear(dim, decoder_dim)
        self.decoder_positions = nn.Parameter(sin_cos(decoder_dim, self.side), requires_grad=False)
        self.decoder = nn.Sequential(*(Block(decoder_dim, decoder_heads, mlp_ratio) for _ in range(decoder_depth)))
        self.decoder_norm = nn.LayerNorm(decoder_dim, eps=_EPS)
        self.decoder_pred = nn.Linear(decoder_dim, COLOURS * patch_size**2)
        sizes = {
            "image_size": image_size,
            "patch_size": patch_size,
            "dim": dim,
            "depth": depth,
            "heads": heads,
            "mlp_ratio": mlp_ratio,
            "decoder_dim": decoder_dim,
            "decoder_depth": decoder_depth,
            "decoder_heads": decoder_heads,
        }
        self.register_buffer("sizes", torch.tensor([*sizes.values()], dtype=torch.float32))  # shapes do not tell heads
        initialise(self)
        if weights is not None:
            source = "hyper-parameter 'weights'"
            for name, theirs, own in zip(sizes, weights.get("sizes", ()), self.sizes, strict=False):
                if theirs != own:
                    raise InputError(
                        f"{source}: they are of {name} {theirs:g}, the network is of {own:g}; give the card and the "
                        f"recipe of the pre-training the same {name}, under each budget"
                    )
            load(self, weights, source)

    def encode(self, picture: Tensor) -> Tensor:
        """Return tokens (B, 1 + P, D) of a picture (B, 3, S, S), the class token first."""
        patches = self.patch_embed(picture).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.positions
        return self.norm(self.encoder(tokens))

    def mask(self, tokens: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Put the mask token in the place of all patches but `kept`, drawn for each clip; the class token stays.

        Returns tokens (B, 1 + P, D), and which patches were removed, (B, P) bool: some may have been masked before.
        """
        noise = torch.rand(len(tokens), tokens.shape[1] - 1, device=tokens.device, generator=generator)
        removed = noise.argsort(dim=1, stable=True) >= self.kept
        patches = torch.where(removed[..., None], self.mask_token, tokens[:, 1:])
        return torch.cat([tokens[:, :1], patches], dim=1), removed

    def decode(self, tokens: Tensor) -> Tensor:
        """Return the px of each patch, (B, P, 3 p p), of tokens (B, 1 + P, D)."""
        x = self.decoder_embed(tokens)
        x = (self.decoder_norm(x) if self.early_norm else x) + self.decoder_positions
        return self.decoder_pred(self.decoder_norm(self.decoder(x)))[:, 1:]

    def error(self, tokens: Tensor, removed: Tensor, picture: Tensor) -> Tensor:
        """Return the mean over removed patches of the mean squared difference of their px."""
        errors = (self.decode(tokens) - self.patches(picture)).square().mean(-1)
        return (errors * removed).sum() / removed.sum()

    def patches(self, picture: Tensor) -> Tensor:
        """Cut pictures (B, 3, S, S) into patches (B, P, 3 p p), row by row."""
        x = picture.unflatten(3, (self.side, -1)).unflatten(2, (self.side, -1))  # B, 3, side, p, side, p
        return x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)

    def picture(self, patches: Tensor) -> Tensor:
        """Undo `patches`."""
        x = patches.unflatten(2, (COLOURS, self.patch_size, -1)).unflatten(1, (self.side, -1))
        return x.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)

    def forward(self, picture: Tensor) -> Tensor:
        """Return the error of one round of masking."""
        tokens, removed = self.mask(self.encode(picture))
        return self.error(tokens, removed, picture)


class Output(NamedTuple):
    """Class scores (B, C), features (B, D) of unit length, and the sum over rounds of the errors of reconstruction."""

    scores: Tensor
    features: Tensor
    error: Tensor


class Network(nn.Module):
    """A classifier on the autoencoder's tokens: after `rounds` of masking in training, on the whole ones in the test.

    Each round masks what the one before has left, mask tokens too, and reconstructs the picture.
    """

    def __init__(self, num_classes: int, autoencoder: Autoencoder, rounds: int, memory: "Memory | None" = None):
        super().__init__()
        self.autoencoder, self.rounds, self.memory = autoencoder, rounds, memory
        self.last = autoencoder.new_block()
        dim = self.last.proj.out_features
        self.head = nn.Sequential(nn.LayerNorm(dim, eps=_EPS), nn.Linear(dim, num_classes))
        if memory is not None:
            self.bn_neck = nn.BatchNorm1d(dim)
            self.bn_neck.bias.requires_grad_(False)
        initialise(self.last)
        initialise(self.head)

    def masked_features(self, picture: Tensor) -> Tensor:
        """Return features (B, D) of unit length of pictures whose tokens are masked as in training."""
        tokens = self.autoencoder.encode(picture)
        for _ in range(self.rounds):
            tokens, _ = self.autoencoder.mask(tokens)
        return F.normalize(self.last(tokens, first=True)[:, 0], dim=1)

    def reconstructions(self, picture: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return what each round removed, (B, rounds, S, S) bool, and reconstructed, (B, rounds, 3, S, S)."""
        coder = self.autoencoder
        tokens, masks, pictures = coder.encode(picture), [], []
        for _ in range(self.rounds):
            tokens, removed = coder.mask(tokens, generator)
            pictures.append(coder.picture(coder.decode(tokens)))
            pixels = removed.unflatten(1, (coder.side, -1))
            masks.append(pixels.repeat_interleave(coder.patch_size, 1).repeat_interleave(coder.patch_size, 2))
        return torch.stack(masks, 1), torch.stack(pictures, 1)

    def forward(self, picture: Tensor) -> Output:
        tokens, error = self.autoencoder.encode(picture), picture.new_zeros(())
        if self.training:
            for _ in range(self.rounds):
                tokens, removed = self.autoencoder.mask(tokens)
                error = error + self.autoencoder.error(tokens, removed, picture)
        feature = self.last(tokens, first=True)[:, 0]
        return Output(self.head(feature), F.normalize(feature, dim=1), error)


class Memory(nn.Module):
    """A prototype of each class, (K, D) of unit length, to which features are compared; no gradient reaches it.

    A class without training clips has zeros: it gets no score, so that it neither draws features nor pushes them.
    """

    def __init__(self, num_classes: int, dim: int, *, temperature: float, momentum: float, hard: bool):
        super().__init__()
        self.temperature, self.momentum, self.hard = temperature, momentum, hard
        self.register_buffer("prototypes", torch.zeros(num_classes, dim))

    def start(self, features: Tensor, targets: Tensor) -> None:
        """Begin with the means of each class of all training clips, features (N, D) of unit length, classes (N,)."""
        self.prototypes = F.normalize(self._of(targets).T.float() @ features.float(), dim=1)

    def loss(self, features: Tensor, targets: Tensor) -> Tensor:
        """Return the cross entropy of cosine / temperature; features (B, D) of unit length, classes (B,)."""
        scores = features.float() @ self.prototypes.T / self.temperature
        absent = ~self.prototypes.any(dim=1)
        return F.cross_entropy(scores.masked_fill(absent, -math.inf), targets)

    def update(self, features: Tensor, targets: Tensor) -> None:
        """Move the prototypes of a batch's classes to the mean of its features, or with `hard` to the farthest one.

        The buffer is replaced, not changed: the gradient of the step's loss is that of the prototypes before.
        """
        features, own = features.detach().float(), self._of(targets)
        if self.hard:
            similarity = (features @ self.prototypes.T).masked_fill(~own, math.inf)
            new = features[similarity.argmin(dim=0)]
        else:
            new = own.T.float() @ features / own.sum(0).clamp(min=1)[:, None]
        moved = F.normalize(self.momentum * self.prototypes + (1 - self.momentum) * new, dim=1)
        self.prototypes = torch.where(own.any(0)[:, None], moved, self.prototypes)

    def _of(self, targets: Tensor) -> Tensor:
        """Which class each clip is of, (B, K) bool."""
        return targets[:, None] == torch.arange(len(self.prototypes), device=targets.device)


def sin_cos(dim: int, side: int) -> Tensor:
    """Return fixed positions (1, 1 + side**2, dim): waves of the column, then of the row; the class token has zeros."""
    rates = 10_000.0 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    angles = torch.arange(side, dtype=torch.float64)[:, None] * rates
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    places = torch.cat([waves.repeat(side, 1), waves.repeat_interleave(side, 0)], dim=1)
    return F.pad(places, (0, 0, 1, 0)).float()[None]


def initialise(module: nn.Module) -> None:
    """Begin as masked autoencoders do: Xavier's uniform weights, the patch embedding as if linear, small tokens."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
        elif isinstance(part, Autoencoder):
            nn.init.xavier_uniform_(part.patch_embed.weight.data.flatten(1))
            nn.init.normal_(part.cls_token, std=0.02)
            nn.init.normal_(part.mask_token, std=0.02)
