"""SSSNet: Varanka, Peng, Zhao, 2021; the small network that does best in MEB's honest runs (TAFFC 2024).

Input: u, v and strain at 64 x 64, onset to apex, each map by its own range. MEB's flow is classic+nl-fast, and its
strain weighs shear otherwise; ours are TV-L1 and the norm of the symmetric tensor.
"""

from pydantic import Field

from apexbench.methods.flow.network import FlowNetwork, FlowNetworkParams


class SSSNetParams(FlowNetworkParams):
    """As in MEB, but for batch and dropout."""

    image_size: int = Field(default=64, ge=14)
    epochs: int = 200
    batch_size: int = 32
    weight_decay: float = 1e-3
    hidden: int = 256
    dropout: float = 0.5


class SSSNet(FlowNetwork):
    """Two convolutions, two dense layers."""

    Parameters = SSSNetParams
    test_params = {"epochs": 2, "batch_size": 4, "image_size": 28, "hidden": 16}

    def build(self, weights=None):
        from apexbench.methods.networks.sssnet import Network

        p = self.params
        return Network(self.num_classes, p.image_size, p.hidden, p.dropout)
