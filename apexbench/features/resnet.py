"""ResNet features of face crops up to a named layer (timm), frozen.

Weights are `random` (He initialisation from a seed: a fixed random projection, which claims nothing), pretrained
elsewhere, or pre-trained here (`methods/pretraining/classify_faces`).
AMAN (Wei et al., ICASSP 2022) takes ResNet-18 up to layer3 with ImageNet's mean and deviation. Its released extractor
never leaves training mode, so that BatchNorm takes the statistics of one frame's factors together: `bn_mode: train`.
By default a picture's maps are its own. The running statistics, which drift there, are not used in that mode.
"""

from functools import cached_property
from typing import Literal, get_args

import numpy as np
from pydantic import BaseModel, Field, model_validator

from apexbench.features.base import Extractor, Options
from apexbench.imagenet import normalised
from apexbench.timm_resnet import create_network
from apexbench.weights import RANDOM, Weights, load, state_of

Layer = Literal["stem", "layer1", "layer2", "layer3", "layer4"]
_BATCH = 16
_WHERE = "config/recipes.yaml"


def load_network(network: str, weights: Weights, seed: int, width: float = 1.0):
    """Return a timm ResNet without its head, in eval mode.

    Raises InputError if the network or the tag is unknown or no ResNet, or the file is missing or does not fit.
    """
    import torch

    torch.manual_seed(seed)
    model = create_network(network, width).eval()
    if not weights.random:
        load(model, state_of(weights, _WHERE), weights.file or weights.timm)
    return model


class ResNetOptions(Options):
    """timm's name of the network, its layer, and `weights`: `random` (from `seed`), a file, a tag, or a pre-training.

    `bn_mode`: `eval` normalises by the weights' own statistics, `train` by those of the pictures that share the first
    axis of a clip, one frame's factors. `width` scales the channels, for quick budgets.
    """

    network: str = "resnet18"
    layer: Layer = "layer3"
    weights: Weights = RANDOM
    seed: int = 0
    bn_mode: Literal["eval", "train"] = "eval"
    width: float = Field(default=1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _given_weights_have_their_size(self):
        if self.width != 1 and self.weights.timm:
            raise ValueError("width: timm's weights have a size of their own; leave width out, or take weights: random")
        return self


class ResNet(Extractor):
    """Maps of a layer for every picture of a clip, (..., H, W, 1 or 3) uint8 RGB -> (..., feature, h, w) float16.

    Gray pictures repeat their channel. InputError with the first clip if the network is unknown or its weights do not
    fit.
    """

    reads = (..., "y", "x", "colour")
    adds = ("feature", "y", "x")
    uses_gpu = True
    Options = ResNetOptions

    @classmethod
    def misfit(cls, options: ResNetOptions, pretrained: BaseModel) -> str:
        """Networks must be of one name and width."""
        for name in ("network", "width"):
            own, theirs = getattr(options, name), getattr(pretrained, name, None)
            if theirs is None:
                return "it trains no ResNet of pictures; take one whose task is classify-faces"
            if own != theirs:
                return f"{name} is {own} here and {theirs} there; give both the same"
        return ""

    @cached_property
    def _network(self):
        options = self.options
        network = load_network(options.network, options.weights, options.seed, options.width)
        return network.train(options.bn_mode == "train").to(self.device)

    def load(self, side: int) -> None:
        _ = self._network

    def __call__(self, clip: np.ndarray) -> np.ndarray:
        import torch

        if clip.dtype != np.uint8 or clip.ndim < 3 or clip.shape[-1] not in (1, 3) or 0 in clip.shape:
            raise ValueError(f"expected uint8 pictures (..., H, W, 1 or 3), got {clip.dtype} {clip.shape}")
        flat = clip.reshape(-1, *clip.shape[-3:])
        step = _BATCH if self.options.bn_mode == "eval" else int(np.prod(clip.shape[1:-3], dtype=int))
        maps = []
        with torch.inference_mode():
            for start in range(0, len(flat), step):
                pictures = np.ascontiguousarray(flat[start : start + step].transpose(0, 3, 1, 2))
                batch = torch.from_numpy(pictures).to(self.device).expand(-1, 3, -1, -1)
                found = self._network.forward_intermediates(
                    normalised(batch),
                    indices=[get_args(Layer).index(self.options.layer)],
                    stop_early=True,
                    intermediates_only=True,
                )
                maps.append(found[0].half().cpu().numpy())
        maps = np.concatenate(maps)
        return maps.reshape(*clip.shape[:-3], *maps.shape[1:])
