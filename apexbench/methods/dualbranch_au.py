"""The dual-branch network with action units: "Micro-expression recognition using dual-branch 3DCNN network with novel
attention mechanism", by the authors of MLSP-2024 (repository of that name, 2024; no paper could be read).

The network of `mlsp`, with 64 channels after the merge. The 5x5x5 branch sees the whole frames, the 3x3x3 branch the
part of the face that the clip's coded action units lie in. They are the true ones, of the test clips as well: an
ORACLE. What it scores is not comparable with methods that see pixels alone (without them the authors print UF1 0.720
in place of 0.860 on SAMM, and 0.818 in place of 0.944 on CASME II).

Frames and regions are normalised apart, each by its own mean and maximum, as released.
"""

from typing import Literal

from pydantic import Field

from apexbench.methods.base import FRAMES, Inputs
from apexbench.methods.mlsp import Mlsp, MlspParams


class DualbranchAuParams(MlspParams):
    """As in the code for SAMM and CASME II; that for CASME II has dropout 0.5."""

    branches: Literal[2] = 2
    merge_channels: int = Field(default=64, ge=1)


class DualbranchAu(Mlsp):
    """MLSP-2024 whose second branch looks where the true action units are: an oracle."""

    reads = {"frames": FRAMES, "regions": FRAMES}
    Parameters = DualbranchAuParams
    oracle = True

    def tensors(self, inputs: Inputs) -> dict:
        """Return frames and regions, (N, T, 3, S, S) uint8 each; see `Mlsp`, and ValueError if T differs."""
        tensors = super().tensors(inputs)
        frames, regions = (tensors[role].shape[1] for role in self.reads)
        if frames != regions:
            raise ValueError(
                f"DualbranchAu reads as many regions as frames; the packs hold {regions} and {frames} of each clip: "
                f"name recipes of one count"
            )
        return tensors
