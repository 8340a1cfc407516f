"""STSTNet: Liong, Gan, See, Khor, Huang, "Shallow Triple Stream Three-dimensional CNN", FG 2019.

Input: u, v and optical strain at 28 x 28, onset to apex, each map stretched to 0..255 for each clip. The released
PyTorch code differs from the paper: padding 2 instead of 'same', 800 epochs instead of the Matlab code's 500, 1683
parameters instead of 1670; we follow the released PyTorch network and the 500 epochs of the published figures. Its
loader does not shuffle, so that a batch holds one class mostly; we shuffle unless `shuffle: false`. It stores the maps
as 8-bit PNG; we do not round.
"""

import numpy as np

from apexbench.methods.base import Deep, DeepParams, Inputs


class STSTNetParams(DeepParams):
    """As in the released code, but for `shuffle`; `fused` is a matter of speed, not of the method."""

    epochs: int = 500
    batch_size: int = 256
    learning_rate: float = 5e-5
    weight_decay: float = 0.0
    dropout: float = 0.5
    fused: bool = True


class STSTNet(Deep):
    """Three shallow convolution streams of 3, 5 and 8 filters on flow and strain."""

    reads = ("flow",)
    Parameters = STSTNetParams
    image_size = 28

    def build(self):
        from apexbench.methods.networks.ststnet import Network

        return Network(self.num_classes, self.params.dropout, self.params.fused)

    def tensors(self, inputs: Inputs, train: Inputs):
        """Return x (N, 3, 28, 28) float32 in 0..255; a constant map becomes 0.

        Raises ValueError if the maps are not 28 x 28: the head's width depends on it.
        """
        import torch

        flow = inputs["flow"].astype(np.float32)
        if flow.shape[1:] != (3, 28, 28):
            raise ValueError(f"STSTNet reads flow maps (N, 3, 28, 28); the pack holds {flow.shape}")
        low = flow.min(axis=(2, 3), keepdims=True)
        reach = flow.max(axis=(2, 3), keepdims=True) - low
        return {"x": torch.from_numpy((flow - low) / np.where(reach > 0, reach, 1) * 255)}

    def energy(self, inputs):
        """The strain, whose least value stands for none; u and v are stretched: no value of theirs means stillness."""
        return inputs["x"][:, 2]

    def optimizer(self, parameters):
        import torch

        p = self.params
        return torch.optim.Adam(parameters, lr=p.learning_rate, weight_decay=p.weight_decay, fused=True), None
