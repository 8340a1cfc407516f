"""STSTNet: Liong, Gan, See, Khor, Huang, "Shallow Triple Stream Three-dimensional CNN", FG 2019.

Input: u, v and optical strain at 28 x 28, onset to apex, each map stretched to 0..255 for each clip. The released
PyTorch code differs from the paper: padding 2 instead of 'same', 800 epochs instead of the Matlab code's 500, 1683
parameters instead of 1670; we follow the released PyTorch network and the 500 epochs of the published figures. Its
loader does not shuffle, so that a batch holds one class mostly; we shuffle unless `shuffle: false`. It stores the maps
as 8-bit PNG; we do not round.
"""

from apexbench.methods.base import FLOW, Inputs
from apexbench.methods.flow.scaling import stretch
from apexbench.methods.mixing.mixable import Mixable, MixableParams


class STSTNetParams(MixableParams):
    """As in the released code, but for `shuffle`; `fused` is a matter of speed, not of the method."""

    epochs: int = 500
    batch_size: int = 256
    learning_rate: float = 5e-5
    weight_decay: float = 0.0
    dropout: float = 0.5
    fused: bool = True


class STSTNet(Mixable):
    """Three shallow convolution streams of 3, 5 and 8 filters on flow and strain."""

    reads = {"flow": FLOW}
    Parameters = STSTNetParams
    test_params = {"epochs": 2, "batch_size": 4}

    @classmethod
    def image_size(cls, params) -> int:
        return 28

    def build(self, weights=None):
        from apexbench.methods.networks.ststnet import Network

        return Network(self.num_classes, self.params.dropout, self.params.fused)

    def tensors(self, inputs: Inputs) -> dict:
        """Return x (N, 3, 28, 28) float32, each map of each clip stretched to 0..255; a constant map becomes 0.

        Once for all epochs: a step of so small a network takes hardly longer. Raises ValueError for maps of another
        size: the head's width depends on it.
        """
        import torch

        flow = inputs["flow"]
        if flow.shape[1:] != (3, 28, 28):
            raise ValueError(f"STSTNet reads flow maps (N, 3, 28, 28); the pack holds {flow.shape}")
        return {"x": stretch(torch.as_tensor(flow))}

    def transform(self, batch, rng=None) -> dict:
        return dict(batch)

    def energy(self, inputs):
        """The strain, whose least value stands for none; u and v are stretched: no value of theirs means stillness."""
        return inputs["x"][:, 2]

    def optimizer(self, model):
        import torch

        p = self.params
        return torch.optim.Adam(model.parameters(), lr=p.learning_rate, weight_decay=p.weight_decay, fused=True)
