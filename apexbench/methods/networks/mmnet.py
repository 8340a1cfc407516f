"""The network of MMNet, as in its released modules, without what is built there and never used.

9,438,841 parameters at 5 classes and 224 px: 5,220 of the stem, 3,025,429 of the rest of the motion branch with the
head, 6,408,192 of the position branch. `width` scales all channels, `image_size` all maps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 4


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]


class Residual(nn.Module):
    """Conv 3x3, then 1x1, beside a shortcut that is a convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(*_conv(inputs, outputs, 3, stride), nn.ReLU(), *_conv(outputs, outputs, 1))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(*_conv(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class ContinuousAttention(nn.Module):
    """A residual block whose output is weighed place by place, by its own map times that of the block before."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.residual = Residual(inputs, outputs, stride)
        self.attention = nn.Sequential(*_conv(2, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the output (B, C, H, W) and the map (B, 1, H, W) of x (B, C', H', W').

        `before` is the map (B, 1, 2 H, 2 W) that the block before returned, itself a product with those before it.
        """
        x = self.residual(x)
        weights = self.attention(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1))
        if before is not None:
            weights = weights * F.max_pool2d(before, kernel_size=3, stride=2, padding=1)
        return x * weights, weights


class Block(nn.Module):
    """A pre-norm transformer block; `drop_path` is the probability that a clip skips one of its two parts."""

    def __init__(self, width: int, mlp_ratio: float, drop_path: float):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        inner = round(width * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (B, P, width) of tokens x."""
        x = x + self._drop(self._attend(self.first(x)))
        return x + self._drop(self.mlp(self.second(x)))

    def _attend(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))

    def _drop(self, x: Tensor) -> Tensor:
        if not self.training or not self.drop_path:
            return x
        return x * x.new_empty(len(x), 1, 1).bernoulli_(1 - self.drop_path) / (1 - self.drop_path)


class Position(nn.Module):
    """Where the parts of the face are: the onset frame, shrunk to `side` x `side`, through a small transformer."""

    def __init__(self, side: int, width: int, depth: int, mlp_ratio: float, drop_path: float, antialias: bool):
        super().__init__()
        self.side, self.antialias = side, antialias
        self.embed = nn.Conv2d(3, width, 1)
        self.places = nn.Parameter(torch.empty(1, side * side, width))
        rates = torch.linspace(0, drop_path, depth, device="cpu").tolist()
        self.blocks = nn.Sequential(*(Block(width, mlp_ratio, rate) for rate in rates), nn.LayerNorm(width, eps=1e-6))

    def initialise(self) -> None:
        """Draw the weights of linear layers and the places; the embedding stays as PyTorch makes it."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.places, std=0.02)

    def forward(self, onset: Tensor) -> Tensor:
        """Return a map (B, width, side, side) of onset frames (B, 3, S, S)."""
        small = F.interpolate(onset, (self.side, self.side), mode="bilinear", antialias=self.antialias)
        tokens = self.blocks(self.embed(small).flatten(2).transpose(1, 2) + self.places)
        return tokens.transpose(1, 2).unflatten(2, (self.side, self.side))


class Network(nn.Module):
    """Motion (apex minus onset, four blocks of continuous attention) plus position, flattened into one linear head.

    In evaluation only the first `num_classes` of the head's `outputs` are returned.
    """

    def __init__(
        self,
        num_classes: int,
        outputs: int,
        *,
        depth: int,
        mlp_ratio: float,
        drop_path: float,
        image_size: int = 224,
        width: float = 1.0,
        stem_stride: int = 2,
        antialias: bool = False,
    ):
        super().__init__()
        # a multiple of the heads, so that the last can be cut among them; as published at width 1
        stem, *channels = (max(8, HEADS * round(c * width / HEADS)) for c in (180, 128, 128, 128, 256, 512))
        self.num_classes = num_classes
        self.stem = nn.Sequential(*_conv(3, stem, 3, stem_stride), nn.ReLU())
        self.conv = nn.Sequential(*_conv(stem, channels[0], 3), nn.ReLU())
        strides = (1, 2, 2, 2)
        self.stages = nn.ModuleList(
            ContinuousAttention(*shape) for shape in zip(channels[:-1], channels[1:], strides, strict=True)
        )
        side = -(-image_size // (8 * stem_stride))
        self.position = Position(side, channels[-1], depth, mlp_ratio, drop_path, antialias)
        self.head = nn.Linear(channels[-1] * side * side, outputs)
        self._initialise()

    def _initialise(self) -> None:
        # of the released code: the stem and the position branch's embedding stay as PyTorch makes them
        for module in [*self.conv.modules(), *self.stages.modules()]:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.position.initialise()

    def fused(self, onset: Tensor, apex: Tensor) -> Tensor:
        """Return the map (B, C, S / 16, S / 16) that the head reads, of normalised frames (B, 3, S, S)."""
        x, weights = self.conv(self.stem(apex - onset)), None
        for stage in self.stages:
            x, weights = stage(x, weights)
        return x + self.position(onset)

    def forward(self, onset: Tensor, apex: Tensor) -> Tensor:
        """Return the class scores of normalised frames (B, 3, S, S)."""
        scores = self.head(self.fused(onset, apex).flatten(1))
        return scores if self.training else scores[:, : self.num_classes]
