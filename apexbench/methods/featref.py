"""FeatRef: Zhou, Mao, Shao, Xue, "Feature refinement", Pattern Recognition 122, 2022 (arXiv 2101.04838).

No code is known. Of the paper's abstract are: inception streams on u and v at 28 x 28 whose features all expressions
share; for each class a branch that weighs them by attention and detects that class, with a loss of its own; and a
classifier on the features of all branches. The streams are Dual-Inception's; the shape of the branches, the weight of
their loss and the training are ours.
"""

from pydantic import Field

from apexbench.methods.dual_inception import DualInceptionParams
from apexbench.methods.flow.network import FlowNetwork


class FeatRefParams(DualInceptionParams):
    """`hidden` is the width of each class's features; `proposal_weight` that of the detections in the loss."""

    hidden: int = Field(default=512, ge=1)
    proposal_weight: float = Field(default=1.0, ge=0)


class FeatRef(FlowNetwork):
    """Dual-Inception's streams, a branch for each class, a classifier on all branches."""

    maps = 2
    Parameters = FeatRefParams
    test_params = {"epochs": 2, "batch_size": 4, "hidden": 8}

    def build(self, weights=None):
        from apexbench.methods.networks.featref import Network

        p = self.params
        return Network(self.num_classes, p.image_size, p.filters, p.hidden)

    def logits(self, output):
        return output[0]

    def loss(self, output, targets):
        """Return cross-entropy and the weighed detections' loss; targets are classes (B,), or soft labels (B, C)."""
        import torch

        presence = targets if targets.ndim == 2 else torch.nn.functional.one_hot(targets, self.num_classes)
        return super().loss(output, targets) + self._detections(output, presence)

    def presence_loss(self, output, targets):
        return super().presence_loss(output, targets) + self._detections(output, targets)

    def _detections(self, output, presence):
        """Binary cross-entropy of each class's detection, summed over classes, mean over clips, weighed."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        loss = binary_cross_entropy_with_logits(output[1], presence.float(), reduction="none")
        return self.params.proposal_weight * loss.sum(1).mean()
