"""CapsuleNet: Quang et al., FG 2019; released code: davidnvq/me_recognition.

The apex frame alone, RGB, through a ResNet-18 with ImageNet's weights and one capsule of each class. As released, and
here:

- In each epoch there are the apex frame of each training clip and, drawn anew, others from the two frames before and
  after it, so many that the classes are equally frequent: all four of the rarest class (surprise, of the composite), of
  another class so many fewer as it has more clips. Fractions are the probability of one more. A class of more than five
  times the rarest's clips is seen by its apex frames alone, and a clip without so many neighbours gives those it has.
- Frames are 234 px high and 240 wide there, here 240 x 240; rotated, flipped, their colours changed, cropped to 224 px
  and scaled to 0..1. They are not normalised by ImageNet's mean and deviation, although the weights are of pictures
  that are. The order of the changes of colour is drawn for each batch here, for each frame there.
- The released test rotates each frame at random, too: its numbers depend on the draw. Here the test rotates nothing.
- The learning rate falls before each epoch, before the first one too.
- The epoch that has the best UF1 of each test subject is kept. Not here.
"""

import copy
from typing import Any

import numpy as np
from pydantic import Field

from apexbench.methods.augmentation import colour_jitter, flip_rotate_crop
from apexbench.methods.base import NEAR_KEYS, Inputs
from apexbench.methods.deep import Deep, DeepParams
from apexbench.weights import RANDOM, Weights


class CapsuleNetParams(DeepParams):
    """As in the released code, but for the weights.

    `image_size` is the side of the pack's frames in px, `crop` of what the network sees. `neighbours` are the frames
    beside the apex that a clip of the rarest class gives to an epoch. `jitter` bounds the changes of brightness,
    contrast, saturation and hue. A class that is there is to have a capsule of length `present` at least, others of
    `absent` at most; the latter weigh `absent_weight`. For the network's, see `networks.capsulenet.Network`.
    """

    epochs: int = Field(default=30, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    decay: float = Field(default=0.9, gt=0)
    image_size: int = Field(default=240, ge=8)
    crop: int = Field(default=224, ge=8)
    neighbours: int = Field(default=4, ge=0)
    degrees: float = Field(default=8.0, ge=0)
    jitter: tuple[float, float, float, float] = (0.2, 0.2, 0.2, 0.2)
    weights: Weights = RANDOM
    resnet: dict[str, Any] = Field(default={})
    channels: int = Field(default=256, ge=8, multiple_of=8)
    kernel: int = Field(default=9, ge=1)
    iterations: int = Field(default=3, ge=1)
    freeze: bool = False
    present: float = Field(default=0.99, ge=0, le=1)
    absent: float = Field(default=0.01, ge=0, le=1)
    absent_weight: float = Field(default=0.5, ge=0)


class CapsuleNet(Deep):
    """The apex frame through a ResNet, and capsules whose votes are routed to those of the classes."""

    reads = {"frames": NEAR_KEYS}
    Parameters = CapsuleNetParams
    multilabel = False
    test_params = {
        "epochs": 2, "batch_size": 8, "image_size": 36, "crop": 32, "channels": 16, "kernel": 2,
        "resnet": {"layers": [1, 1, 1, 1], "channels": [4, 4, 8, 8], "stem_type": "deep", "stem_width": 2},
    }  # fmt: skip

    def fit(self, train: Inputs) -> None:
        """Keep how many frames near its apex each training clip has, itself among them, (N,)."""
        self.near = train["frames"].shape[2]
        self.held = np.asarray(train["frames_lengths"])[:, 1]

    def build(self, weights=None):
        from apexbench.methods.networks.capsulenet import Network

        names = ("resnet", "channels", "kernel", "iterations", "freeze")
        values = {name: getattr(self.params, name) for name in names}
        return Network(self.num_classes, self.params.crop, **values, weights=self.initial("weights", weights))

    def tensors(self, inputs: Inputs) -> dict:
        """Return frames (N, 2, K, 3, S, S) uint8: K near the onset and the apex, which are the first.

        Raises ValueError if the frames are not as large as `image_size` says, or smaller than the crop.
        """
        frames, p = inputs["frames"], self.params
        if frames.shape[-2:] != (p.image_size, p.image_size) or p.image_size < p.crop:
            height, width = frames.shape[-2:]
            raise ValueError(
                f"CapsuleNet reads frames of {p.image_size} x {p.image_size} px (image_size), of which it crops "
                f"{p.crop}; the pack's are {height} x {width}"
            )
        return {"frames": frames}

    def batches(self, labels: np.ndarray, generator):
        """Return batches of frames: row 2 K i + K + k is the k-th frame near the apex of clip i."""
        import torch

        p, counts = self.params, np.bincount(labels)
        others = (p.neighbours + 1) * counts[counts > 0].min() / counts[labels] - 1
        others = torch.from_numpy(others) + torch.rand(len(labels), generator=generator)
        order = torch.rand(len(labels), self.near, generator=generator)
        order[:, 0] = -1  # the apex frame comes first
        order[torch.arange(self.near) >= torch.from_numpy(self.held)[:, None]] = 2  # and what does not hold last
        place = order.argsort(1).argsort(1)
        taken = (place == 0) | ((place <= others.floor()[:, None]) & (order <= 1))
        clip, near = taken.nonzero(as_tuple=True)
        rows = (2 * clip + 1) * self.near + near
        return (rows[torch.randperm(len(rows), generator=generator)] if p.shuffle else rows).split(p.batch_size)

    def step(self, model, clips, rows, rng: np.random.Generator):
        frames = copy.copy(clips)
        frames.inputs = {"frames": clips.inputs["frames"].flatten(0, 2)}
        batch, targets = frames.batch(rows, rng), clips.targets[rows // (2 * self.near)]
        with self.autocast(clips.device):
            return clips.loss(model(**batch), targets)

    def transform(self, batch, rng: np.random.Generator | None = None) -> dict:
        """Return frames (B, 3, crop, crop) in 0..1: in training of frames (B, 3, S, S), else the apex's middle."""
        import torch

        p, frames = self.params, batch["frames"]
        margin = (p.image_size - p.crop) // 2
        if rng is None:
            middle = slice(margin, margin + p.crop)
            frames = (frames if frames.ndim == 4 else frames[:, 1, 0])[..., middle, middle]
            return {"frames": frames.to(torch.float32).div_(255)}
        moved, _ = flip_rotate_crop({"frames": frames}, rng, degrees=p.degrees, padding=margin, margin=margin)
        frames = moved["frames"][..., : p.crop, : p.crop].to(torch.float32).div_(255)
        return {"frames": colour_jitter(frames, rng, *p.jitter)}

    def score_loss(self, scores, targets):
        """Return the margin loss of capsules' lengths (B, C), summed over the classes; targets as in `loss`."""
        import torch

        p = self.params
        if targets.ndim == 1:
            targets = torch.nn.functional.one_hot(targets, self.num_classes)
        missed = targets * (p.present - scores).clamp(min=0) ** 2
        false = (1 - targets) * (scores - p.absent).clamp(min=0) ** 2
        return (missed + p.absent_weight * false).sum(1).mean()

    def optimizer(self, model):
        import torch

        p = self.params
        learned = [x for x in model.parameters() if x.requires_grad]
        optimizer = torch.optim.Adam(learned, lr=p.learning_rate, fused=True)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: p.decay ** (epoch + 1))
