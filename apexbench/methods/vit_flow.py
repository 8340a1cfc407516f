"""ViT-B on flow: the network of MixMeFormer (Gu et al., ICASSP 2024) with its fusion off.

The released class has a switch for that. It is the baseline of their comparison of mixup methods; that it reads flow
alone is inferred. Every switch is MixMeFormer's.
"""

from apexbench.methods.base import FLOW
from apexbench.methods.mixmeformer import _SMALL, MixMeFormer, MixMeFormerParams


class ViTFlowParams(MixMeFormerParams):
    """As MixMeFormer's, without mixing."""

    mixing: str = "none"
    unused_norm: bool = False


class ViTFlow(MixMeFormer):
    """Flow alone, one transformer."""

    reads = {"flow": FLOW}
    Parameters = ViTFlowParams
    test_params = _SMALL
