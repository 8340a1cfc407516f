"""AMAN: Wei, Zheng, Zong, Jiang, Lu, Liu, ICASSP 2022; network, trainer and extractor are released, results are not.

T frames of a clip, each magnified by M factors, go once through a frozen ResNet-18, up to layer3 (`features/resnet`).
What is trained is its last layer, from random weights, attention over the factors of each frame, attention over the
frames, and a linear layer. The paper could not be read, but for its abstract; this follows the code.

- The code goes through frames and factors in a loop, so that BatchNorm sees one of these slots at a time, and takes up
  running statistics T M times a step, the last slots of the last batch above all: `batch_norm: slotwise`. Done here in
  one call, to the same effect. `vectorised` takes the statistics of a whole batch. Its four GPUs, which split the
  batch as well, are left out.
- The trainer keeps each fold's best epoch by its test clips and stops at 100 %: the rule `fold-oracle-stop`. Here all
  epochs are trained.
- How the layer's convolutions begin is not known: He's normal distribution by fan out, as torchvision has it.
- T is 11 in the network's comments and test, 10 in the data set's; M is 9. Which factors, is not known.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from apexbench.methods.base import FRAME_MAPS, MAGNIFIED_FRAME_MAPS, Inputs, Params
from apexbench.methods.deep import Deep, DeepParams
from apexbench.weights import RANDOM, Weights

_CHANNELS = 256  # of layer3
_SMALLEST = 3  # px, of which the layer's stride leaves 2: of one clip and 1 px there are no statistics


class AmanParams(DeepParams):
    """As released. The ablations turn an attention off, which leaves the mean, or take one factor of all."""

    epochs: int = Field(default=50, ge=1)
    batch_size: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    lr_step: int = Field(default=30, ge=1)
    """Epochs after which the learning rate is multiplied by `lr_decay`, again and again."""
    lr_decay: float = Field(default=0.2, gt=0)
    weights: Weights = RANDOM
    """Of a ResNet-18, for the layer that is trained; as released it begins at random."""
    batch_norm: Literal["slotwise", "vectorised"] = "slotwise"
    magnification_attention: bool = True
    frame_attention: bool = True
    factor: Literal["all"] | Annotated[int, Field(ge=0)] = "all"
    """Of the recipe's factors the one that is used, counted from 0."""
    subtract_first: bool = False
    """Ours: of each frame's maps the clip's first are taken away, so that a small network sees the motion."""
    width: float = Field(default=1.0, gt=0)


class Aman(Deep):
    """Cached maps of frames x factors through layer4, weighed by factor, then by frame."""

    reads = {"features": (MAGNIFIED_FRAME_MAPS, FRAME_MAPS)}
    Parameters = AmanParams
    test_params = {"epochs": 2, "batch_size": 4, "width": 0.03}
    test_sizes = {"y": 3, "x": 3}

    def __init__(self, num_classes: int, params: Params | None = None):
        super().__init__(num_classes, params)
        self.channels = _CHANNELS

    @classmethod
    def lacking(cls, params: AmanParams, role: str, factors: Sequence[float]) -> tuple[str, str] | None:
        there = [f"{number} is {factor:g}" for number, factor in enumerate(factors)] or ["0 is its frames as they are"]
        if params.factor == "all" or params.factor < len(there):
            return None
        return "factor", f"no factor {params.factor}, counted from 0: {', '.join(there)}; take one of these, or 'all'"

    def fit(self, train: Inputs) -> None:
        self.channels = train["features"].shape[-3]

    def tensors(self, inputs: Inputs) -> dict:
        """Return the maps (N, T, M, C, h, w) float16, those of one factor if only one is used; M is 1 without factors.

        Raises ValueError for maps that are too small, a factor that there is not, frames not as many of each clip,
        or one alone where the first is taken away.
        """
        maps = inputs["features"]
        if maps.ndim == 5:
            maps = maps[:, :, None]
        frames, factors, _, *sides = maps.shape[1:]
        if min(sides) < _SMALLEST:
            raise ValueError(
                f"AMAN reads maps of {_SMALLEST} x {_SMALLEST} px at least; the pack's are {sides[0]} x {sides[1]}: "
                f"name features of larger crops, or of an earlier layer"
            )
        if (inputs.get("features_lengths", frames) != np.array(frames)).any():
            raise ValueError(
                "AMAN reads as many frames of each clip; the pack's numbers differ: name features of frames that are "
                "chosen by number, such as uniform"
            )
        if self.params.subtract_first and frames < 2:
            raise ValueError("AMAN: subtract_first, but the pack has one frame of each clip; name a recipe of more")
        chosen = self.params.factor
        if chosen == "all":
            return {"maps": maps}
        if chosen >= factors:
            raise ValueError(f"AMAN: factor {chosen}, but the pack has {factors}, counted from 0; take one of these")
        return {"maps": maps[:, :, chosen : chosen + 1]}

    def transform(self, batch, rng: np.random.Generator | None = None) -> dict:
        """Return maps (B, T, M, C, h, w) float32. Nothing is augmented."""
        maps = batch["maps"].float()
        return {"maps": maps[:, 1:] - maps[:, :1] if self.params.subtract_first else maps}

    def build(self, weights=None):
        from apexbench.methods.networks.aman import Network

        p = self.params
        return Network(
            self.num_classes,
            self.channels,
            slotwise=p.batch_norm == "slotwise",
            frame_attention=p.frame_attention,
            magnification_attention=p.magnification_attention,
            width=p.width,
            weights=self.initial("weights", weights),
        )

    def optimizer(self, model):
        import torch

        from apexbench.methods.networks.portable import RMSprop

        p = self.params
        optimizer = RMSprop(model.parameters(), lr=p.learning_rate, eps=1e-8, weight_decay=p.weight_decay)
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, p.lr_step, p.lr_decay)

    def logits(self, output):
        return output.scores

    @classmethod
    def inside(cls, params: Params) -> str:
        return "attention"
