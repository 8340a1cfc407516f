"""What the networks in Off-TANet's repository (PRICAI 2021) share: flow in px as it is, its strain, steps of the rate.

The third channel is the strain of the first two, by 3 x 3 Sobel. As released its formula has a bug, the vertical
derivative of u in the place of v's: `offtanet_bug`. It is taken here and not read from the pack, so that one pack does
for both formulas. Sobel as OpenCV has it, eight times the derivative per px: inferred, as nothing is scaled.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from apexbench.methods.base import FLOW, Inputs
from apexbench.methods.deep import Deep, DeepParams


class RawFlowParams(DeepParams):
    """`decay` multiplies the learning rate after every `decay_epochs` epochs."""

    learning_rate: float = Field(default=1e-3, gt=0)
    decay: float = Field(default=1.0, gt=0, le=1)
    decay_epochs: int = Field(default=50, ge=1)
    strain: Literal["paper", "offtanet_bug"] = "paper"


class RawFlow(Deep):
    """Flow of onset to apex in px, and its strain; nothing is augmented."""

    reads = {"flow": FLOW}
    Parameters = RawFlowParams

    @classmethod
    def needs_px(cls, params) -> bool:
        return True  # nothing is scaled, and the strain is taken here

    def tensors(self, inputs: Inputs) -> dict:
        """Return x (N, 3, S, S): u and v in px, and strain of them in the place of the pack's.

        Raises ValueError for maps of another size: the head's width depends on it.
        """
        flow, size = inputs["flow"], self.image_size(self.params)
        if flow.shape[1:] != (3, size, size):
            name = type(self).__name__
            raise ValueError(f"{name} reads flow maps (N, 3, {size}, {size}); the pack holds {flow.shape}")
        x = flow.copy()
        for clip in x:  # once for all epochs
            clip[2] = sobel_strain(clip[:2], self.params.strain)
        return {"x": x}

    def optimizer(self, model):
        import torch

        optimizer = torch.optim.Adam(model.parameters(), lr=self.params.learning_rate, fused=True)
        return optimizer, self.schedule(optimizer)

    def schedule(self, optimizer):
        """Return the steps of the learning rate."""
        import torch

        return torch.optim.lr_scheduler.StepLR(optimizer, self.params.decay_epochs, self.params.decay)


def sobel_strain(flow: np.ndarray, formula: str = "paper") -> np.ndarray:
    """Return the strain (H, W) float32 of flow (2, H, W), u and v, by OpenCV's 3 x 3 Sobel.

    Parameters
    ----------
    formula : {"paper", "offtanet_bug"}
        sqrt(ux^2 + vy^2 + (uy + vx)^2 / 2), which is STSTNet's; or with uy^2 in the place of vy^2, as released.

    The unit is that of the flow for an eighth of a px, since Sobel's weights are not divided by their sum.

    Examples
    --------
    >>> y = np.tile(np.arange(4.0)[:, None], (1, 5))
    >>> stretch = np.stack([0 * y, y])  # v grows by 1 px a px
    >>> [float(sobel_strain(stretch, formula)[1, 1]) for formula in ("paper", "offtanet_bug")]
    [8.0, 0.0]
    """
    import cv2

    u, v = flow.astype(np.float32)
    (ux, uy), (vx, vy) = ((cv2.Sobel(x, -1, 1, 0), cv2.Sobel(x, -1, 0, 1)) for x in (u, v))
    second = vy if formula == "paper" else uy
    return np.sqrt(ux**2 + second**2 + (uy + vx) ** 2 / 2)
