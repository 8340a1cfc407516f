"""Décalcomanie with features side by side (FSB); see `decalcomanie_sbml`, whose views, training and sources it has.

One network sees the views one by one; their features, in the order of the views, go together through a linear layer,
or through two (`use_mlp`). The released code builds it of a ResNeXt-101 only.
"""

from pydantic import Field

from apexbench.methods.pretraining.classify_clips import SMALL, ClipClassifier, ClipParams, Views


class FsbParams(ClipParams):
    """As released."""

    views: Views = "lr"
    use_mlp: bool = False
    hidden: int = Field(default=256, ge=1)
    """Units of the layer in between, if there is one."""


class DecalcomanieFsb(ClipClassifier):
    """One network for all views, one loss for their features together."""

    Parameters = FsbParams
    test_params = SMALL

    def build(self, weights=None):
        from apexbench.methods.networks.video import SideBySide

        backbone, views = self.backbone(weights), len(self.params.views)
        return SideBySide(self.num_classes, backbone, views, **self.head())

    def head(self) -> dict:
        return super().head() | {"hidden": self.params.hidden if self.params.use_mlp else 0}

    def weighed(self, loss, output, targets):
        return loss(output, targets)

    def logits(self, output):
        return output
