"""Procedural scenes whose motion is known, on which MagNet is trained: no face, and no clip of anybody, is in them.

As in Oh et al. (ECCV 2018, section 3.3): layers that move by sub-pixel steps, noise, and the quantisation of 8 bits.
Where they paste segments of photographs on photographs, textures of noise and edges stand here; and beside whole layers
that shift, parts of them move smoothly, as skin does.
"""

from dataclasses import dataclass

import torch
from torch.nn.functional import grid_sample

_TEXTURES, _SIDE = 96, 384  # how many, and their side in samples
_FINER = 2  # samples a px, so that what bicubic interpolation finds between them is near the truth
_SMALLEST, _LARGEST = 0.05, 3.0  # px of motion
_FACTORS = (1.0, 20.0)
_PARTS = 3
_NOISE = 2.0  # grey levels, at most


@dataclass(frozen=True)
class Batch:
    """Pictures (B, 3, H, W) in [-1, 1], and the total factors (B, 1, 1, 1) of their motion.

    `reference` and `target` are as a camera gives them: noisy, in 256 levels. `truth` is the target with its motion
    since the reference times the factor, clean. `retinted` and `retinted_truth` are target and truth in other colours.
    """

    reference: torch.Tensor
    target: torch.Tensor
    retinted: torch.Tensor
    truth: torch.Tensor
    retinted_truth: torch.Tensor
    factor: torch.Tensor


class Scenes:
    """Draws scenes of a background and a layer before it, `size` px on a side, all from one generator.

    Motions are 0.05 to 3 px at their largest, log-uniform, and factors 1 to 20, so far as no motion times its factor is
    above `reach` px.
    """

    def __init__(self, size: int, reach: float, generator: torch.Generator, device: str = "cpu"):
        self.size, self.reach, self.generator, self.device = size, reach, generator, device
        self.margin = int(reach) + 1
        self.textures = torch.cat([self._textures(8) for _ in range(_TEXTURES // 8)])

    def _uniform(self, *shape, low=0.0, high=1.0):
        return torch.rand(shape, generator=self.generator).to(self.device) * (high - low) + low

    def _textures(self, count):
        """Noise whose amplitude falls with frequency, (N, S, S) of deviation 1; a third has plateaus and edges."""
        noise = torch.randn(count, _SIDE, _SIDE, generator=self.generator).to(self.device)
        f = torch.fft.fftfreq(_SIDE, 1 / _FINER, device=self.device)  # cycles a px
        radius = (f[:, None].square() + f[None, : _SIDE // 2 + 1].square()).sqrt()
        slope, finest = self._uniform(count, 1, 1, low=1.0, high=2.2), self._uniform(count, 1, 1, low=0.12, high=0.45)
        weight = radius.clamp(min=1 / _SIDE) ** -slope * torch.exp(-((radius / finest) ** 4)) * (radius > 0)
        made = torch.fft.irfft2(torch.fft.rfft2(noise) * weight, s=(_SIDE, _SIDE))
        made = made / made.std((1, 2), keepdim=True)
        sharpness = self._uniform(count, 1, 1, low=-4, high=4)
        return torch.where(sharpness > 1, torch.tanh(made * sharpness) * 1.2, made)

    def _cut(self, count, channels):
        """Parts of textures, (B, channels, side, side), turned and mirrored."""
        side = _FINER * (self.size + 2 * self.margin)
        draws = torch.rand(count, channels, 6, generator=self.generator)
        parts = []
        for which, top, left, swap, up, across in draws.flatten(0, 1).tolist():
            y, x = int(top * (_SIDE - side + 1)), int(left * (_SIDE - side + 1))
            part = self.textures[int(which * len(self.textures)), y : y + side, x : x + side]
            turned = [-2] * (up > 0.5) + [-1] * (across > 0.5)
            parts.append((part.mT if swap > 0.5 else part).flip(turned))
        return torch.stack(parts).view(count, channels, side, side)

    def _motion(self, count, largest):
        """A field (B, H, W, 2) in px, its longest vector `largest`: a shift, and parts that move for themselves."""
        place = torch.arange(self.size, device=self.device, dtype=torch.float32)
        y, x = (self._uniform(count, _PARTS, 1, 1) * self.size for _ in range(2))
        width = self._uniform(count, _PARTS, 1, 1, low=0.06, high=0.26) * self.size
        parts = torch.exp(-((place[:, None] - y).square() + (place[None] - x).square()) / (2 * width.square()))
        weight = torch.cat([parts, torch.ones_like(parts[:, :1])], 1)
        angle = self._uniform(count, _PARTS + 1, 1, 1, high=2 * torch.pi)
        weight = weight * self._uniform(count, _PARTS + 1, 1, 1, low=-0.4).clamp(min=0)  # some stand still
        field = torch.stack([(weight * angle.cos()).sum(1), (weight * angle.sin()).sum(1)], -1)
        return field * (largest / field.norm(dim=-1).amax((1, 2)).clamp(min=1e-3)[:, None, None])[..., None]

    def _at(self, textures, motion, times):
        """Textures where each point shows what lies `times` its motion further, (B, channels, H, W)."""
        place = torch.arange(self.size, device=self.device) + self.margin
        grid = torch.stack(torch.meshgrid(place, place, indexing="xy"), -1) + times * motion
        grid = (2 * _FINER * grid + _FINER) / textures.shape[-1] - 1
        return grid_sample(textures, grid, mode="bicubic", padding_mode="reflection", align_corners=False)

    def _camera(self, clean, noise):
        grain = torch.randn(clean.shape, generator=self.generator).to(self.device) * noise
        return ((clean + 1) * 127.5 + grain).round().clamp(0, 255) / 127.5 - 1

    def draw(self, count: int) -> Batch:
        """Return a batch of scenes."""
        largest = _SMALLEST * (_LARGEST / _SMALLEST) ** self._uniform(count, 1, 1)
        factor = self._uniform(count, 1, 1, low=_FACTORS[0], high=_FACTORS[1])
        factor = torch.minimum(factor, (self.reach / largest).clamp(min=1))[..., None]
        layers = [(self._cut(count, channels), self._motion(count, largest)) for channels in (2, 3)]
        tints = self._uniform(count, 2, 3, 2, low=-0.2, high=0.2)
        tints[..., 0] += 1
        threshold = self._uniform(count, 1, 1, 1, low=-0.5, high=2.0)
        softness = self._uniform(count, 1, 1, 1, low=0.02, high=0.6)
        contrast = self._uniform(count, 1, 1, 1, low=0.1, high=0.5)
        light = self._uniform(count, 1, 1, 1, low=-0.3, high=0.3)

        def picture(times):
            """The clean picture where motion is `times` its own; the front layer's third texture is its outline."""
            seen = [self._at(*layer, times) for layer in layers]
            opacity = torch.sigmoid((seen[1][:, 2:] - threshold) / softness)
            back, front = (torch.einsum("bkyx,bck->bcyx", x[:, :2], tints[:, i]) for i, x in enumerate(seen))
            return (torch.lerp(back, front, opacity) * contrast + light).clamp(-1, 1)

        gain = self._uniform(count, 3, 1, 1, low=0.6, high=1.1)
        offset = self._uniform(count, 3, 1, 1, low=-0.15, high=0.15)
        noise = self._uniform(count, 1, 1, 1, high=_NOISE)
        still, moved, truth = picture(0.0), picture(1.0), picture(factor)
        retinted, retinted_truth = ((clean * gain + offset).clamp(-1, 1) for clean in (moved, truth))
        reference, target, retinted = (self._camera(clean, noise) for clean in (still, moved, retinted))
        return Batch(reference, target, retinted, truth, retinted_truth, factor)
