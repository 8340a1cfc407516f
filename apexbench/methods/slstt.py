"""SLSTT: Zhang, Hong, Arandjelović, Zhao, TAFFC 2022, arXiv 2112.05851.

Input: ViT-B/16 features (features/vit.py) of 11 flow pictures, from the onset to each frame around the apex, in their
order. An LSTM puts them together, or, in the variant Mean, the mean of the scores of each frame does.

In the released code the transformer's blocks run without gradients: of the transformer only the scale and shift of its
last norm are trained. Here the features are those after that norm, and a scale and a shift of their own, which begin at
1 and 0, stand for them: the same functions from the same start, but not the same steps. What a gradient changes in the
scale of a feature is multiplied by the square of the norm's weight, and mixes with the norm's shift.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from apexbench.methods.base import PAIR_FEATURES, Inputs
from apexbench.methods.deep import Deep, DeepParams


class SLSTTParams(DeepParams):
    """As in the released code; `restart` is the length in epochs of the cosine's first cycle."""

    epochs: int = Field(default=40, ge=1)
    batch_size: int = Field(default=2, ge=1)
    aggregation: Literal["lstm", "mean"] = "lstm"
    layers: int = Field(default=3, ge=1)
    hidden: int = Field(default=512, ge=1)
    classifier: int = Field(default=256, ge=1)
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    restart: int = Field(default=4, ge=1)
    standardise: bool = False
    """Whether every feature gets mean 0 and deviation 1 of the training clips: ours, for features of random weights,
    most of whose size all clips share, so that an LSTM would take long to begin to learn."""


class SLSTT(Deep):
    """Frozen features of a sequence of flow pictures, and an LSTM."""

    reads = {"features": PAIR_FEATURES}
    Parameters = SLSTTParams
    test_params = {"epochs": 2, "layers": 2, "hidden": 8, "classifier": 6}
    dim = 768  # of a ViT-B, until `fit` has seen the features

    def fit(self, train: Inputs) -> None:
        """Take the size of a picture's features and, to standardise, their mean and deviation, (D,) each."""
        x = train["features"]
        self.dim = x.shape[-1]
        if self.params.standardise:
            self.mean, self.std = (f(x, (0, 1), dtype=np.float64).astype(np.float32) for f in (np.mean, np.std))

    def transform(self, batch, rng=None) -> dict:
        """Return features (B, T, D) float32."""
        x = batch["features"].float()
        if self.params.standardise:
            x = (x - x.new_tensor(self.mean)) / x.new_tensor(self.std).clamp(min=1e-6)
        return {"features": x}

    def build(self, weights=None):
        from apexbench.methods.networks.slstt import Network

        p = self.params
        return Network(self.num_classes, self.dim, p.aggregation, p.layers, p.hidden, p.classifier)

    def optimizer(self, model):
        """SGD, and the cosine with warm restarts, stepped after each epoch."""
        import torch

        p = self.params
        sgd = torch.optim.SGD(
            model.parameters(), lr=p.learning_rate, momentum=p.momentum, weight_decay=p.weight_decay, fused=True
        )
        return sgd, torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(sgd, T_0=p.restart)
