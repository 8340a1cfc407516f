"""Reconstruction of single frames through a ResNet: no paper's, the plainest task that gives a timm ResNet its weights.

Its encoder is the network that MixMeFormer's `semantic_weights` initialises.
"""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from apexbench.methods.base import FRAMES, KEY_FRAMES
from apexbench.methods.deep import DeepParams
from apexbench.methods.pretraining import Task
from apexbench.weights import RANDOM, Weights


class ReconstructParams(DeepParams):
    """`resnet` holds sizes, as timm's builders take them; `channels` is the order that the encoder will see."""

    epochs: int = Field(default=20, ge=1)
    learning_rate: float = 1e-3
    network: str = "resnet18"
    resnet: dict[str, Any] = {}
    weights: Weights = RANDOM
    channels: Literal["bgr", "rgb"] = "rgb"


class Reconstruct(Task):
    """Encoder and a decoder of one layer; mean squared error of frames in 0..1."""

    reads = {"frames": (KEY_FRAMES, FRAMES)}
    Parameters = ReconstructParams
    test_params = {
        "epochs": 2,
        "batch_size": 4,
        "resnet": {"layers": [1, 1, 1, 1], "channels": [8, 16, 32, 64], "stem_type": "deep", "stem_width": 4},
    }

    def transform(self, batch, rng: np.random.Generator | None = None) -> dict:
        """Take any frame of each clip in training, the first in the test."""
        import torch

        frames = batch["frames"]
        lengths = batch["frames_lengths"].cpu().numpy() if "frames_lengths" in batch else frames.shape[1]
        one = np.zeros(len(frames), int) if rng is None else rng.integers(0, lengths, len(frames))
        picked = frames[torch.arange(len(frames), device=frames.device), torch.from_numpy(one).to(frames.device)]
        picked = picked.float() / 255
        return {"frame": picked.flip(1) if self.params.channels == "bgr" else picked}

    def build(self, weights=None):
        from apexbench.methods.networks.reconstruct import Network

        return Network(self.params.network, self.params.resnet, self.initial("weights", weights))

    def optimizer(self, model):
        import torch

        return torch.optim.Adam(model.parameters(), lr=self.params.learning_rate, fused=True)

    def loss(self, output, targets):
        reconstructed, frame = output
        return (reconstructed - frame).square().mean()

    presence_loss = loss

    def state(self, model) -> dict:
        return model.encoder.state_dict()
