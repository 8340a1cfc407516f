"""IncepTR: Zhou et al., Multimedia Systems 29, 2023; their code is released.

Input: u, v and optical strain at 28 x 28, onset to apex, as the paper's figure has it. Two branches see them: two
inception blocks and attention on 28 x 28, and a small transformer on the maps shrunk to 14 x 14.

- MSAD is to drop a head of the attention in training. As released it sets queries, keys and values of one of the
  first four tokens to zero, the upper left of the maps, and no head is ever dropped: `msad: token-bug`. `msad: head`
  drops one. It is drawn for each clip and each block.
- The loss has a term that makes the two branches' maps alike at each place, by their cosine.
- The released code neither resizes, scales nor flips its maps; which values its files hold is not known.
- The maps are shrunk bilinearly, without smoothing before: of 28 px each is the mean of four.
- Its score is that of the last epoch, pooled over all folds: nothing is chosen on test clips.
- `branches: local` and `global` are the ablations in the released file, without the term.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from apexbench.methods.base import FLOW, Inputs
from apexbench.methods.deep import Deep, DeepParams, no_batch_of_one
from apexbench.methods.flow.scaling import stretch


class IncepTRParams(DeepParams):
    """As in the released code.

    `side` is that of the maps in px, at 14 each four px are one. `drop_path` is the last block's rate, rising from 0
    over the blocks. `dim` is the width of the transformer's 4 heads, `channels` of each branch's map, `hidden` of the
    classifier.
    """

    epochs: int = Field(default=30, ge=1)
    batch_size: int = Field(default=128, ge=1)
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    side: Literal[14, 28] = 28
    branches: Literal["both", "local", "global"] = "both"
    msad: Literal["token-bug", "head"] = "token-bug"
    msad_probability: float = Field(default=0.3, ge=0, le=1)
    cosine_weight: float = Field(default=0.1, ge=0)
    depth: int = Field(default=3, ge=1)
    mlp_ratio: float = Field(default=2.0, gt=0)
    drop_path: float = Field(default=0.3, ge=0, lt=1)
    dim: int = Field(default=512, ge=4, multiple_of=4)
    channels: int = Field(default=256, ge=1)
    hidden: int = Field(default=1024, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)


class IncepTR(Deep):
    """Inception blocks beside a transformer, on flow and strain."""

    reads = {"flow": FLOW}
    Parameters = IncepTRParams
    test_params = {"epochs": 2, "batch_size": 4, "side": 14, "dim": 16, "channels": 4, "hidden": 8}

    @classmethod
    def image_size(cls, params) -> int:
        return 28

    def build(self, weights=None):
        from apexbench.methods.networks.inceptr import Network

        not_its = {*DeepParams.model_fields, "learning_rate", "weight_decay", "cosine_weight"}
        return Network(self.num_classes, **self.params.model_dump(exclude=not_its))

    def tensors(self, inputs: Inputs) -> dict:
        """Return x (N, 3, 28, 28). Raises ValueError for maps of another size: the head's width depends on it."""
        flow = inputs["flow"]
        if flow.shape[1:] != (3, 28, 28):
            raise ValueError(f"IncepTR reads flow maps (N, 3, 28, 28); the pack holds {flow.shape}")
        return {"x": flow}

    def transform(self, batch, rng: np.random.Generator | None = None) -> dict:
        """Stretch each map of each clip to -1..1, float32; a constant map becomes -1."""
        import torch

        x = batch["x"] if self.params.side == 28 else torch.nn.functional.avg_pool2d(batch["x"].float(), 2)
        return {"x": stretch(x, 2).sub_(1)}

    def batches(self, labels: np.ndarray, generator) -> list:
        """Return the batches; of a branch alone, whose head has a batch norm, the last has two clips at least."""
        parts = super().batches(labels, generator)
        return parts if self.params.branches == "both" else no_batch_of_one(parts)

    def loss(self, output, targets):
        return super().loss(output, targets) + self.params.cosine_weight * output[1]

    def presence_loss(self, output, targets):
        return super().presence_loss(output, targets) + self.params.cosine_weight * output[1]

    def logits(self, output):
        return output[0]

    def optimizer(self, model):
        import torch

        p = self.params
        return torch.optim.AdamW(model.parameters(), lr=p.learning_rate, weight_decay=p.weight_decay, fused=True)
