"""What a deep method says of itself so that any function of this folder may mix its training clips."""

from typing import Any, ClassVar

import numpy as np
from pydantic import model_validator

from apexbench.methods.base import Params
from apexbench.methods.deep import Deep, DeepParams
from apexbench.methods.mixing import Batch, Mixed, check_mixing, find_mixing


class MixableParams(DeepParams):
    """How clips are mixed: a function of this folder by name, and its options."""

    mixing: str = "none"
    """Which function of methods/mixing mixes the training clips; none: they stay as they are."""
    mixing_options: dict[str, Any] = {}
    """That function's options."""

    @model_validator(mode="after")
    def _mixing(self):
        check_mixing(self.mixing, self.mixing_options)
        return self


class Mixable(Deep):
    """A deep method that may mix its training clips; its tensors, transformed, are maps (B, ..., H, W).

    Attributes
    ----------
    motion : the inputs of the model that show the motion; MEMix mixes no others. None: all.
    attends : whether the model, called with `attention=True`, returns (output, attention): its last attention of the
        class token to each of `grid` x `grid` patches, (B, grid**2), detached. Else patches count alike.
    """

    Parameters: ClassVar[type[Params]] = MixableParams
    motion: ClassVar[tuple[str, ...] | None] = None
    attends: ClassVar[bool] = False

    @classmethod
    def inside(cls, params) -> str:
        return "mixing" if cls.attends and params.mixing != "none" else ""

    @property
    def grid(self) -> int:
        """Patches on a side, by which masks are made; MEMix has 14 on 224 px."""
        size = self.image_size(self.params) or 14
        return max(side for side in range(1, 15) if size % side == 0)

    def energy(self, inputs):
        """Return how much moves where, (B, H, W), non-negative, from a batch's tensors; |u| + |v| by default."""
        x = inputs[(self.motion or tuple(inputs))[0]]
        return x[:, 0].abs() + x[:, 1].abs()

    def hidden(self, model) -> list:
        """Return the parts of the model after which hidden states may be mixed, in order; none by default."""
        return []

    def mix(self, clips, rows, rng: np.random.Generator, depth: int = 0) -> Mixed:
        """Mix some rows of `clips` (loop.Clips) as the card says; `depth` hidden states of the model can be mixed."""

        def more(rows):
            return clips.batch(rows, rng), clips.soft[rows]

        inputs, labels = more(rows)
        presence, motion = clips.presence, self.motion or tuple(inputs)
        batch = Batch(inputs, labels, presence.sum(0), presence, more, motion, self.energy, self.grid, depth)
        return find_mixing(self.params.mixing)(batch, rng, **self.params.mixing_options)

    def step(self, model, clips, rows, rng: np.random.Generator):
        if self.params.mixing == "none":
            return super().step(model, clips, rows, rng)
        hidden = self.hidden(model)
        mixed = self.mix(clips, rows, rng, len(hidden))
        with self.autocast(clips.device):
            return mixed_loss(model, mixed, clips.loss, hidden, self.attends)


def mixed_loss(model, mixed: Mixed, loss, hidden: list, attends: bool = False):
    """One forward pass and its loss: labels by this pass's own attention, hidden states mixed, parts weighed."""
    handle = None
    if mixed.hidden is not None:
        inside = mixed.hidden
        model = getattr(model, "_orig_mod", model)  # compiled code does not see hooks

        def blend(_module, _arguments, output):
            return output.lerp(output[inside.partner], 1 - inside.weight)

        handle = hidden[inside.part].register_forward_hook(blend)
    try:
        labels = mixed.labels
        if mixed.relabel is not None and attends:
            output, attention = model(**mixed.inputs, attention=True)
            labels = mixed.relabel(attention.float())
        else:
            output = model(**mixed.inputs)
    finally:
        if handle is not None:
            handle.remove()
    if mixed.parts is None:
        return loss(output, labels)
    sizes = [rows for rows, _ in mixed.parts]
    pairs = zip(output.split(sizes), labels.split(sizes), mixed.parts, strict=True)
    return sum(weight * loss(some, wanted) for some, wanted, (_, weight) in pairs)


def attend(method: Mixable, model, batch: dict) -> np.ndarray:
    """Return where a model that attends looks, (N, grid**2): its class token's attention to each patch."""
    import torch

    model.eval()
    with torch.inference_mode():
        return model(**batch, attention=True)[1].float().cpu().numpy()
