"""STSTNet as ported in Off-TANet's repository (PRICAI 2021), which prints numbers of it: 96 times as large as STSTNet.

Input: TV-L1 of onset to apex at 28 px, u and v in px, their strain (`flow/raw.py`). The port lacks what the original
(`ststnet`) has between convolution and pool, pools by maxima and has a hidden layer: 162,051 parameters, not 1,683. As
released it does not run: it is constructed with an argument that it does not take and given two channels for three. The
released script prints means over folds at the epoch, one of every 20, whose mean over the *test* folds is best.
"""

from pydantic import Field

from apexbench.methods.flow.raw import RawFlow, RawFlowParams


class STSTNetOffTANetParams(RawFlowParams):
    """As the port."""

    epochs: int = Field(default=1001, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)


class STSTNetOffTANet(RawFlow):
    """Three streams of 3, 5 and 8 filters without nonlinearity, and two linear layers."""

    Parameters = STSTNetOffTANetParams
    test_params = {"epochs": 2, "batch_size": 4}

    @classmethod
    def image_size(cls, params) -> int:
        return 28

    def build(self, weights=None):
        from apexbench.methods.networks.ststnet_off_tanet import Network

        return Network(self.num_classes)
