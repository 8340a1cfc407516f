"""MixMeFormer: Gu et al., "Facial Micro-motion-aware Mixup for Micro-expression Recognition", ICASSP 2024.

A ViT-B/16 reads the onset-to-apex flow (Farnebäck), a ResNet-18 the onset frame; clips are mixed by MEMix (mixing/).
Initial weights are those that the released code takes; `random` is the default here, since they must be fetched.

The released training loop cannot run: its loader gives (onset, apex) to a network that expects (flow, onset). We take
the repaired reading that two lines left as comments, and the loader's test branch, suggest: flow of the frames as they
are, normalised, then augmented. Switches, the released code's way first:

- `augmentation`: `independent` draws flips, rotations and crops for flow and onset apart; `joint` draws them once.
- `flip_sign`: false leaves u as it is where the map is flipped; true negates it.
- `channels`: `bgr`, since OpenCV's frames are never converted although the weights are of RGB pictures; `rgb`.
- `statistics`: `global` are constants of CASME II, of all clips, the test ones too: `flow_mean` and so on, for 5
  classes. The code's comments have others for 3 classes: flow 0.016, 0.003 and 0.994, 0.919; frames 0.303, 0.366,
  0.509 and 0.119, 0.135, 0.187. None are known for other data sets. `fold` are means and standard deviations of the
  training clips of each fold.
- `unused_norm`: true makes the batch norm that the released network never uses.

The last block runs for the class token only: no other token of it is used, so that scores and gradients are the same.
"""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from apexbench.methods.augmentation import flip_rotate_crop
from apexbench.methods.base import FLOW, KEY_FRAMES, Inputs
from apexbench.methods.mixing.mixable import Mixable, MixableParams
from apexbench.weights import RANDOM, Weights

_SMALL = {"epochs": 2, "batch_size": 4, "image_size": 48, "vit": {"embed_dim": 32, "depth": 2, "num_heads": 4}}
_SMALL_RESNET = {"layers": [1, 1, 1, 1], "channels": [8, 16, 32, 64], "stem_type": "deep", "stem_width": 4}


class MixMeFormerParams(MixableParams):
    """As in the released code, but for the weights. `vit` and `resnet` hold sizes, as timm's builders take them."""

    epochs: int = 99
    batch_size: int = 34
    learning_rate: float = 3e-5
    mixing: str = "memix"
    image_size: int = 224
    vit: dict[str, Any] = Field(default={})
    resnet: dict[str, Any] = Field(default={})
    weights: Weights = RANDOM
    semantic_weights: Weights = RANDOM
    unused_norm: bool = True
    augmentation: Literal["independent", "joint", "none"] = "independent"
    degrees: float = 4.0
    padding: int = 4
    flip_sign: bool = False
    channels: Literal["bgr", "rgb"] = "bgr"
    statistics: Literal["global", "fold"] = "global"
    flow_mean: tuple[float, float] = (0.006, 0.066)
    flow_std: tuple[float, float] = (0.956, 0.833)
    image_mean: tuple[float, float, float] = (0.296, 0.358, 0.500)  # blue, green, red
    image_std: tuple[float, float, float] = (0.123, 0.136, 0.185)


class MixMeFormer(Mixable):
    """Flow and onset frame, one transformer."""

    reads = {"flow": FLOW, "frames": KEY_FRAMES}
    Parameters = MixMeFormerParams
    motion = ("flow",)
    attends = True
    test_params = {**_SMALL, "resnet": _SMALL_RESNET}

    @classmethod
    def needs_px(cls, params) -> bool:
        """The constants are of flow in px; a sign is only about no motion."""
        return params.statistics == "global" or params.flip_sign

    @property
    def grid(self) -> int:
        return self.params.image_size // self.params.vit.get("patch_size", 16)

    def fit(self, train: Inputs) -> None:
        """Take the means and standard deviations of each channel, {name: (2, C)}; as `statistics` says."""
        import torch

        p = self.params
        self.statistics = {"flow": np.array([p.flow_mean, p.flow_std]), "onset": np.array([p.image_mean, p.image_std])}
        if p.channels == "rgb":
            self.statistics["onset"] = np.flip(self.statistics["onset"], 1).copy()
        if p.statistics == "fold":
            self.statistics = {name: _statistics(x) for name, x in self.tensors(train).items()}
            if "onset" in self.statistics:
                self.statistics["onset"] = self.statistics["onset"][:, :: -1 if p.channels == "bgr" else 1] / 255
        if p.flip_sign:
            self.statistics["flow"][0, 0] = 0  # a clip and its mirror image count alike: u is 0 on average
        scales = {name: torch.from_numpy(x.astype(np.float32)[..., None, None]) for name, x in self.statistics.items()}
        self.scales = {name: (mean, std.clamp(min=1e-6)) for name, (mean, std) in scales.items()}  # (C, 1, 1) each

    def build(self, weights=None):
        from apexbench.methods.networks.mixmeformer import Network

        p = self.params
        return Network(
            self.num_classes,
            p.image_size,
            "frames" in self.reads,
            p.vit,
            p.resnet,
            self.initial("weights", weights),
            self.initial("semantic_weights", weights) if "frames" in self.reads else None,
            p.unused_norm,
        )

    def tensors(self, inputs: Inputs) -> dict:
        """Return flow (N, 2, S, S) = u, v and, where it is read, onset (N, 3, S, S), as they are stored."""
        tensors = {"flow": inputs["flow"][:, :2]}
        return tensors | ({"onset": inputs["frames"][:, 0]} if "frames" in self.reads else {})

    def transform(self, batch, rng: np.random.Generator | None = None) -> dict:
        """Normalise; in training then flip, rotate and shift.

        Flow's vectors are not turned with the map, as released, but for `flip_sign`.
        """
        import torch

        p, inputs = self.params, {}
        for name, x in batch.items():
            x = x.flip(1) if name == "onset" and p.channels == "bgr" else x
            x = x.to(torch.float32, copy=True)
            mean, std = (scale.to(x.device) for scale in self.scales[name])
            x = x.div_(255) if name == "onset" else x
            inputs[name] = x.sub_(mean).div_(std)
        if rng is None or p.augmentation == "none":
            return inputs
        joint = p.augmentation == "joint"
        augmented, flipped = flip_rotate_crop(inputs, rng, degrees=p.degrees, padding=p.padding, joint=joint)
        if p.flip_sign:
            flow = augmented["flow"]
            flow[:, 0] *= flow.new_tensor(np.where(flipped["flow"], -1.0, 1.0))[:, None, None]
        return augmented

    def hidden(self, model) -> list:
        """The blocks after a third and two thirds of the depth (4 and 8 of 12): ours, no paper maps it to a ViT."""
        blocks, depth = model.vit.blocks, len(model.vit.blocks)
        places = sorted({max(1, depth // 3), max(1, 2 * depth // 3)})
        return [blocks[place - 1] for place in places if place < depth]

    def optimizer(self, model):
        import torch

        return torch.optim.Adam(model.parameters(), lr=self.params.learning_rate, fused=True)


def _statistics(x: np.ndarray) -> np.ndarray:
    """Return mean and standard deviation of each channel of (N, C, H, W), (2, C), clip by clip in float64."""
    count = x[:, 0].size
    mean = sum(clip.mean(axis=(1, 2), dtype=np.float64) for clip in x) / len(x)
    squares = sum(((clip - mean[:, None, None]) ** 2).sum(axis=(1, 2)) for clip in x)
    return np.stack([mean, np.sqrt(squares / max(count - 1, 1))])
