"""The stem of STSTNet for one CPU core: conv, ReLU, batch norm and max pool in one pass over each clip.

STSTNet is tiny and memory-bound: in plain PyTorch a training step carries (B, 16, 30, 30) maps to memory and back for
every layer. Here the maps of a clip stay in the cache until they are pooled; the backward pass makes them anew, which
costs less than to keep them where two trainings share the memory.
The result is that of PyTorch up to float32 rounding, sums run in a fixed order in one thread, and no gradient is taken
for the images.

Layout: a padded input plane is 32 x 32, and conv outputs keep that pitch, so that the whole convolution is one flat
loop with constant offsets. Output columns 30 and 31 of each row are void and kept at zero. Import this module late:
numba and the compiled loops take half a second.
"""

import platform

import numpy as np
import torch
from llvmlite.binding import get_host_cpu_features
from numba import njit
from numba.core import config
from torch import Tensor
from torch.autograd.function import once_differentiable

# LLVM prefers half-width vectors on processors with AVX-512; full ones are a fifth faster here. Takes effect if nothing
# has been compiled in this process before, as in a training job; where there is no AVX-512 it means nothing.
if config.CPU_FEATURES is None and platform.machine() in ("x86_64", "AMD64"):
    config.CPU_FEATURES = f"{get_host_cpu_features().flatten()},-prefer-256-bit"

_SIDE = 28
_PITCH = _SIDE + 4  # two px of padding around the image
_OUT = _SIDE + 2
_FLAT = _OUT * _PITCH
_PLANE = _PITCH * _PITCH + 16  # the void outputs of the last row read a little further
_POOLED = 10
_CELLS = _POOLED * _POOLED
_CHANNELS = 16
_IN = 3
_ZERO = np.float32(0)
_LAST = np.int32(_FLAT - 1)
_FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}  # float operations may be reordered; NaN stays NaN
_OPTIONS = {"nogil": True, "fastmath": _FASTMATH, "error_model": "numpy"}
# Helpers are inlined by LLVM: a helper that stays a call runs as its own module in the process that compiles it and as
# a copy inside the cached kernel afterwards, optimised otherwise, and the sums differ in the last bit.
_HELPER = {"forceinline": True, **_OPTIONS}


@njit(**_HELPER)
def _taps(x, i, w):
    return (
        (w[0] * x[i] + w[1] * x[i + 1] + w[2] * x[i + 2])
        + (w[3] * x[i + 32] + w[4] * x[i + 33] + w[5] * x[i + 34])
        + (w[6] * x[i + 64] + w[7] * x[i + 65] + w[8] * x[i + 66])
    )


@njit(**_HELPER)
def _nine(w):
    return w[0, 0], w[0, 1], w[0, 2], w[1, 0], w[1, 1], w[1, 2], w[2, 0], w[2, 1], w[2, 2]


@njit(**_HELPER)
def _pad(image, padded):
    for c in range(_IN):
        for y in range(_SIDE):
            for x in range(_SIDE):
                padded[c, (y + 2) * _PITCH + x + 2] = image[c, y, x]


@njit(**_HELPER)
def _valid_columns():
    """1 where a flat index is a pixel of the output, 0 in the void columns."""
    valid = np.zeros(_FLAT, np.float32)
    for y in range(_OUT):
        valid[y * _PITCH : y * _PITCH + _OUT] = 1
    return valid


@njit(**_HELPER)
def _convolve_two(padded, weight, bias, a, b, to_a, to_b):
    """Convolve with filters `a` and `b` at once: they share the loads of the image."""
    bias_a, bias_b = bias[a], bias[b]
    for i in range(_FLAT):
        to_a[i] = bias_a
        to_b[i] = bias_b
    for c in range(_IN):
        wa, wb, x = _nine(weight[a, c]), _nine(weight[b, c]), padded[c]
        for i in range(_FLAT):
            to_a[i] += _taps(x, i, wa)
            to_b[i] += _taps(x, i, wb)


@njit(**_HELPER)
def _rectify(z, valid, r):
    """Write ReLU(z), void columns zero, to `r`; return mean and sum of squared deviations of its 900 values."""
    total = _ZERO
    for i in range(_FLAT):
        value = z[i] * valid[i]
        value = _ZERO if value <= _ZERO else value  # this way round, a NaN stays one
        r[i] = value
        total += value
    mean = total / np.float32(_OUT * _OUT)
    spread = _ZERO
    for i in range(_FLAT):
        d = (r[i] - mean) * valid[i]
        spread += d * d
    return mean, spread


@njit(**_HELPER)
def _pool(r, sign, best, where, first, pooled, position):
    """Where sign * r is largest in each 3 x 3 window, the first in reading order if several are.

    First down each column, then across three columns. No branches, which no processor could foresee here.
    """
    for wy in range(_POOLED):
        middle = 3 * wy * _PITCH
        above, below = max(middle - _PITCH, 0), middle + _PITCH
        for x in range(_PITCH):
            a, b, c = sign * r[above + x], sign * r[middle + x], sign * r[below + x]
            top = max(max(a, b), c)
            start = middle if b == top else below
            start = above if a == top else start
            best[x + 1] = top
            where[x + 1] = start + x
        for x in range(_PITCH):  # two of three results are not needed, but so it is one vector loop
            a, b, c = best[x], best[x + 1], best[x + 2]
            at_a, at_b, at_c = where[x], where[x + 1], where[x + 2]
            top = max(max(a, b), c)
            at_a = at_a if a == top else _LAST
            at_b = at_b if b == top else _LAST
            at_c = at_c if c == top else _LAST
            first[x] = min(min(at_a, at_b), at_c)
        for wx in range(_POOLED):
            position[wy * _POOLED + wx] = first[3 * wx]
            pooled[wy * _POOLED + wx] = r[first[3 * wx]]


_IMAGES, _WEIGHT, _VECTOR = "float32[:, :, :, ::1]", "float32[:, :, :, ::1]", "float32[::1]"
_CELLS3 = "float32[:, :, ::1]"


@njit(
    f"void({_IMAGES}, {_WEIGHT}, {_VECTOR}, {_VECTOR}, {_CELLS3}, int16[:, :, ::1], float64[::1], float64[::1])",
    cache=True,
    **_OPTIONS,
)
def _forward(images, weight, bias, sign, pooled, position, mean, spread):
    """Fill `pooled`, `position` and the statistics."""
    padded = np.zeros((_IN, _PLANE), np.float32)
    valid = _valid_columns()
    best, where = np.full(_PITCH + 2, -np.inf, np.float32), np.zeros(_PITCH + 2, np.int32)
    first = np.empty(_PITCH, np.int32)
    z, r = np.empty((2, _FLAT), np.float32), np.empty(_FLAT, np.float32)
    for n in range(len(images)):
        _pad(images[n], padded)
        for k in range(0, _CHANNELS, 2):
            _convolve_two(padded, weight, bias, k, k + 1, z[0], z[1])
            for j in (k, k + 1):
                clip_mean, clip_spread = _rectify(z[j - k], valid, r)
                # Chan's update of mean and squared deviations, in float64
                delta = clip_mean - mean[j]
                mean[j] += delta / (n + 1)
                spread[j] += clip_spread + delta * delta * (_OUT * _OUT) * n / (n + 1)
                _pool(r, sign[j], best, where, first, pooled[n, j], position[n, j])


@njit(
    f"void({_IMAGES}, {_WEIGHT}, {_VECTOR}, {_CELLS3}, {_CELLS3}, int16[:, :, ::1], {_VECTOR}, {_VECTOR}, {_VECTOR},"
    " float64[:, :, ::1], float64[::1])",
    cache=True,
    **_OPTIONS,
)
def _backward(images, weight, bias, raw, gradient, position, direct, offset, slope, to_weight, to_bias):
    """Sum the gradients of weight and bias over clips and pixels.

    The gradient of a rectified value r is offset + slope * r, and direct * gradient more where it won its window.
    """
    padded = np.zeros((_IN, _PLANE), np.float32)
    valid = _valid_columns()
    two, z = np.empty((2, _FLAT), np.float32), np.empty((2, _FLAT), np.float32)
    won = np.empty(_CELLS, np.float32)
    for n in range(len(images)):
        _pad(images[n], padded)
        for k in range(0, _CHANNELS, 2):
            _convolve_two(padded, weight, bias, k, k + 1, z[0], z[1])
            for j in range(2):
                q, r = two[j], z[j]
                base, rise, share = offset[k + j], slope[k + j], direct[k + j]  # else LLVM reads them anew each time
                total = _ZERO
                for i in range(_FLAT):
                    value = (base + rise * r[i]) * valid[i]
                    value = value if r[i] > _ZERO else _ZERO
                    q[i] = value
                    total += value
                for cell in range(_CELLS):
                    value = share * gradient[n, k + j, cell]
                    value = value if raw[n, k + j, cell] > _ZERO else _ZERO
                    won[cell] = value
                    total += value
                for cell in range(_CELLS):  # windows do not overlap: no two cells share a pixel
                    q[position[n, k + j, cell]] += won[cell]
                to_bias[k + j] += total
            qa, qb = two[0], two[1]
            for c in range(_IN):
                x = padded[c]
                a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = _ZERO
                b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = b8 = _ZERO
                for i in range(_FLAT):
                    a, b = qa[i], qb[i]
                    a0 += a * x[i]
                    a1 += a * x[i + 1]
                    a2 += a * x[i + 2]
                    a3 += a * x[i + 32]
                    a4 += a * x[i + 33]
                    a5 += a * x[i + 34]
                    a6 += a * x[i + 64]
                    a7 += a * x[i + 65]
                    a8 += a * x[i + 66]
                    b0 += b * x[i]
                    b1 += b * x[i + 1]
                    b2 += b * x[i + 2]
                    b3 += b * x[i + 32]
                    b4 += b * x[i + 33]
                    b5 += b * x[i + 34]
                    b6 += b * x[i + 64]
                    b7 += b * x[i + 65]
                    b8 += b * x[i + 66]
                for t, value in enumerate((a0, a1, a2, a3, a4, a5, a6, a7, a8)):
                    to_weight[k, c, t] += value
                for t, value in enumerate((b0, b1, b2, b3, b4, b5, b6, b7, b8)):
                    to_weight[k + 1, c, t] += value


@njit(f"void({_CELLS3}, float32[::1], float32[::1], {_CELLS3})", cache=True, **_OPTIONS)
def _scale_and_shift(raw, factor, shift, pooled):
    for n in range(len(raw)):
        for k in range(_CHANNELS):
            by, plus = factor[k], shift[k]
            for cell in range(_CELLS):
                pooled[n, k, cell] = raw[n, k, cell] * by + plus


@njit(f"void({_CELLS3}, {_CELLS3}, float64[::1], float64[::1])", cache=True, **_OPTIONS)
def _sums(gradient, raw, plain, weighted):
    """Sum `gradient`, and gradient * raw, per channel."""
    for n in range(len(raw)):
        for k in range(_CHANNELS):
            one = two = _ZERO
            for cell in range(_CELLS):
                one += gradient[n, k, cell]
                two += gradient[n, k, cell] * raw[n, k, cell]
            plain[k] += one
            weighted[k] += two


@njit(f"void({_CELLS3}, uint8[:, :, ::1], float32, {_CELLS3})", cache=True, **_OPTIONS)
def _average_kept(pooled, keep, scale, averaged):
    """2 x 2 means of the cells kept; `scale` is a quarter of what dropout multiplies by."""
    for n in range(len(pooled)):
        for k in range(_CHANNELS):
            for y in range(_POOLED // 2):
                for x in range(_POOLED // 2):
                    total = _ZERO
                    for i in (20 * y + 2 * x, 20 * y + 2 * x + 1, 20 * y + 2 * x + 10, 20 * y + 2 * x + 11):
                        total += pooled[n, k, i] * keep[n, k, i]
                    averaged[n, k, 5 * y + x] = total * scale


@njit(f"void({_CELLS3}, uint8[:, :, ::1], float32, {_CELLS3})", cache=True, **_OPTIONS)
def _spread_kept(gradient, keep, scale, to_pooled):
    for n in range(len(gradient)):
        for k in range(_CHANNELS):
            for y in range(_POOLED):
                for x in range(_POOLED):
                    share = gradient[n, k, 5 * (y // 2) + x // 2] * scale
                    to_pooled[n, k, 10 * y + x] = share * keep[n, k, 10 * y + x]


class _Stem(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, gamma, beta, eps):
        count = len(x) * _OUT * _OUT
        raw, position, mean, spread = _run(x, weight, bias, gamma)
        variance = spread / count
        scale = 1 / np.sqrt(variance + eps)
        ctx.save_for_backward(x, weight, bias, gamma)
        ctx.kept = raw, position, mean, scale
        unbiased = torch.from_numpy((spread / (count - 1)).astype(np.float32))
        mean_out = torch.from_numpy(mean.astype(np.float32))
        ctx.mark_non_differentiable(mean_out, unbiased)
        return _affine(raw, mean, scale, gamma, beta), mean_out, unbiased

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient, *_):
        x, weight, bias, gamma = ctx.saved_tensors
        raw, position, mean, scale = ctx.kept
        gradient = gradient.contiguous().view(len(x), _CHANNELS, _CELLS).numpy()
        to_beta, to_raw = np.zeros(_CHANNELS), np.zeros(_CHANNELS)
        _sums(gradient, raw, to_beta, to_raw)
        to_gamma = (to_raw - mean * to_beta) * scale
        count = len(x) * _OUT * _OUT
        # Batch norm: gamma scale (dy - mean(dy) - rhat mean(dy rhat)), with dy zero but where a value won its window
        direct = gamma.numpy() * scale
        slope = -direct * scale * to_gamma / count
        offset = -direct * to_beta / count - slope * mean
        to_weight, to_bias = np.zeros((_CHANNELS, _IN, 9)), np.zeros(_CHANNELS)
        arrays = (part.astype(np.float32) for part in (direct, offset, slope))
        _backward(x.numpy(), weight.numpy(), bias.numpy(), raw, gradient, position, *arrays, to_weight, to_bias)
        sums = (to_weight.reshape(_CHANNELS, _IN, 3, 3), to_bias, to_gamma, to_beta)
        return None, *(torch.from_numpy(part.astype(np.float32)) for part in sums), None


class _DropAndAverage(torch.autograd.Function):
    @staticmethod
    def forward(ctx, pooled, keep, scale):
        ctx.kept = keep, scale
        averaged = np.empty((len(pooled), _CHANNELS, _CELLS // 4), np.float32)
        _average_kept(pooled.reshape(keep.shape).numpy(), keep, scale, averaged)
        return torch.from_numpy(averaged.reshape(-1, _CHANNELS, _POOLED // 2, _POOLED // 2))

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        keep, scale = ctx.kept
        to_pooled = np.empty(keep.shape, np.float32)
        _spread_kept(gradient.reshape(len(keep), _CHANNELS, -1).contiguous().numpy(), keep, scale, to_pooled)
        return torch.from_numpy(to_pooled.reshape(-1, _CHANNELS, _POOLED, _POOLED)), None, None


def stem(
    x: Tensor, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """Training pass: max_pool2d(batch_norm(relu(conv2d(x, padding 2)))), with the statistics of the batch.

    Parameters
    ----------
    x : (B, 3, 28, 28) float32 tensor on the CPU
        Gets no gradient.
    weight, bias : (16, 3, 3, 3) and (16,) tensors
        The parallel convolutions of the network, one after the other.
    gamma, beta : (16,) tensors
        Scale and shift of the batch norm. Channels are pooled by value, so a negative scale is well.
    eps : float
        Added to the variance.

    Returns
    -------
    pooled : (B, 16, 10, 10) tensor
        3 x 3 windows, stride 3, padding 1.
    mean, var : (16,) tensors
        Of the batch, var unbiased: what PyTorch moves the running statistics towards. No gradient.

    Examples
    --------
    >>> import torch
    >>> x, weight = torch.rand(2, 3, 28, 28), torch.rand(16, 3, 3, 3, requires_grad=True)
    >>> pooled, mean, var = stem(x, weight, torch.zeros(16), torch.ones(16), torch.zeros(16))
    >>> pooled.shape, mean.shape, pooled.requires_grad
    (torch.Size([2, 16, 10, 10]), torch.Size([16]), True)
    """
    _check(x, weight, bias, gamma, beta)
    return _Stem.apply(x.contiguous(), weight, bias, gamma, beta, eps)


@torch.no_grad()
def stem_eval(
    x: Tensor, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor, eps: float = 1e-5
) -> Tensor:
    """Evaluation pass, with running statistics; no gradient. Parameters and `pooled` as in `stem`."""
    _check(x, weight, bias, gamma, beta, mean, var)
    raw, *_ = _run(x.contiguous(), weight, bias, gamma)
    return _affine(raw, mean.numpy().astype(np.float64), 1 / np.sqrt(var.numpy().astype(np.float64) + eps), gamma, beta)


def drop_and_average(pooled: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Training pass of dropout (p = 0.5) and 2 x 2 average pooling, (B, 16, 10, 10) -> (B, 16, 5, 5).

    PyTorch's dropout alone takes half as long as the whole stem: it draws a number where a bit will do. This draws
    eight decisions at a time, from the same generator, so the pattern is another than PyTorch's.
    """
    if pooled.shape[1:] != (_CHANNELS, _POOLED, _POOLED) or pooled.dtype != torch.float32:
        raise ValueError(
            f"expected float32 (B, 16, 10, 10) as `stem` gives it, got {tuple(pooled.shape)} {pooled.dtype}"
        )
    drawn = torch.empty(pooled.numel() // 8, dtype=torch.uint8).random_(generator=generator)
    keep = np.unpackbits(drawn.numpy()).reshape(-1, _CHANNELS, _CELLS)
    return _DropAndAverage.apply(pooled.contiguous(), keep, 0.5)  # twice what is kept, a quarter of the sum


def _run(x, weight, bias, gamma):
    raw = np.empty((len(x), _CHANNELS, _CELLS), np.float32)
    position = np.empty(raw.shape, np.int16)
    mean, spread = np.zeros(_CHANNELS), np.zeros(_CHANNELS)
    parts = (part.detach().contiguous().numpy() for part in (x, weight, bias))
    _forward(*parts, np.sign(gamma.detach().numpy()), raw, position, mean, spread)
    return raw, position, mean, spread


def _affine(raw, mean, scale, gamma, beta):
    factor = gamma.detach().numpy() * scale
    shift = beta.detach().numpy() - mean * factor
    pooled = np.empty_like(raw)
    _scale_and_shift(raw, factor.astype(np.float32), shift.astype(np.float32), pooled)
    return torch.from_numpy(pooled.reshape(-1, _CHANNELS, _POOLED, _POOLED))


def _check(x, weight, *vectors):
    shapes = [(x, (len(x), _IN, _SIDE, _SIDE)), (weight, (_CHANNELS, _IN, 3, 3))]
    shapes += [(vector, (_CHANNELS,)) for vector in vectors]
    for tensor, shape in shapes:
        if tensor.shape != shape or tensor.dtype != torch.float32 or tensor.device.type != "cpu" or len(x) < 1:
            raise ValueError(
                f"expected a float32 tensor {shape} on the CPU, got {tuple(tensor.shape)} {tensor.dtype} on "
                f"{tensor.device}; other networks and devices need the plain PyTorch modules"
            )
    if x.requires_grad:
        raise ValueError("the images get no gradient here; use the plain PyTorch modules, or x.detach()")
