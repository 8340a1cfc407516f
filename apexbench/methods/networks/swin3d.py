"""Video Swin Transformers (Liu et al., CVPR 2022) of four sizes: torchvision's module, with its names of layers.

Patches of 2 x 4 x 4, windows of 8 x 7 x 7, a stochastic depth of 0.2, as Décalcomanie builds them. Parameters of T, S,
B and L at three classes: 27,852,777, 49,511,385, 87,642,059, 196,343,727; with 34 frames as channels, as released,
27,948,009, 49,606,617, 87,769,035, 196,534,191.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from apexbench.methods.networks.recompute import recomputed
from apexbench.torchvision_shim import ensure_torchvision

ensure_torchvision()

from torchvision.models.swin_transformer import SwinTransformerBlock  # noqa: E402
from torchvision.models.video.swin_transformer import (  # noqa: E402
    PatchEmbed3d,
    ShiftedWindowAttention3d,
    SwinTransformer3d,
)


class Kind(NamedTuple):
    """Channels and heads of the first stage, of which each later one has twice as many, and blocks of each stage."""

    channels: int
    heads: int
    depths: tuple[int, ...]


KINDS = {
    "swin-t": Kind(96, 3, (2, 2, 6, 2)),
    "swin-s": Kind(96, 3, (2, 2, 18, 2)),
    "swin-b": Kind(128, 4, (2, 2, 18, 2)),
    "swin-l": Kind(192, 6, (2, 2, 18, 2)),
}


class Recomputed(SwinTransformerBlock):
    """A block that keeps nothing of what is inside of it, and computes it again for the gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return recomputed(self, super().forward, x)


def swin3d(
    kind: str,
    *,
    inputs: int = 3,
    width: float = 1.0,
    depths: Sequence[int] | None = None,
    recompute: bool = False,
) -> SwinTransformer3d:
    """Return a network without its head: clips (B, inputs, T, H, W) -> features (B, `num_features`).

    `width` scales the channels, to multiples of the heads; `depths` are the blocks of each stage, none: the kind's.
    """
    given = KINDS[kind]
    stages = range(len(given.depths))
    model = SwinTransformer3d(
        patch_size=[2, 4, 4],
        embed_dim=given.heads * max(1, round(given.channels / given.heads * width)),
        depths=list(depths or given.depths),
        num_heads=[given.heads * 2**stage for stage in stages],
        window_size=[8, 7, 7],
        stochastic_depth_prob=0.2,
        block=partial(Recomputed if recompute else SwinTransformerBlock, attn_layer=ShiftedWindowAttention3d),
        patch_embed=partial(PatchEmbed3d, in_channels=inputs),
    )
    model.head = nn.Identity()
    return model
