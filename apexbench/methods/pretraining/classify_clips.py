"""Classes of clips by a 3D ResNet or a video Swin: a step of Décalcomanie's pre-training, and what its methods share.

Décalcomanie (Sensors 22(17):6671, 2022; see `decalcomanie_sbml`) comes to micro-expressions in several steps, each of
which begins with the weights of the one before: actions, then faces. None of it is released. The abstract says so
much; traces in the code point to Kinetics and UCF101 or HMDB51, then CK+ and Oulu-CASIA. How many steps, on which clips
and for how long is not known. Here each step is a recipe of config/recipes.yaml, whose classes are the emotions of its
data sets and whose training is that of the methods.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from apexbench.methods.augmentation import decalcomanie, resize, rotate_resize_flip
from apexbench.methods.base import FRAMES, Inputs
from apexbench.methods.deep import Deep, DeepParams, no_batch_of_one
from apexbench.methods.pretraining import Task
from apexbench.weights import RANDOM, Weights

VIEWS = {"o": "original", "l": "left", "r": "right"}
_RELEASED = {"olr": (0.4, 0.4, 0.2)}  # shares of the views in the loss; of others all alike
_DROPOUT = 0.5  # of a Swin's features, before the output
_SWIN = ("frames_as_channels", "softmax_output")
SMALL = dict(epochs=2, batch_size=4, image_size=24, n_frames=4, width=0.07, depths=(1, 1, 1, 1))  # for tests

Odd = Literal[1, 3, 5, 7]
Views = Literal["o", "lr", "ol", "or", "olr"]


class ClipParams(DeepParams):
    """As the README's recipe of Décalcomanie has it; the script's own defaults are 96 px, 25 frames and 1e-5."""

    epochs: int = Field(default=100, ge=1)
    batch_size: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    lr_decay: float = Field(default=0.1, gt=0)
    """What the learning rate is multiplied by before each of `lr_epochs`, counted from 0."""
    lr_epochs: tuple[int, ...] = (30, 60, 80)
    image_size: int = Field(default=112, ge=2)
    n_frames: int = Field(default=34, ge=1)
    """To which clips of another length are interpolated."""
    degrees: float = Field(default=30.0, ge=0)
    scale: float = Field(default=1.1, gt=0)
    flip: float = Field(default=0.5, ge=0, le=1)
    views: Views = "o"
    """What is trained on: the original, the left half made whole, the right half made whole."""
    legacy_o_scale: bool = False
    """As released: the original is 0..255 in training, and 0..1 in the test, as all else always is."""
    subtract_first: bool = False
    """Ours: of each frame the clip's first is taken away, so that a small network in few steps sees the motion."""
    steady_light: bool = False
    """Ours, with `subtract_first`: each frame is first made as bright as the clip's first, as a flicker of one percent
    is more than most motion."""
    gain: float = Field(default=1.0, gt=0)
    """Ours: multiplies what `subtract_first` leaves. A ResNet's BatchNorm makes up for small values; the LayerNorm of a
    Swin's patches, which have biases, does not."""
    backbone: Literal["resnext101", "resnet50", "resnet18", "swin-t", "swin-s", "swin-b", "swin-l"] = "resnext101"
    width: float = Field(default=1.0, gt=0)
    depths: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    """Blocks of each stage, of which there are four at most; none: the backbone's."""
    stem: tuple[Odd, Odd, Odd] = (7, 7, 7)
    """Sides of a ResNet's first kernel: frames, rows, columns."""
    momentum: float = Field(default=0.1, gt=0, le=1)
    """What a batch counts in the running statistics of a ResNet's batch norms, by which the test normalises."""
    recompute: bool = False
    """Checkpointed gradients: keep nothing of what is inside of a block, and compute it again for the gradient."""
    frames_as_channels: bool = False
    """As released, of a Swin: the frames are the channels, and red, green, blue the depth."""
    softmax_output: bool = False
    """As released, of a Swin: it gives probabilities, and the loss applies the softmax again."""
    weights: Weights = RANDOM

    @model_validator(mode="after")
    def _fits(self):
        if self.depths is not None and not 1 <= len(self.depths) <= 4:
            raise ValueError(f"depths has {len(self.depths)} values, but there are 1 to 4 stages")
        for name in _SWIN:
            if getattr(self, name) and not self.backbone.startswith("swin"):
                raise ValueError(f"{name}: goes with a backbone swin-*, and {self.backbone} has no such switch")
        for name in ("gain", "steady_light"):
            if getattr(self, name) != type(self).model_fields[name].default and not self.subtract_first:
                raise ValueError(f"{name}: goes with subtract_first: true; leave it out")
        if self.weights.timm:
            raise ValueError(
                f"weights: timm has no 3D networks, so {self.weights.timm} does not fit; write random, {{file: path}} "
                f"or {{pretraining: name}}"
            )
        return self


class ClipClassifier(Deep):
    """Frames as a clip, in one view or in several, each with a loss of its own.

    Each view of a clip is rotated and flipped by itself; see `augmentation.rotate_resize_flip`.
    """

    reads = {"frames": FRAMES}
    Parameters = ClipParams

    def tensors(self, inputs: Inputs) -> dict:
        """Return frames (N, T, 3, S, S) uint8, and how many of each clip there are if that differs.

        Raises ValueError if they are not as large as the model takes them.
        """
        size, (height, width) = self.params.image_size, inputs["frames"].shape[-2:]
        if (height, width) != (size, size):
            raise ValueError(
                f"{type(self).__name__} reads frames of {size} x {size} px (image_size); the pack's are {height} x "
                f"{width}"
            )
        return super().tensors(inputs)

    def transform(self, batch: Mapping, rng: np.random.Generator | None = None) -> dict:
        """Return {view: (B, 3, T, S, S) float32 in 0..1}, in training those that are trained, else those scored.

        With `frames_as_channels` (B, T, 3, S, S).
        """
        import torch

        p, clips = self.params, self._in_time(batch)
        # on a CPU narrow convolutions take less time with channels last
        order = torch.channels_last_3d if clips.device.type == "cpu" else torch.contiguous_format
        clips = clips if p.frames_as_channels else clips.transpose(1, 2)
        wanted = self.scored() if rng is None else p.views
        views = {"o": clips}
        if set(wanted) & {"l", "r"}:
            views["l"], views["r"] = decalcomanie(clips)
        done = {}
        for view in wanted:
            if rng is None:
                x = resize(views[view], p.image_size) / 255
            else:
                x = rotate_resize_flip(views[view], p.image_size, rng, degrees=p.degrees, scale=p.scale, flip=p.flip)
                x = x if p.legacy_o_scale and view == "o" else x.div_(255)
            done[VIEWS[view]] = x.contiguous(memory_format=order)
        return done

    def _in_time(self, batch: Mapping):
        """Return frames (B, n_frames, 3, S, S) float, each clip interpolated in time as by align_corners=False."""
        import torch

        frames, count, lengths = batch["frames"], self.params.n_frames, batch.get("frames_lengths")
        if lengths is None and frames.shape[1] == count:
            clips = frames.float()
        elif lengths is None:  # of all clips the same frames, which index_select takes in a fraction of the time
            before, after, share = (x[0].to(frames.device) for x in _between_evenly(frames.shape[1], count))
            clips = torch.lerp(frames.index_select(1, before).float(), frames.index_select(1, after).float(), share)
        else:
            before, after, share = _between(lengths, count)
            row = torch.arange(len(frames), device=frames.device)[:, None]
            clips = torch.lerp(frames[row, before].float(), frames[row, after].float(), share)
        if not self.params.subtract_first:
            return clips
        first = frames[:, :1]
        if self.params.steady_light:
            light, wanted = (x.mean((2, 3, 4), keepdim=True) for x in (clips, first.float()))
            clips = clips * (wanted / light.clamp(min=1))
        moved = clips - first
        return moved if self.params.gain == 1 else moved * self.params.gain

    def scored(self) -> str:
        """Return the views whose scores are added up in the test."""
        return self.params.views

    def backbone(self, weights: Mapping | None):
        from apexbench.methods.networks.video import backbone

        p = self.params
        return backbone(
            p.backbone,
            inputs=p.n_frames if p.frames_as_channels else 3,
            width=p.width,
            depths=p.depths,
            stem=p.stem,
            momentum=p.momentum,
            recompute=p.recompute,
            weights=self.initial("weights", weights),
        )

    def head(self) -> dict:
        """Return the options of `networks.video.output_layers`."""
        dropout = _DROPOUT if self.params.backbone.startswith("swin") else 0.0
        return {"dropout": dropout, "softmax": self.params.softmax_output}

    def build(self, weights=None):
        from apexbench.methods.networks.video import ByView

        return ByView(self.num_classes, self.backbone(weights), **self.head())

    def optimizer(self, model):
        import torch

        p = self.params
        optimizer = torch.optim.Adam(model.parameters(), lr=p.learning_rate, fused=True)
        return optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, p.lr_epochs, p.lr_decay)

    def batches(self, labels: np.ndarray, generator):
        """Return the batches of an epoch: as many clips as there are, drawn with replacement, all classes alike.

        Where clips may have several classes each comes once. A last batch of one clip joins the one before it: of one
        there may be nothing to normalise by.
        """
        import torch

        if self.params.shuffle and labels.ndim == 1:
            shares = torch.from_numpy(1 / np.bincount(labels)[labels])
            rows = torch.multinomial(shares, len(labels), replacement=True, generator=generator)
            return no_batch_of_one(rows.split(self.params.batch_size))
        return no_batch_of_one(super().batches(labels, generator))

    def shares(self) -> tuple[float, ...]:
        """Return what each trained view counts in the loss."""
        views = self.params.views
        return _RELEASED.get(views, (1 / len(views),) * len(views))

    def loss(self, output, targets):
        return self.weighed(self.score_loss, output, targets)

    def presence_loss(self, output, targets):
        from torch.nn.functional import binary_cross_entropy_with_logits

        return self.weighed(binary_cross_entropy_with_logits, output, targets)

    def weighed(self, loss, output, targets):
        """Return the sum of the trained views' losses, each times its share, of {view: scores (B, C)}."""
        shares = zip(self.params.views, self.shares(), strict=True)
        return sum(share * loss(output[VIEWS[view]], targets) for view, share in shares)

    def logits(self, output):
        """Return the sum of the scores of the views that are scored."""
        return sum(output[VIEWS[view]] for view in self.scored())


def _between(lengths, count: int):
    """Return between which frames, (N, count) each, and how near the second, (N, count, 1, 1, 1), of lengths (N,)."""
    import torch

    last, steps = lengths[:, None] - 1, torch.arange(count, device=lengths.device) + 0.5
    place = torch.minimum((steps * (last + 1) / count - 0.5).clamp(min=0), last)
    before = place.long()
    return before, torch.minimum(before + 1, last), (place - before)[..., None, None, None]


@cache
def _between_evenly(length: int, count: int):
    """Return the same where all clips have one length, found once and not in each step."""
    import torch

    return _between(torch.tensor([length]), count)


class ClassifyClips(ClipClassifier, Task):
    """Classes of clips; its state is the backbone, so the next step may have other classes."""

    labelled = True
    test_params = SMALL

    def state(self, model) -> dict:
        return model.backbone.state_dict()
