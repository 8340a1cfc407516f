"""The network of MixMeFormer as released: ViT-B/16 on flow, ResNet-18 up to layer3 on the onset frame.

The frame's features are added to the tokens where they enter. The modules are timm's, so that pretrained weights fit.
88,587,589 parameters at 5 classes, 1,536 of them in a batch norm that the released code makes and never uses.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from apexbench.errors import InputError
from apexbench.torchvision_shim import ensure_torchvision
from apexbench.weights import load

VIT, RESNET = "vit_base_patch16_224", "resnet18"


class Network(nn.Module):
    """A vision transformer on (u, v); with `fusion` the onset frame's features are added to its tokens.

    Parameters
    ----------
    image_size : side in px of both inputs.
    vit, resnet : sizes that differ from ViT-B/16 and ResNet-18, as timm's builders take them.
    weights, semantic_weights : state dicts of the ViT and the ResNet; None: random.
    unused_norm : make the batch norm that the released code never uses.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int = 224,
        fusion: bool = True,
        vit: Mapping[str, Any] | None = None,
        resnet: Mapping[str, Any] | None = None,
        weights: Mapping[str, Tensor] | None = None,
        semantic_weights: Mapping[str, Tensor] | None = None,
        unused_norm: bool = True,
    ):
        super().__init__()
        ensure_torchvision()
        import timm

        self.vit = timm.create_model(VIT, img_size=image_size, in_chans=2, num_classes=0, **(vit or {}))
        if weights is not None:
            load(self.vit, _two_channels(dict(weights)), "hyper-parameter 'weights'")
        dim, grid = self.vit.embed_dim, self.vit.patch_embed.grid_size
        self.semantic = Semantic(dim, grid, image_size, resnet or {}, semantic_weights) if fusion else None
        self.head = nn.Linear(dim, num_classes)
        if unused_norm:
            self.norm = nn.BatchNorm1d(dim)

    def forward(self, flow: Tensor, onset: Tensor | None = None, attention: bool = False):
        """Return class scores (B, C) of flow (B, 2, S, S) and the onset frame (B, 3, S, S).

        With `attention`, also the last block's attention of the class token to each patch, mean over heads, (B, P),
        detached. It is what the scores were made with; a row sums to 1 less the class token's attention to itself.
        """
        vit = self.vit
        tokens = vit.norm_pre(vit.patch_drop(vit._pos_embed(vit.patch_embed(flow))))
        if self.semantic is not None:
            tokens = tokens + F.pad(self.semantic(onset), (0, 0, 1, 0))  # the class token stays as it is
        for block in vit.blocks[:-1]:
            tokens = block(tokens)
        token, attended = _class_token(vit.blocks[-1], tokens)
        scores = self.head(vit.norm(token)[:, 0])
        return (scores, attended) if attention else scores


class Semantic(nn.Module):
    """ResNet-18 up to layer3, then a 1 x 1 convolution: (B, 3, S, S) -> tokens (B, P, D)."""

    def __init__(self, dim: int, grid: tuple[int, int], image_size: int, resnet: Mapping[str, Any], weights=None):
        super().__init__()
        import timm

        # as in torchvision, a residual branch does not begin at zero
        network = timm.create_model(RESNET, num_classes=0, zero_init_last=False, **resnet)
        if weights is not None:
            load(network, weights, "hyper-parameter 'semantic_weights'")
        parts = ("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3")
        self.stages = nn.Sequential(*(getattr(network, name) for name in parts))
        side = -(-image_size // 16)
        if (side, side) != tuple(grid):
            raise InputError(
                f"image_size {image_size}: the onset frame makes {side} x {side} features, the flow {grid[0]} x "
                f"{grid[1]} patches; the patch size must be 16"
            )
        self.project = nn.Conv2d(network.feature_info[3]["num_chs"], dim, kernel_size=1)

    def forward(self, onset: Tensor) -> Tensor:
        return self.project(self.stages(onset)).flatten(2).transpose(1, 2)


def _class_token(block: nn.Module, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Run a block for the class token alone, (B, 1, D): no other token of the last block is used.

    Its attention (B, P) comes with it, so that it needs no second pass; the scores are those of the whole block.
    """
    attn, (batch, count, dim) = block.attn, tokens.shape
    x = block.norm1(tokens)
    weight, bias = attn.qkv.weight, attn.qkv.bias
    shape = (batch, -1, attn.num_heads, dim // attn.num_heads)
    query = F.linear(x[:, :1], weight[:dim], bias[:dim]).view(shape).transpose(1, 2)
    keys, values = F.linear(x, weight[dim:], bias[dim:]).view(batch, count, 2, *shape[2:]).permute(2, 0, 3, 1, 4)
    attention = (query * attn.scale @ keys.transpose(-2, -1)).softmax(dim=-1)
    token = tokens[:, :1] + attn.proj((attention @ values).transpose(1, 2).reshape(batch, 1, dim))
    token = token + block.mlp(block.norm2(token))
    return token, attention.detach()[:, :, 0, 1:].mean(dim=1)


def _two_channels(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network of pictures for (u, v): the mean over the colours, once for each, not rescaled."""
    name = "patch_embed.proj.weight"
    return {**state, name: state[name].mean(dim=1, keepdim=True).repeat(1, 2, 1, 1)} if name in state else state
