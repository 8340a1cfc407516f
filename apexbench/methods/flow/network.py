"""What the small networks on flow maps have in common: which maps they read, how these are scaled, and Adam."""

from typing import ClassVar

from pydantic import Field

from apexbench.methods.base import FLOW, Inputs
from apexbench.methods.deep import Deep, DeepParams
from apexbench.methods.flow.scaling import Scaling, scale


class FlowNetworkParams(DeepParams):
    """Side of the maps in px, their scaling, and what Adam needs."""

    image_size: int = Field(default=28, ge=8)
    scaling: Scaling = "0-255"
    learning_rate: float = 1e-4
    weight_decay: float = 0.0


class FlowNetwork(Deep):
    """A network on the flow from onset to apex; its model is called with x (B, `maps`, S, S) float32.

    Attributes
    ----------
    maps : how many of u, v and strain it reads, in this order.
    """

    maps: ClassVar[int] = 3
    reads = {"flow": FLOW}
    Parameters = FlowNetworkParams

    @classmethod
    def needs_px(cls, params) -> bool:
        return params.scaling == "px"

    def tensors(self, inputs: Inputs) -> dict:
        """Return x (N, `maps`, S, S). Raises ValueError for maps of another size: the layers' width depends on it."""
        flow, side = inputs["flow"], self.params.image_size
        if flow.shape[1:] != (3, side, side):
            raise ValueError(
                f"{type(self).__name__} reads flow maps (N, 3, {side}, {side}); the pack holds {flow.shape}"
            )
        return {"x": flow[:, : self.maps]}

    def transform(self, batch, rng=None) -> dict:
        return {"x": scale(batch["x"], self.params.scaling)}

    def optimizer(self, model):
        import torch

        p = self.params
        return torch.optim.Adam(model.parameters(), lr=p.learning_rate, weight_decay=p.weight_decay, fused=True)
