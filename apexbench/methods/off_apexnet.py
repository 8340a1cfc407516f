"""OFF-ApexNet: Gan, Liong, Yau, Huang, Tan, Signal Processing: Image Communication 2019.

Input: u and v at 28 x 28, onset to apex, one stream for each. The authors' code is not known: sizes and Adam are those
of the port that was released with Off-TANet (PRICAI 2021). The port leaves the flow in px, computed at 28 px; we
stretch each map to 0..255, as the same authors' STSTNet does (`scaling`). MEB (TAFFC 2024) runs a variant of one stream
and one hidden layer (`streams`, `hidden`).
"""

from typing import Literal

from pydantic import Field

from apexbench.methods.flow.network import FlowNetwork, FlowNetworkParams


class OffApexNetParams(FlowNetworkParams):
    """As in the port, but for `scaling`; `hidden` has the width of each hidden layer."""

    epochs: int = 3000
    batch_size: int = 64
    streams: Literal[1, 2] = 2
    hidden: tuple[int, ...] = Field(default=(1024, 1024), min_length=1)
    dropout: float = 0.5


class OffApexNet(FlowNetwork):
    """Two convolutions on each of u and v, then a wide perceptron on both."""

    maps = 2
    Parameters = OffApexNetParams
    test_params = {"epochs": 2, "batch_size": 4, "hidden": [16, 16]}

    def build(self, weights=None):
        from apexbench.methods.networks.off_apexnet import Network

        p = self.params
        return Network(self.num_classes, p.streams, p.image_size, p.hidden, p.dropout)
