"""Emotions of faces, picture by picture, by a ResNet: weights for features of faces.

AMAN (Wei et al., ICASSP 2022) extracts its features by a ResNet-18 that its authors trained on FER+, pictures of full
expressions; neither those weights nor that training is released. What stands here is ours: clips of full expressions,
whose pictures are scored one by one; a clip's scores are the mean of its pictures', so that it need not be known where
in a clip the expression is at its height.
"""

from collections.abc import Mapping

import numpy as np
from pydantic import Field, model_validator

from apexbench.imagenet import normalised
from apexbench.methods.base import FRAMES, KEY_FRAMES, Inputs
from apexbench.methods.deep import DeepParams, no_batch_of_one
from apexbench.methods.pretraining import Task
from apexbench.weights import RANDOM, Weights


class FaceParams(DeepParams):
    """Ours, all of them: nothing is known of the authors' training."""

    epochs: int = Field(default=60, ge=1)
    batch_size: int = Field(default=16, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    flip: float = Field(default=0.5, ge=0, le=1)
    """Share of the clips that are mirrored."""
    skip_onset: bool = False
    """Leave out each clip's first frame, which shows no expression yet."""
    network: str = "resnet18"
    """A ResNet of timm's."""
    width: float = Field(default=1.0, gt=0, le=1)
    """Scales the channels of its layers."""
    weights: Weights = RANDOM

    @model_validator(mode="after")
    def _given_weights_have_their_size(self):
        if self.width != 1 and (self.weights.file or self.weights.timm):
            raise ValueError("width: given weights have a size of their own; leave width out, or take weights: random")
        return self


class ClassifyFaces(Task):
    """Frames (T, 3, H, W) of a clip -> its emotion; its state is the network without its output layer."""

    labelled = True
    reads = {"frames": (FRAMES, KEY_FRAMES)}
    Parameters = FaceParams
    test_params = {"epochs": 2, "batch_size": 4, "width": 0.05}

    def tensors(self, inputs: Inputs) -> dict:
        """Return the frames as they are stored; ValueError for clips of one frame, if the first is left out."""
        if self.params.skip_onset and inputs["frames"].shape[1] < 2:
            raise ValueError("skip_onset, but the pack has one frame of each clip; name a recipe of more")
        return super().tensors(inputs)

    def transform(self, batch: Mapping, rng: np.random.Generator | None = None) -> dict:
        """Return pictures (B, T, 3, H, W) float32 as the extractor `resnet` takes them, in training some mirrored."""
        skipped = int(self.params.skip_onset)
        frames = batch["frames"][:, skipped:]
        if rng is not None:
            turned = frames.new_tensor(rng.random(len(frames)) < self.params.flip, dtype=bool)
            frames = frames.flip(-1).where(turned[:, None, None, None, None], frames)
        return {"frames": normalised(frames)} | {k: x - skipped for k, x in batch.items() if k == "frames_lengths"}

    def build(self, weights=None):
        from apexbench.methods.networks.faces import Faces

        p = self.params
        return Faces(self.num_classes, p.network, width=p.width, weights=self.initial("weights", weights))

    def batches(self, labels: np.ndarray, generator):
        return no_batch_of_one(super().batches(labels, generator))

    def optimizer(self, model):
        import torch

        p = self.params
        optimizer = torch.optim.AdamW(model.parameters(), lr=p.learning_rate, weight_decay=p.weight_decay, fused=True)
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, p.epochs)

    def state(self, model) -> dict:
        return model.network.state_dict()
