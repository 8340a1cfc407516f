"""Dual-Inception: Zhou, Mao, Xue, FG 2019 (MEGC2019).

Input: u and v at 28 x 28, onset to apex, one stream for each. Layers and Adam are those of the port that was released
with Off-TANet (PRICAI 2021), which leaves the flow in px, computed at 28 px; ours is in px of the cropped face. In the
released Benchmark-MER repository the second stream reuses the first one's 5x5 branch, and the head fits maps of
20 x 20; both are slips that we do not follow.
"""

from pydantic import Field

from apexbench.methods.flow.network import FlowNetwork, FlowNetworkParams
from apexbench.methods.flow.scaling import Scaling


class DualInceptionParams(FlowNetworkParams):
    """As in the port; `filters` are those of each branch in the first and in the second stage."""

    epochs: int = 501
    batch_size: int = 64
    scaling: Scaling = "px"
    learning_rate: float = 1e-3
    filters: tuple[int, int] = (6, 16)
    hidden: int = Field(default=1024, ge=1)


class DualInception(FlowNetwork):
    """Two inception stages on each of u and v, then one hidden layer on both."""

    maps = 2
    Parameters = DualInceptionParams
    test_params = {"epochs": 2, "batch_size": 4, "hidden": 16}

    def build(self, weights=None):
        from apexbench.methods.networks.dual_inception import Network

        p = self.params
        return Network(self.num_classes, p.image_size, p.filters, p.hidden)
