"""Off-TANet, PRICAI 2021; networks and training are released (ECNU-Cross-Innovation-Lab/PRICAI2021-Off-TANet).

Input: TV-L1 of onset to apex at 112 px, u and v in px, and their strain (`flow/raw.py`). A small residual network whose
last block has attention over channels, over places and of a map to itself, "triplet". Written from its description, not
from its code.

- As released, the strain has a bug: `strain: offtanet_bug`.
- The released code knows one size, at which the attention sees maps of 14 x 14. Here it fits its maps, of any size.
- `block` has the repository's five last blocks. How `sa` and `bot` are put together is inferred from their counts.
- The released script prints means over folds at the epoch, one of every 20, whose mean over the *test* folds is best.
"""

from typing import Literal

from pydantic import Field

from apexbench.methods.flow.raw import RawFlow, RawFlowParams


class OffTANetParams(RawFlowParams):
    """As released, but for the strain."""

    epochs: int = Field(default=201, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    decay: float = Field(default=0.3, gt=0, le=1)
    decay_epochs: int = Field(default=60, ge=1)
    block: Literal["off-tanet", "sa", "cbam", "res", "bot"] = "off-tanet"
    dropout: float = Field(default=0.5, ge=0, lt=1)
    image_size: int = Field(default=112, ge=16)


class OffTANet(RawFlow):
    """Three residual blocks, the last with attention."""

    Parameters = OffTANetParams
    test_params = {"epochs": 2, "batch_size": 4, "image_size": 28}

    def build(self, weights=None):
        from apexbench.methods.networks.off_tanet import Network

        p = self.params
        return Network(self.num_classes, p.block, p.dropout, p.image_size)
