"""MixMeFormer: Gu et al., "Facial Micro-motion-aware Mixup for Micro-expression Recognition", ICASSP 2024.

A ViT-B/16 reads the onset-to-apex flow (Farnebäck), a ResNet-18 the onset frame; clips are mixed by MEMix (mixing/).
Pretrained weights are those that the released code takes; `random` is the default here, since they must be fetched.

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
from apexbench.methods.base import Deep, DeepParams, Inputs


class MixMeFormerParams(DeepParams):
    """As in the released code, but for the weights. `vit` and `resnet` hold sizes, as timm's builders take them."""

    epochs: int = 99
    batch_size: int = 34
    learning_rate: float = 3e-5
    mixing: str = "memix"
    image_size: int = 224
    vit: dict[str, Any] = Field(default={})
    resnet: dict[str, Any] = Field(default={})
    weights: str = "random"
    semantic_weights: str = "random"
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


class MixMeFormer(Deep):
    """Flow and onset frame, one transformer."""

    reads = ("flow", "frames")
    Parameters = MixMeFormerParams
    motion = ("flow",)
    attends = True
    pretrained = ("weights", "semantic_weights")

    @property
    def grid(self) -> int:
        return self.params.image_size // self.params.vit.get("patch_size", 16)

    def build(self):
        from apexbench.methods.networks.mixmeformer import Network

        p = self.params
        fusion = "frames" in self.reads
        return Network(
            self.num_classes, p.image_size, fusion, p.vit, p.resnet, p.weights, p.semantic_weights, p.unused_norm
        )

    def tensors(self, inputs: Inputs, train: Inputs):
        """Return flow (N, 2, S, S) = u, v and, where it is read, onset (N, 3, S, S), normalised; float32."""
        p = self.params
        tensors = {"flow": self._normalised(_flow(inputs), _flow(train), p.flow_mean, p.flow_std)}
        if "frames" in self.reads:
            tensors["onset"] = self._normalised(self._onset(inputs), self._onset(train), p.image_mean, p.image_std)
        return tensors

    def _normalised(self, x, seen, mean, std):
        import torch

        p = self.params
        mean, std = torch.tensor(mean), torch.tensor(std)
        if p.statistics == "fold":
            mean, std = seen.mean(dim=(0, 2, 3)), seen.std(dim=(0, 2, 3))
        elif len(mean) == 3 and p.channels == "rgb":
            mean, std = mean.flip(0), std.flip(0)
        if len(mean) == 2 and p.flip_sign:
            mean[0] = 0  # a clip and its mirror image count alike: u is 0 on average
        return (x - mean[:, None, None]) / std.clamp(min=1e-6)[:, None, None]

    def _onset(self, inputs: Inputs):
        import torch

        onset = torch.from_numpy(inputs["frames"][:, 0].astype(np.float32) / 255)
        return onset.flip(1) if self.params.channels == "bgr" else onset

    def augment(self, inputs, rng: np.random.Generator):
        """Flip, rotate and shift; flow's vectors are not turned with the map, as released, but for `flip_sign`."""
        p = self.params
        if p.augmentation == "none":
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

    def optimizer(self, parameters):
        import torch

        return torch.optim.Adam(parameters, lr=self.params.learning_rate, fused=True), None


def _flow(inputs: Inputs):
    import torch

    return torch.from_numpy(inputs["flow"][:, :2].astype(np.float32))
