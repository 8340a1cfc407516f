"""DSSN: Khor, See, Liong, Phan, Lin, "Dual-stream Shallow Networks for Facial Micro-expression Recognition", ICIP 2019.

Input: TV-L1 of onset to apex at 227 px, as two pictures, one of its magnitude and one of its strain. Each goes through
the first two stages of AlexNet; the two maps are multiplied and read by one linear layer. SSSN has one of the streams:
`stream`.

- The authors' code (Keras) has the networks, but no training. Epochs, batch and learning rate are those of a third
  party's port (PyTorch-DSSN-MER), which keeps the epoch of the best *training* accuracy; we take the last.
- `norm`: AlexNet's normalisation follows the pool in the authors' code and precedes it in the port.
- Pictures are those of the port: u, v and the third, each stretched to 0..255 for each clip and rounded down, then
  normalised as ImageNet. What the other two channels of the authors' pictures hold is not known.
- The port takes strain from u and v after they were stretched; ours is of the flow in px.
- Both begin with AlexNet's weights of ImageNet; `weights: {file: ...}` is a state dict of it, of 96 and 256 filters.
  torchvision's AlexNet is a later one, of 64 and 192, and does not fit. Random weights are another method.
"""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from apexbench.imagenet import normalised
from apexbench.methods.base import FLOW, Inputs
from apexbench.methods.deep import Deep, DeepParams
from apexbench.weights import RANDOM, Weights


class DSSNParams(DeepParams):
    """Network of the authors' code, training of the port. `width` scales the channels."""

    epochs: int = Field(default=15, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    stream: Literal["both", "magnitude", "strain"] = "both"
    fusion: Literal["multiply", "add", "concat"] = "multiply"
    norm: Literal["after-pool", "before-pool"] = "after-pool"
    image_size: int = Field(default=227, ge=1)
    width: float = Field(default=1.0, gt=0)
    stem_stride: int = Field(default=4, ge=1, le=4)
    weights: Weights = RANDOM

    @model_validator(mode="after")
    def _something_is_left(self):
        least = 11 + 6 * self.stem_stride
        if self.image_size < least:
            raise ValueError(f"image_size {self.image_size}: after two pools nothing is left; give {least} or more")
        return self


class DSSN(Deep):
    """Two shallow streams on pictures of flow, fused by their product."""

    reads = {"flow": FLOW}
    Parameters = DSSNParams
    test_params = {"epochs": 2, "batch_size": 4, "image_size": 28, "width": 0.125, "stem_stride": 2}

    @property
    def streams(self) -> tuple[str, ...]:
        return ("magnitude", "strain") if self.params.stream == "both" else (self.params.stream,)

    def build(self, weights=None):
        from apexbench.methods.networks.dssn import Network

        p = self.params
        names = ("fusion", "norm", "dropout", "image_size", "width", "stem_stride")
        options = {name: getattr(p, name) for name in names}
        return Network(self.num_classes, self.streams, **options, weights=self.initial("weights", weights))

    @classmethod
    def needs_px(cls, params) -> bool:
        return "magnitude" in cls(2, params).streams  # which is taken here

    def tensors(self, inputs: Inputs) -> dict:
        """Return flow (N, 3, S, S). Raises ValueError for maps of another size: the head's width depends on it."""
        flow, size = inputs["flow"], self.params.image_size
        if flow.shape[1:] != (3, size, size):
            raise ValueError(f"DSSN reads flow maps (N, 3, {size}, {size}); the pack holds {flow.shape}")
        return {"flow": flow}

    def transform(self, batch, rng: np.random.Generator | None = None) -> dict:
        """Return {stream: picture (B, 3, S, S)}, normalised; nothing is augmented. A constant map becomes 0."""
        import torch

        x = batch["flow"].float()
        x = torch.cat([x, torch.hypot(x[:, :1], x[:, 1:2])], dim=1)  # u, v, strain, magnitude
        low = x.amin((2, 3), keepdim=True)
        reach = x.amax((2, 3), keepdim=True) - low
        x = ((x - low) / reach.where(reach > 0, reach.new_ones(())) * 255).floor_()
        place = {"strain": [0, 1, 2], "magnitude": [0, 1, 3]}
        return {name: normalised(x[:, place[name]]) for name in self.streams}

    def optimizer(self, model):
        import torch

        return torch.optim.Adam(model.parameters(), lr=self.params.learning_rate, fused=True)
