"""MLSP-2024: a dual-branch 3D CNN with a changed CBAM, a GRU and attention of several widths over time.

Code: dannyFan-0201/MLSP_2024, and of the same authors ICIP_2024 and the dual-branch repository (`dualbranch_au`). The
papers could not be read, but for abstracts, a figure and the tables. Four generations of code are settings of this one
method; the defaults are MLSP-2024's by figure and tables:

- `icip`: pooling by 2, a GRU of 1024 units, no attention, a tail of 32 units, a third dropout, RGB.
- the latest version of MLSP_2024: `cbam: sum`; the paper's new channel attention is commented out there.
- dual-branch: 64 channels after the merge; of CAS(ME)^3 pooling by 2, dropout after each layer of the tail.

As released, and here:

- The whole frames go in, no flow; the released code shrinks them with INTER_AREA and crops no face.
- Frames are read as BGR (`channels`; ICIP: RGB), less one mean over all, over the largest value after that. The mean
  and the maximum are of all clips, those of the test too: `statistics: all`, which leaks, if mildly. `fold` takes those
  of the training clips.
- The loss is the sum over the classes of -w y log p, p at least 1e-15, averaged over clips and steps and not divided by
  the weights: with w = 0.3, 0.35, 0.35 (`class_weights`) about a third of the cross-entropy. The labels are repeated
  along time, which changes nothing (where the steps are several, the released numbers of repeats even crash).
- 0.01 times the sum of squares of three kinds of kernels is part of the loss (`l2`; no half, and through Adam, not
  beside it); in the first epochs it is ten times the rest.
- Without attention each step has an output of its own: all are trained, and the first is scored.
- No augmentation: a script that writes mirrored copies is there, whether it was used is not known.
- The code stops a fold once its test clips are all right, and takes the best epoch by them. Not here.
- Adam has Keras' epsilon, 1e-7, which Keras adds before the correction of the bias and PyTorch after it.
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from apexbench.methods.base import FRAMES, Fold, Inputs, Params, ProtocolFacts
from apexbench.methods.deep import Deep, DeepParams

_LOWEST = 1e-15  # a probability is no less in the loss


class MlspParams(DeepParams):
    """As in MLSP-2024, but for the class weights. For the network's, see `networks.mlsp.Network`."""

    epochs: int = Field(default=200, ge=1)
    batch_size: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    lr_decay: float = Field(default=0.9, gt=0)
    """What the learning rate is multiplied by before each of `lr_epochs`, counted from 0."""
    lr_epochs: tuple[int, ...] = (40, 80, 120, 160)
    l2: float = Field(default=0.01, ge=0)
    class_weights: Literal["shares", "ones"] | tuple[Annotated[float, Field(ge=0)], ...] = "shares"
    """Of each class in the loss; shares: 1 over their number, for numbers of classes of which no weights are known;
    ones: plain cross-entropy. Where clips may have several classes there are none."""
    statistics: Literal["fold", "all"] = "fold"
    channels: Literal["bgr", "rgb"] = "bgr"
    subtract_first: bool = False
    """Ours: of each frame the clip's first is taken away, so that a small network in few steps sees the motion."""
    image_size: int = Field(default=128, ge=1)
    branches: Literal[1, 2] = 2
    pooling: int = Field(default=3, ge=1)
    merge_channels: int = Field(default=32, ge=1)
    cbam: Literal["half-diff", "sum", "none"] = "half-diff"
    shared_mlp: bool = False
    dropout: float = Field(default=0.3, ge=0, lt=1)
    third_dropout: bool = False
    recurrent: Literal["gru", "lstm", "none"] = "gru"
    recurrent_width: int = Field(default=512, ge=1)
    attention: Literal["multi-scale", "multi-head", "none"] = "multi-scale"
    tail: tuple[Annotated[int, Field(ge=1)], ...] = (128, 64)
    tail_dropout: float = Field(default=0.0, ge=0, lt=1)
    width: float = Field(default=1.0, gt=0)


_NETWORK = (
    "image_size", "branches", "pooling", "merge_channels", "cbam", "shared_mlp", "dropout", "third_dropout",
    "recurrent", "recurrent_width", "attention", "tail", "tail_dropout", "width",
)  # fmt: skip


class Mlsp(Deep):
    """Frames through two 3D convolutions, weighed, then step by step through a GRU and attention.

    Attributes
    ----------
    oracle : whether what it reads of the test clips was chosen by their labels.
    """

    reads = {"frames": FRAMES}
    Parameters = MlspParams
    oracle: ClassVar[bool] = False
    test_params = {"epochs": 2, "batch_size": 4, "image_size": 16, "width": 0.1}

    def __init__(self, num_classes: int, params: Params | None = None):
        super().__init__(num_classes, params)
        reason = _misfit(self.params, num_classes)
        if reason:
            raise ValueError(f"{type(self).__name__}: {reason}; give one for each class, or 'shares', or 'ones'")
        self._test: Inputs | None = None
        self._weights = None

    @classmethod
    def skip(cls, params: Params, protocol: ProtocolFacts) -> str:
        return _misfit(params, len(protocol.classes))

    def scores(self, train: Inputs, labels: np.ndarray, test: Inputs, fold: Fold) -> np.ndarray:
        self._test = test if self.params.statistics == "all" else None
        return super().scores(train, labels, test, fold)

    def fit(self, train: Inputs) -> None:
        """Take {role: (mean, largest value less the mean)} of all that is stored of a role, as `statistics` says."""
        sides = [train] if self._test is None else [train, self._test]
        first = self.params.subtract_first
        self.scale = {role: _scale([side[role] for side in sides], first) for role in self.reads}

    def tensors(self, inputs: Inputs) -> dict:
        """Return the frames of each role, (N, T, 3, S, S) uint8.

        Raises ValueError if they are not as large as the model takes them, or not as many of each clip.
        """
        name, size = type(self).__name__, self.params.image_size
        tensors = {role: inputs[role] for role in self.reads}
        for role, frames in tensors.items():
            if frames.shape[-2:] != (size, size):
                height, width = frames.shape[-2:]
                raise ValueError(
                    f"{name} reads {role} of {size} x {size} px (image_size); the pack's are {height} x {width}"
                )
            if (inputs.get(f"{role}_lengths", frames.shape[1]) != np.array(frames.shape[1])).any():
                raise ValueError(
                    f"{name} reads as many {role} of each clip; the pack's numbers differ: name a recipe that takes a "
                    f"number of frames, such as first"
                )
        return tensors

    def transform(self, batch, rng: np.random.Generator | None = None) -> dict:
        """Return {role: (B, 3, T, S, S) float32}, normalised. Nothing is augmented."""
        return {role: self._normalised(batch[role], *self.scale[role]) for role in self.reads}

    def _normalised(self, frames, mean: float, largest: float):
        import torch

        if self.params.channels == "bgr":
            frames = frames.flip(2)
        # on the CPU narrow convolutions take half as long with channels last
        order = torch.channels_last_3d if frames.device.type == "cpu" else torch.contiguous_format
        x = frames.transpose(1, 2).to(torch.float32, memory_format=order)
        return (x - x[:, :, :1] if self.params.subtract_first else x).sub_(mean).div_(largest)

    def build(self, weights=None):
        from apexbench.methods.networks.mlsp import Network

        return Network(self.num_classes, **{name: getattr(self.params, name) for name in _NETWORK})

    def optimizer(self, model):
        import torch

        p, penalised = self.params, model.penalised()
        those = {id(kernel) for kernel in penalised}
        others = [x for x in model.parameters() if id(x) not in those]
        # the gradient of l2 w^2 is 2 l2 w
        groups = [{"params": others}, {"params": penalised, "weight_decay": 2 * p.l2}]
        optimizer = torch.optim.Adam(groups, lr=p.learning_rate, eps=1e-7, fused=True)
        return optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, p.lr_epochs, p.lr_decay)

    def loss(self, output, targets):
        """Return the mean over clips and steps of `score_loss`, of what the network gives, (B, steps, C)."""
        return self.score_loss(output.flatten(0, 1), targets.repeat_interleave(output.shape[1], 0))

    def score_loss(self, scores, targets):
        """Return the mean of -sum w y log p, of classes (B,) or soft labels (B, C)."""
        import torch

        if targets.ndim == 1:
            targets = torch.nn.functional.one_hot(targets, self.num_classes)
        logs = scores.log_softmax(-1).clamp(min=float(np.log(_LOWEST)))
        return -(logs * (targets * self._class_weights(scores.device))).sum(-1).mean()

    def presence_loss(self, output, targets):
        """Return the mean binary cross-entropy over clips, steps and classes."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(output, targets[:, None].expand_as(output))

    def logits(self, output):
        """Return the scores of the first step."""
        return output[:, 0]

    def _class_weights(self, device):
        """The weights as a number, or as a tensor that goes to the device once."""
        import torch

        given = self.params.class_weights
        if isinstance(given, str):
            return 1.0 if given == "ones" else 1 / self.num_classes
        if self._weights is None or self._weights.device != device:
            self._weights = torch.tensor(given, device=device)
        return self._weights


def _misfit(params: Params, classes: int) -> str:
    given = params.class_weights
    misfit = not isinstance(given, str) and len(given) != classes
    return f"class_weights has {len(given)} values for {classes} classes" if misfit else ""


def _scale(parts: list[np.ndarray], subtract_first: bool = False) -> tuple[float, float]:
    """Return the mean of all values, and the largest less the mean; clip by clip, so that no pack is copied."""
    total, count, largest = 0.0, 0, -np.inf
    for clip in (clip for part in parts for clip in part):
        x = np.subtract(clip, clip[:1], dtype=np.int16) if subtract_first else clip
        total, count, largest = total + float(x.sum(dtype=np.int64)), count + x.size, max(largest, float(x.max()))
    mean = total / count
    return mean, (largest - mean) or 1.0  # all alike: 0
