"""A timm ResNet as encoder, and a decoder of one layer."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from apexbench.torchvision_shim import ensure_torchvision
from apexbench.weights import load

STRIDE = 32


class Network(nn.Module):
    """Frames (B, 3, S, S) to maps of S / 32 and back; `weights` is a state dict of the encoder, None: random."""

    def __init__(self, network: str, resnet: Mapping[str, Any], weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        ensure_torchvision()
        import timm

        self.encoder = timm.create_model(network, num_classes=0, zero_init_last=False, **resnet)
        if weights is not None:
            load(self.encoder, weights, "hyper-parameter 'weights'")
        self.decoder = nn.Conv2d(self.encoder.num_features, 3 * STRIDE**2, kernel_size=1)

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstruction, and the frame that it is of."""
        picture = F.pixel_shuffle(self.decoder(self.encoder.forward_features(frame)), STRIDE)
        return picture[..., : frame.shape[-2], : frame.shape[-1]], frame
