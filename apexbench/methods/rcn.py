"""RCN-A: Xia, Peng, Khor, Feng, Zhao, "Revealing the invisible with model and data shrinking", TIP 2020.

Input: u, v and strain at 60 x 60, onset to apex, as pictures of 0..1. A recurrent convolution that is used twice, and
attention without parameters of its own: the head's weights say where a class is active. Sizes and SGD are those of the
released code; how padding, pooling and attention are done in detail is inferred. Its variants S, W, P, C and F are
left out.
"""

from pydantic import Field

from apexbench.methods.flow.network import FlowNetwork, FlowNetworkParams
from apexbench.methods.flow.scaling import Scaling


class RCNParams(FlowNetworkParams):
    """As in the released code, but for `epochs` and `dropout`. The learning rate is halved every `lr_step` epochs."""

    image_size: int = Field(default=60, ge=10)
    epochs: int = 100
    batch_size: int = 64
    scaling: Scaling = "0-1"
    learning_rate: float = 5e-4
    momentum: float = 0.9
    lr_step: int = Field(default=10, ge=1)
    filters: int = Field(default=32, ge=1)
    dropout: float = 0.5


class RCN(FlowNetwork):
    """A convolution, a recurrent one, attention by the head's own weights."""

    Parameters = RCNParams
    test_params = {"epochs": 2, "batch_size": 4, "image_size": 28, "filters": 8}

    def build(self, weights=None):
        from apexbench.methods.networks.rcn import Network

        return Network(self.num_classes, self.params.filters, self.params.dropout)

    def optimizer(self, model):
        import torch

        p = self.params
        optimizer = torch.optim.SGD(
            model.parameters(), lr=p.learning_rate, momentum=p.momentum, weight_decay=p.weight_decay
        )
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, p.lr_step, gamma=0.5)
