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

    def tensors(self, inputs: Inputs) -> dict:
        """Return u and v, (N, 2, S, S) in px. Raises ValueError for maps of another size: the head depends on it."""
        flow, size = inputs["flow"], self.image_size(self.params)
        if flow.shape[1:] != (3, size, size):
            name = type(self).__name__
            raise ValueError(f"{name} reads flow maps (N, 3, {size}, {size}); the pack holds {flow.shape}")
        return {"flow": flow[:, :2]}

    def transform(self, batch, rng: np.random.Generator | None = None) -> dict:
        """Return x (B, 3, S, S) float32: u, v and strain."""
        import torch

        flow = batch["flow"].float()
        return {"x": torch.cat([flow, sobel_strain(flow, self.params.strain)], dim=1)}

    def optimizer(self, model):
        import torch

        optimizer = torch.optim.Adam(model.parameters(), lr=self.params.learning_rate, fused=True)
        return optimizer, self.schedule(optimizer)

    def schedule(self, optimizer):
        """Return the steps of the learning rate."""
        import torch

        return torch.optim.lr_scheduler.StepLR(optimizer, self.params.decay_epochs, self.params.decay)


def sobel_strain(flow, formula: str = "paper"):
    """Return the strain (B, 1, H, W) of flow (B, 2, H, W), u and v, by 3 x 3 Sobel; both sides at least 2 px.

    Parameters
    ----------
    formula : {"paper", "offtanet_bug"}
        sqrt(ux^2 + vy^2 + (uy + vx)^2 / 2), which is STSTNet's; or with uy^2 in the place of vy^2, as released.

    The unit is that of the flow for each eighth of a px, since Sobel's weights add up to 8. The border is mirrored
    without its outermost px, as OpenCV does.

    Examples
    --------
    >>> import torch
    >>> y = torch.arange(4.0).view(1, 1, 4, 1).expand(1, 1, 4, 4)
    >>> stretch = torch.cat([0 * y, y], dim=1)  # v grows by 1 px a px
    >>> [sobel_strain(stretch, formula)[0, 0, 1, 1].item() for formula in ("paper", "offtanet_bug")]
    [8.0, 0.0]
    """
    import torch

    x = torch.nn.functional.pad(flow, (1, 1, 1, 1), mode="reflect")
    rows = x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]
    dx = rows[..., 2:] - rows[..., :-2]
    columns = x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]
    dy = columns[..., 2:, :] - columns[..., :-2, :]
    second = dy[:, 1:] if formula == "paper" else dy[:, :1]
    return (dx[:, :1].square() + second.square() + (dy[:, :1] + dx[:, 1:]).square() / 2).sqrt()
