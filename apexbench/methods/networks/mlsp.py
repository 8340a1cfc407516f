"""The network of MLSP-2024 and of the same authors' ICIP and dual-branch codes, one module for all of them.

The released code is Keras. Where Keras and PyTorch differ, this is Keras:

- Pooling is `same`: ceil(n / k) windows; what they lack is split among both ends, the right one takes the odd element,
  and is -inf, never 0. Convolutions are `same` with stride 1, where the two libraries agree.
- Kernels of convolutions and dense layers begin truncated normal (He: standard deviation (2 / fan in)^0.5 after the cut
  at two of its own), but for those that the code leaves to Keras' Glorot uniform: the first layers of the channel
  attention, the GRU's of its input, the attention over time, the output. Recurrent kernels begin orthogonal as a whole,
  biases 0. That the spatial attention's is He's, and the output's Glorot's, is inferred.
- A GRU resets after the product with the recurrent kernel and has two biases (`reset_after`), which is PyTorch's, too:
  n = tanh(W_n x + b_n + r (U_n h + c_n)). Its gates stand in another order; begun at random, that is the same.
- An LSTM has one bias, 1 for the forget gate; PyTorch's second stays 0 and is not trained.
- `Flatten` puts channels last, here they come first: the same network with its weights in another order.

Parameters at 128 px and three classes: 2,836,759; 3,817,055 where the merge has 64 channels; 7,656,395 of the ICIP
code, all of them at any number of frames. `width` scales every layer but the input and the output.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from apexbench.methods.networks.portable import LSTM

SCALES = (2, 4, 8, 16, 32, 64, 128, 256)  # of the attention: a head is as wide as the recurrent layer over its scale
HEADS = 8  # of the attention whose heads are all as wide as the recurrent layer
QUERIES = 10  # of which the attention keeps the best score for each key
REDUCTION = 8
SLOPE = 0.2


def pooled_length(length: int, size: int) -> int:
    """Return how many windows of `size`, side by side, Keras' `same` pooling has."""
    return -(-length // size)


def same_pool(x: Tensor, size: int, axes: int) -> Tensor:
    """Return the maxima of windows of `size` with stride `size` along the last `axes` axes (1 or 3), as `same`.

    With the smaller half of the padding on both ends, `ceil_mode` adds the odd element on the right.
    """
    if size == 1:
        return x
    padding = [(pooled_length(length, size) * size - length) // 2 for length in x.shape[-axes:]]
    pool = {1: F.max_pool1d, 3: F.max_pool3d}[axes]
    return pool(x, size, size, padding, ceil_mode=True)


def he_normal_(weight: Tensor) -> None:
    """Fill with Keras' He normal: of variance 2 / fan in once it is cut at two standard deviations."""
    deviation = (2 / weight[0].numel()) ** 0.5 / 0.87962566103423978
    nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)


def _initialised(layer: nn.Linear | nn.Conv3d, initialise=he_normal_) -> nn.Linear | nn.Conv3d:
    initialise(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _dense(inputs: int, outputs: int, initialise=he_normal_) -> nn.Linear:
    return _initialised(nn.Linear(inputs, outputs), initialise)


class PooledConv(nn.Module):
    """Convolution, leaky ReLU, max pooling. The ReLU comes after the pooling: it is monotonic, and has less to do."""

    def __init__(self, inputs: int, outputs: int, kernel: int, pooling: int):
        super().__init__()
        self.conv = _initialised(nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2))
        self.pooling = pooling

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, T / p, H / p, W / p), rounded up, of x (B, C', T, H, W)."""
        return F.leaky_relu(same_pool(self.conv(x), self.pooling, 3), SLOPE)


class ChannelAttention(nn.Module):
    """What weighs each channel, from its mean and its maximum over time and place.

    Each goes through a small MLP of its own (`shared`: through the same one, as the paper's figure has it and no code).
    `sum` is the usual sigmoid(max + mean), `half-diff` the paper's sigmoid((max - mean) / 2).
    """

    def __init__(self, channels: int, mode: str, shared: bool):
        super().__init__()
        inner = max(1, channels // REDUCTION)
        self.mean, self.max = (
            nn.Sequential(
                _dense(channels, inner, nn.init.xavier_uniform_), nn.LeakyReLU(SLOPE), _dense(inner, channels)
            )
            for _ in range(2)
        )
        if shared:
            self.max = self.mean
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        """Return weights (B, C, 1, 1, 1) of x (B, C, T, H, W)."""
        mean, most = self.mean(x.mean((2, 3, 4))), self.max(x.amax((2, 3, 4)))
        weights = torch.sigmoid(most + mean if self.mode == "sum" else 0.5 * (most - mean))
        return weights[:, :, None, None, None]


class CBAM(nn.Module):
    """Channel and spatial attention side by side, both of x. The spatial one has a map for each channel, not one."""

    def __init__(self, channels: int, mode: str, shared: bool):
        super().__init__()
        self.channel = ChannelAttention(channels, mode, shared)
        self.spatial = _initialised(nn.Conv3d(2, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return x (B, C, T, H, W), weighed."""
        place = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)
        return x * self.channel(x) * torch.sigmoid(self.spatial(place))


class TimeAttention(nn.Module):
    """Self-attention over time whose heads differ in width, and which keeps of every ten queries the best.

    Of the scores S = Q K^T / width^0.5 of a head, the maximum over each ten queries (`same` pooling) goes through the
    softmax over keys: of ten steps or fewer one is left. Nothing is masked, dropped, normalised or added.
    """

    def __init__(self, inputs: int, widths: list[int]):
        super().__init__()
        self.widths = widths
        self.query, self.key, self.value = (nn.Linear(inputs, sum(widths)) for _ in range(3))
        self.out = nn.ModuleList(_dense(width, width, nn.init.xavier_uniform_) for width in widths)
        for layer in (self.query, self.key, self.value):  # a layer of each head in Keras, so each begins by its width
            heads = [nn.init.xavier_uniform_(torch.empty(width, inputs)) for width in widths]
            layer.weight = nn.Parameter(torch.cat(heads))
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T / 10 rounded up, sum of the widths) of steps x (B, T, D)."""
        parts = (layer(x).split(self.widths, dim=-1) for layer in (self.query, self.key, self.value))
        heads = []
        for query, key, value, out in zip(*parts, self.out, strict=True):
            scores = key @ query.transpose(1, 2) / query.shape[-1] ** 0.5  # keys first: the pooled axis must be last
            heads.append(out(same_pool(scores, QUERIES, 1).softmax(1).transpose(1, 2) @ value))
        return torch.cat(heads, dim=-1)


def _recurrent(kind: str, inputs: int, width: int) -> nn.GRU | LSTM:
    layer = LSTM(inputs, width) if kind == "lstm" else nn.GRU(inputs, width, batch_first=True)
    nn.init.xavier_uniform_(layer.weight_ih_l0)
    nn.init.orthogonal_(layer.weight_hh_l0)
    nn.init.zeros_(layer.bias_ih_l0)
    nn.init.zeros_(layer.bias_hh_l0)
    if kind == "lstm":
        nn.init.ones_(layer.bias_ih_l0.detach()[width : 2 * width])  # gates: input, forget, cell, output
        layer.bias_hh_l0.requires_grad_(False)
    return layer


class Network(nn.Module):
    """Two 3D convolutions side by side, their merge, CBAM; then, step by step, two dense layers, a GRU and attention.

    Parameters
    ----------
    image_size : side of the frames, px.
    branches : 2, or 1: the 5x5x5 convolution alone.
    pooling : size and stride of all pooling, along time as well.
    merge_channels : of the convolution that merges the branches.
    cbam : `half-diff`, `sum` or `none`; `shared_mlp`: see `ChannelAttention`.
    dropout : before each of the dense layers of 128 and 64 units; `third_dropout` has it after them as well.
    recurrent, recurrent_width : `gru`, `lstm` or `none`.
    attention : `multi-scale`, each head as wide as what it reads over one of `SCALES`; `multi-head`, as wide; `none`.
    tail : units of the dense layers before the output, with `tail_dropout` after each.
    width : scales the units and channels of all layers.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        image_size: int = 128,
        branches: int = 2,
        pooling: int = 3,
        merge_channels: int = 32,
        cbam: str = "half-diff",
        shared_mlp: bool = False,
        dropout: float = 0.3,
        third_dropout: bool = False,
        recurrent: str = "gru",
        recurrent_width: int = 512,
        attention: str = "multi-scale",
        tail: tuple[int, ...] = (128, 64),
        tail_dropout: float = 0.0,
        width: float = 1.0,
    ):
        super().__init__()

        def scaled(units: int) -> int:
            return max(1, round(units * width))

        each, merged = scaled(32), scaled(merge_channels)
        self.branches = nn.ModuleList(PooledConv(3, each, kernel, pooling) for kernel in (5, 3)[:branches])
        self.merge = PooledConv(branches * each, merged, 3, pooling)
        self.cbam = nn.Identity() if cbam == "none" else CBAM(merged, cbam, shared_mlp)
        side = pooled_length(pooled_length(image_size, pooling), pooling)
        size, layers = side * side * merged, []
        for units in (scaled(128), scaled(64)):
            layers += [nn.Dropout(dropout), _dense(size, units), nn.LeakyReLU(SLOPE)]
            size = units
        self.steps = nn.Sequential(*layers, *([nn.Dropout(dropout)] if third_dropout else []))
        self.recurrent = None
        if recurrent != "none":
            self.recurrent = _recurrent(recurrent, size, scaled(recurrent_width))
            size = scaled(recurrent_width)
        self.attention = nn.Identity()
        if attention != "none":
            widths = [size // scale for scale in SCALES if scale <= size] or [1]
            self.attention = TimeAttention(size, widths if attention == "multi-scale" else [size] * HEADS)
            size = sum(self.attention.widths)
        layers = []
        for units in map(scaled, tail):
            layers += [_dense(size, units), nn.LeakyReLU(SLOPE), nn.Dropout(tail_dropout)]
            size = units
        self.tail = nn.Sequential(*layers, _dense(size, num_classes, nn.init.xavier_uniform_))

    def penalised(self) -> list[nn.Parameter]:
        """Return the kernels whose squares the released code adds to the loss: the dense layers of 128 and 64 units and
        the first of each MLP of the channel attention."""
        layers = [layer for layer in self.steps if isinstance(layer, nn.Linear)]
        if isinstance(self.cbam, CBAM):
            layers += dict.fromkeys(mlp[0] for mlp in (self.cbam.channel.mean, self.cbam.channel.max))
        return [layer.weight for layer in layers]

    def forward(self, frames: Tensor, regions: Tensor | None = None) -> Tensor:
        """Return the class scores of each step that is left, (B, T', classes).

        Parameters
        ----------
        frames : (B, 3, T, S, S), normalised.
        regions : the same of what the 3x3x3 branch sees; none: the frames.
        """
        given = (frames, frames if regions is None else regions)
        x = [branch(clip) for branch, clip in zip(self.branches, given, strict=False)]
        x = self.cbam(self.merge(torch.cat(x, dim=1) if len(x) > 1 else x[0]))
        x = self.steps(x.transpose(1, 2).flatten(2))
        if self.recurrent is not None:
            x, _ = self.recurrent(x)
        return self.tail(self.attention(x))
