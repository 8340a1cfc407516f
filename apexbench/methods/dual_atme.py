"""Dual-ATME: Zhou et al., Entropy 25(3):460, 2023; released code: HaoliangZhou/Dual-ATME.

Flow of the whole face and flow of a "puzzle" of it, brows above mouth (`frames/puzzle.py`), through two branches of
Inception blocks that are to stay alike. As released, and here:

- The script stops at arguments that its parser does not know. We take the network that it names, of 28 px; the other
  class in the file is of 224 px.
- In the paper the whole face's branch alone has attention; the released line gives both the same, with a remark that
  this is worse. `puzzle_attention: false` is the paper's.
- Flow is read as a picture, whose colours are not known. Here each of u, v and strain is stretched to -1..1.
- The step schedule is made and never stepped: the learning rate stays.
- The last epoch, pooled over the folds, as ours.
- A last batch of a single clip, by which the head cannot normalise, joins the batch before.
"""

import numpy as np
from pydantic import Field

from apexbench.methods.base import FLOW, Inputs
from apexbench.methods.deep import Deep, DeepParams, no_batch_of_one
from apexbench.methods.flow.scaling import stretch


class DualAtmeParams(DeepParams):
    """As in the released code. `focus` is the exponent of the focal loss, `likeness` the weight of the second loss."""

    epochs: int = Field(default=60, ge=1)
    batch_size: int = Field(default=128, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    hidden: int = Field(default=1024, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    puzzle_attention: bool = True
    focus: float = Field(default=2.0, ge=0)
    likeness: float = Field(default=0.01, ge=0)


class DualAtme(Deep):
    """Two flows, two branches, one head."""

    reads = {"whole": FLOW, "puzzle": FLOW}
    Parameters = DualAtmeParams
    test_params = {"epochs": 2, "batch_size": 4, "hidden": 8}

    @classmethod
    def image_size(cls, params) -> int:
        return 28

    def build(self, weights=None):
        from apexbench.methods.networks.dual_atme import Network

        names = ("hidden", "dropout", "puzzle_attention")
        return Network(self.num_classes, **{name: getattr(self.params, name) for name in names})

    def tensors(self, inputs: Inputs) -> dict:
        """Return whole and puzzle (N, 3, 28, 28). Raises ValueError for maps of another size: the head needs it."""
        for role in self.reads:
            if inputs[role].shape[1:] != (3, 28, 28):
                raise ValueError(f"Dual-ATME reads {role} (N, 3, 28, 28); the pack holds {inputs[role].shape}")
        return {role: inputs[role] for role in self.reads}

    def transform(self, batch, rng: np.random.Generator | None = None) -> dict:
        """Stretch each map of each clip to -1..1, float32; a constant map becomes -1. Nothing is augmented."""
        return {role: stretch(x, 2).sub_(1) for role, x in batch.items()}

    def batches(self, labels: np.ndarray, generator):
        return no_batch_of_one(super().batches(labels, generator))

    def loss(self, output, targets):
        """Return the focal loss and, weighed, how unlike the branches are: 1 - cosine, mean over the clips."""
        return self.score_loss(output.scores, targets) + self._unlikeness(output)

    def score_loss(self, scores, targets):
        """Return the mean of -sum y (1 - p)^focus log p; targets are classes (B,) or soft labels (B, C)."""
        import torch

        if targets.ndim == 1:
            targets = torch.nn.functional.one_hot(targets, self.num_classes)
        logs = scores.log_softmax(-1)
        return -(targets * (1 - logs.exp()) ** self.params.focus * logs).sum(-1).mean()

    def presence_loss(self, output, targets):
        return super().presence_loss(output, targets) + self._unlikeness(output)

    def _unlikeness(self, output):
        return self.params.likeness * (1 - output.likeness).mean()

    def logits(self, output):
        return output.scores

    def optimizer(self, model):
        import torch

        return torch.optim.Adam(model.parameters(), lr=self.params.learning_rate, fused=True)
