"""MMNet: Li, Sui, Zhu, Zhao, "MMNet: Muscle Motion-guided Network", IJCAI 2022, arXiv 2201.05297.

Input: the onset and the apex frame at 224 px, RGB. No optical flow, no pretraining. We follow the released code, where
it and the paper disagree a switch leads to the paper:

- Two scripts, for 5 and for 3 classes, differ in depth, widths, augmentation and length; neither the code nor the
  paper has a third for 4 classes, a student's re-run of 2022 has. The defaults are those of the script for 5 classes,
  the card has the others.
- As released, neither script runs: both import modules that are not there, and the 3-class stem is a convolution of 2
  groups on 3 channels. It has 1 group here.
- The 3-class script has 5 outputs, two of them never labelled: `outputs: 5`. Here there are as many as classes.
- The paper's figure 2 has no stride in the first convolution: `stem_stride: 1`.
- The onset frame is shrunk for the position branch by torchvision's resize, whose version decides whether it smooths
  first. Old ones do not: `antialias: true` is what new ones do.
- Only the 3-class script drops paths: `drop_path`, the last block's rate, rising from 0 over the blocks.
- In training both frames lie near the key frames: any frame that the jitter of the pack allows is equally likely. The
  jitter differs between the scripts, too. `frame_jitter: false` trains on the key frames themselves, as does a pack
  that holds no others.
- Both frames are flipped, rotated and cropped alike; the shifts are of 224 px, smaller frames are shifted less. The
  colour jitter that the text mentions is not in the code, and not here.
- The authors edited their sheet by hand, as some of its frames do not exist; our packs take the nearest that does.
- No seed is set; ours is.
"""

import numpy as np
from pydantic import Field

from apexbench.imagenet import normalised
from apexbench.methods.augmentation import flip_rotate_crop
from apexbench.methods.base import KEY_FRAMES, NEAR_KEYS, Inputs, Params, ProtocolFacts
from apexbench.methods.mixing.mixable import Mixable, MixableParams


class MMNetParams(MixableParams):
    """As in the released script for 5 classes.

    `degrees` and `padding` (px of 224) bound the rotations and shifts, `decay` multiplies the learning rate after each
    of the first `decay_epochs` epochs, `width` scales the channels.
    """

    epochs: int = Field(default=74, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = 8e-4
    weight_decay: float = 0.6
    decay: float = 0.987
    decay_epochs: int = 50
    depth: int = Field(default=2, ge=1)
    mlp_ratio: float = Field(default=4.0, gt=0)
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    degrees: float = 3.0
    padding: int = Field(default=15, ge=0)
    joint: bool = True
    frame_jitter: bool = True
    image_size: int = Field(default=224, ge=32)
    width: float = Field(default=1.0, gt=0)
    stem_stride: int = Field(default=2, ge=1, le=2)
    antialias: bool = False
    outputs: int = Field(default=0, ge=0)


class MMNet(Mixable):
    """Apex minus onset through convolutions with attention, and the onset's layout through a small transformer."""

    reads = {"frames": (NEAR_KEYS, KEY_FRAMES)}
    Parameters = MMNetParams
    motion = ("onset", "apex")
    test_params = {"epochs": 2, "batch_size": 4, "image_size": 32, "width": 0.05}

    def __init__(self, num_classes: int, params: Params | None = None):
        super().__init__(num_classes, params)
        self.outputs = self.params.outputs or num_classes
        if self.outputs < num_classes:
            raise ValueError(f"MMNet: {self.outputs} outputs for {num_classes} classes; 0 gives as many as classes")

    @classmethod
    def skip(cls, params: Params, protocol: ProtocolFacts) -> str:
        classes = len(protocol.classes)
        return f"has {params.outputs} outputs for {classes} classes" if 0 < params.outputs < classes else ""

    def build(self, weights=None):
        from apexbench.methods.networks.mmnet import Network

        names = ("depth", "mlp_ratio", "drop_path", "image_size", "width", "stem_stride", "antialias")
        return Network(self.num_classes, self.outputs, **{name: getattr(self.params, name) for name in names})

    def tensors(self, inputs: Inputs) -> dict:
        """Return onset and apex, (N, K, 3, S, S) uint8 each: K frames near the key frame, which is the first.

        Of a clip's K the first `<name>_lengths` hold. Raises ValueError if the frames are not as large as the model
        takes them: the head's width depends on it.
        """
        frames = inputs["frames"]
        frames = frames[:, :, None] if frames.ndim == 5 else frames
        size = self.params.image_size
        if frames.shape[-2:] != (size, size):
            raise ValueError(
                f"MMNet reads frames of {size} x {size} px; the pack's are {frames.shape[-2]} x {frames.shape[-1]}"
            )
        lengths = inputs.get("frames_lengths", np.full(frames.shape[:2], frames.shape[2], dtype=np.int32))
        tensors = {}
        for place, name in enumerate(self.motion):
            tensors |= {name: frames[:, place], f"{name}_lengths": lengths[:, place]}
        return tensors

    def transform(self, batch, rng: np.random.Generator | None = None) -> dict:
        """Take one frame of each kind and normalise it; in training move both alike, and what comes in is 0."""
        import torch

        p, picked = self.params, {}
        for name in self.motion:
            frames = batch[name]
            if rng is None or not p.frame_jitter:
                frames = frames[:, 0]
            else:
                near = torch.from_numpy(rng.integers(0, batch[f"{name}_lengths"].cpu().numpy()))
                frames = frames[torch.arange(len(frames), device=frames.device), near.to(frames.device)]
            picked[name] = normalised(frames)
        if rng is None:
            return picked
        padding = round(p.padding * p.image_size / 224)
        return flip_rotate_crop(picked, rng, degrees=p.degrees, padding=padding, joint=p.joint)[0]

    def energy(self, inputs):
        """How much each px differs between onset and apex."""
        return (inputs["apex"] - inputs["onset"]).abs().mean(1)

    def hidden(self, model) -> list:
        """The stem and the features of the first two stages, before their attention; the position stays the clip's."""
        return [model.stem, *(stage.residual for stage in model.stages[:2])]

    def loss(self, output, targets):
        return super().loss(output, self._widened(targets))

    def presence_loss(self, output, targets):
        return super().presence_loss(output, self._widened(targets))

    def _widened(self, targets):
        """Labels (B, C) as (B, outputs): the outputs that stand for no class are never wanted."""
        import torch

        return torch.nn.functional.pad(targets, (0, self.outputs - self.num_classes)) if targets.ndim == 2 else targets

    def optimizer(self, model):
        import torch

        p = self.params
        optimizer = torch.optim.AdamW(model.parameters(), lr=p.learning_rate, weight_decay=p.weight_decay, fused=True)
        factors = [p.decay ** min(epoch, p.decay_epochs) for epoch in range(p.epochs + 1)]
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factors.__getitem__)
