"""MACNN as ported in Off-TANet's repository (PRICAI 2021); the original's paper and code were not read.

Input: TV-L1 of onset to apex at 112 px, u and v in px, and their strain (`flow/raw.py`). Four residual blocks, then two
dilated convolutions and a large head: 70.6 million parameters, 68 of them in the head. The released script prints means
over folds at the epoch, one of every 20, whose mean over the *test* folds is best.
"""

from pydantic import Field

from apexbench.methods.flow.raw import RawFlow, RawFlowParams


class MACNNParams(RawFlowParams):
    """As the port. `width` scales the channels, `hidden` are the units of either hidden layer."""

    epochs: int = Field(default=501, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    decay: float = Field(default=0.9, gt=0, le=1)
    decay_epochs: int = Field(default=50, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    image_size: int = Field(default=112, ge=16)
    width: float = Field(default=1.0, gt=0)
    hidden: int = Field(default=4096, ge=1)


class MACNN(RawFlow):
    """Residual blocks and dilated convolutions."""

    Parameters = MACNNParams
    test_params = {"epochs": 2, "batch_size": 4, "image_size": 28, "width": 0.125, "hidden": 16}

    def build(self, weights=None):
        from apexbench.methods.networks.macnn import Network

        p = self.params
        return Network(self.num_classes, p.dropout, p.image_size, p.width, p.hidden)
