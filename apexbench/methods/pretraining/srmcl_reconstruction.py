"""SRMCL's pre-training: pictures of flow are reconstructed from a quarter of their encoded patches; no labels.

Bao et al., TAFFC 2024; see `srmcl`, which begins with all of these weights and shares what stands here: the pictures,
the sizes and the optimiser. One round of masking, the class token kept, as in the released VIT_SR; the class that
SRMCL itself inherits overwrites the class token. On which clips, for how long and with which optimiser the authors
pre-trained is not known.
"""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from apexbench import imagenet
from apexbench.methods.base import FLOW, Inputs, Params
from apexbench.methods.deep import Deep, DeepParams
from apexbench.methods.pretraining import Task
from apexbench.weights import RANDOM, Weights

_REACH = 3.0  # root mean squares that `fixed` shows on either side of no motion
SMALL = dict(  # sizes for tests
    epochs=2, image_size=24, patch_size=8, dim=16, depth=1, heads=2, decoder_dim=8, decoder_depth=1, decoder_heads=2
)


class SizeParams(Params):
    """Sizes of the autoencoder, as released."""

    image_size: int = Field(default=224, ge=1)
    patch_size: int = Field(default=16, ge=1)
    dim: int = Field(default=768, ge=1)
    depth: int = Field(default=3, ge=1)
    heads: int = Field(default=16, ge=1)
    mlp_ratio: float = Field(default=2.0, gt=0)
    decoder_dim: int = Field(default=512, ge=1)
    decoder_depth: int = Field(default=3, ge=1)
    decoder_heads: int = Field(default=16, ge=1)

    @model_validator(mode="after")
    def _whole_parts(self):
        for name, part in (("image_size", "patch_size"), ("dim", "heads"), ("decoder_dim", "decoder_heads")):
            if getattr(self, name) % getattr(self, part):
                raise ValueError(f"{name} {getattr(self, name)} is no multiple of {part} {getattr(self, part)}")
        for name in ("dim", "decoder_dim"):
            if getattr(self, name) % 4:
                raise ValueError(f"{name} {getattr(self, name)} is no multiple of 4, which the fixed positions need")
        return self


class FlowPictureParams(SizeParams, DeepParams):
    """Epochs, learning rate and decay of the weights are inferred, as is the schedule, a cosine."""

    epochs: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    third: Literal["magnitude", "strain"] = "magnitude"
    scaling: Literal["min-max", "fixed"] = "min-max"
    mask_ratio: float = Field(default=0.75, ge=0.01, lt=1)
    weights: Weights = RANDOM


class FlowPictures(Deep):
    """Flow of onset to apex as a picture of three channels 0..255: u, v and a third, then normalised as ImageNet.

    `third` is the magnitude or the strain, the latter of the flow in px. `scaling` is one of

    - `min-max`: each channel of each clip stretched to 0..255 and rounded down, a constant one becomes 0. Inferred
      from the code that SRMCL's loaders derive from (PyTorch-DSSN-MER). It loses sign and zero.
    - `fixed`: ours; no motion is 127.5, and 0 and 255 are 3 root mean squares of the training clips away, of u and v
      together and of the strain. What is beyond is cut off.
    """

    reads = {"flow": FLOW}
    Parameters = FlowPictureParams

    @classmethod
    def needs_px(cls, params) -> bool:
        """A magnitude is taken here; `fixed` is about no motion."""
        return params.third == "magnitude" or params.scaling == "fixed"

    @classmethod
    def misfit(cls, params, pretrained) -> str:
        """Sizes must agree, and so must what the pictures show."""
        for name in (*SizeParams.model_fields, "third", "scaling"):
            own, theirs = getattr(params, name), getattr(pretrained, name, None)
            if own != theirs:
                return f"{name} is {own} here and {theirs} there"
        return ""

    def fit(self, train: Inputs) -> None:
        """Take how far `fixed` reaches, (3,) in the unit of each channel."""
        if self.params.scaling == "fixed":
            x = self.tensors(train)["flow"]
            squares = sum(np.square(clip, dtype=np.float64).mean(axis=(1, 2)) for clip in x) / len(x)
            motion = squares[:2].mean()
            third = squares[2] if self.params.third == "strain" else motion
            self.reach = _REACH * np.sqrt(np.maximum([motion, motion, third], 1e-12))

    def tensors(self, inputs: Inputs) -> dict:
        """Return flow (N, C, S, S) = u, v and, if it is the third, strain, as they are stored.

        Raises ValueError for maps of another size: the positions depend on it.
        """
        flow, size = inputs["flow"], self.params.image_size
        if flow.shape[1:] != (3, size, size):
            raise ValueError(f"SRMCL reads flow maps (N, 3, {size}, {size}); the pack holds {flow.shape}")
        return {"flow": flow if self.params.third == "strain" else flow[:, :2]}

    def transform(self, batch, rng=None) -> dict:
        """Return picture (B, 3, S, S), normalised; nothing is augmented."""
        import torch

        x = batch["flow"].float()
        if self.params.third == "magnitude":
            x = torch.cat([x, torch.hypot(x[:, :1], x[:, 1:])], dim=1)
        if self.params.scaling == "min-max":
            low = x.amin((2, 3), keepdim=True)
            reach = x.amax((2, 3), keepdim=True) - low
            x = ((x - low) / reach.where(reach > 0, reach.new_ones(())) * 255).floor()
        else:
            x = (127.5 * (1 + x / x.new_tensor(self.reach)[:, None, None])).clamp(0, 255)
        return {"picture": imagenet.normalised(x)}

    def shown(self, pictures):
        """Return normalised pictures (..., 3, S, S) as they were before, in 0..1."""
        return imagenet.shown(pictures)

    def autoencoder(self, weights=None, early_norm: bool = False):
        """Return the autoencoder, which begins as `weights` say."""
        from apexbench.methods.networks.srmcl import Autoencoder

        p = self.params
        sizes = {name: getattr(p, name) for name in SizeParams.model_fields}
        start = self.initial("weights", weights)
        return Autoencoder(**sizes, mask_ratio=p.mask_ratio, early_norm=early_norm, weights=start)

    def optimizer(self, model):
        import torch

        p = self.params
        trained = [x for x in model.parameters() if x.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=p.learning_rate, weight_decay=p.weight_decay, fused=True)
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, p.epochs)


class SrmclReconstruction(FlowPictures, Task):
    """One round of masking; its state is the whole autoencoder: encoder, decoder and mask token."""

    test_params = {**SMALL, "batch_size": 4}

    def build(self, weights=None):
        return self.autoencoder(weights)

    def loss(self, output, targets):
        return output
