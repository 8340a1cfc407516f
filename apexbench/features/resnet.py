"""ResNet features of face crops up to a named layer (timm), frozen.

Weights are `random` (He initialisation from a seed: a fixed random projection, which claims nothing) or pretrained.
AMAN (Wei et al., ICASSP 2022) takes ResNet-18 up to layer3 with ImageNet's mean and deviation. Its released extractor
never leaves training mode, so that BatchNorm takes the statistics of one frame's factors together: `bn_mode: train`.
By default a picture's maps are its own. The running statistics, which drift there, are not used in that mode.
"""

from functools import cached_property
from typing import Literal, get_args

import numpy as np
from pydantic import Field, model_validator

from apexbench.dynamo_shim import spare_dynamo
from apexbench.errors import InputError, nearest
from apexbench.features.base import Extractor, Options
from apexbench.torchvision_shim import ensure_torchvision
from apexbench.weights import RANDOM, Weights, load, state_of

Layer = Literal["stem", "layer1", "layer2", "layer3", "layer4"]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CHANNELS = (64, 128, 256, 512)  # of timm's layers, whose stem is left as it is
_BATCH = 16
_WHERE = "config/recipes.yaml"


def load_network(network: str, weights: Weights, seed: int, width: float = 1.0):
    """Return a timm ResNet without its head, in eval mode; `width` scales the channels of its layers.

    Raises InputError if the network or the tag is unknown or no ResNet, or the file is missing or does not fit.
    """
    spare_dynamo()
    ensure_torchvision()
    import timm
    import torch

    if not timm.is_model(network):
        raise InputError(f"{_WHERE}: network {network!r}; {nearest(network, timm.list_models('resnet*'))}")
    torch.manual_seed(seed)
    sizes = {"channels": tuple(max(1, round(width * size)) for size in _CHANNELS)} if width != 1 else {}
    try:  # else a block's last BatchNorm begins at zero, and blocks of random weights do nothing
        model = timm.create_model(network, num_classes=0, zero_init_last=False, **sizes).eval()
    except TypeError:
        raise InputError(f"{_WHERE}: network {network!r} is no ResNet; take resnet18 or one like it") from None
    if not weights.random:
        load(model, state_of(weights, _WHERE), weights.file or weights.timm)
    return model


class ResNetOptions(Options):
    """timm's name of the network, its layer, and `weights`: `random` (from `seed`), a file, or a timm tag.

    `bn_mode`: `eval` normalises by the weights' own statistics, `train` by those of the pictures that share the first
    axis of a clip, one frame's factors. `width` scales the channels of random weights, for quick budgets.
    """

    network: str = "resnet18"
    layer: Layer = "layer3"
    weights: Weights = RANDOM
    seed: int = 0
    bn_mode: Literal["eval", "train"] = "eval"
    width: float = Field(default=1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _given_weights_have_their_size(self):
        if self.width != 1 and not self.weights.random:
            raise ValueError("width: given weights have a size of their own; leave width out, or take weights: random")
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

    @cached_property
    def _network(self):
        options = self.options
        network = load_network(options.network, options.weights, options.seed, options.width)
        return network.train(options.bn_mode == "train").to(self.device)

    def __call__(self, clip: np.ndarray) -> np.ndarray:
        import torch

        if clip.dtype != np.uint8 or clip.ndim < 3 or clip.shape[-1] not in (1, 3) or 0 in clip.shape:
            raise ValueError(f"expected uint8 pictures (..., H, W, 1 or 3), got {clip.dtype} {clip.shape}")
        mean, std = (torch.tensor(values, device=self.device).view(1, 3, 1, 1) for values in (_MEAN, _STD))
        flat = clip.reshape(-1, *clip.shape[-3:])
        step = _BATCH if self.options.bn_mode == "eval" else int(np.prod(clip.shape[1:-3], dtype=int))
        maps = []
        with torch.inference_mode():
            for start in range(0, len(flat), step):
                pictures = np.ascontiguousarray(flat[start : start + step].transpose(0, 3, 1, 2))
                batch = torch.from_numpy(pictures).to(self.device).expand(-1, 3, -1, -1).float() / 255
                found = self._network.forward_intermediates(
                    (batch - mean) / std,
                    indices=[get_args(Layer).index(self.options.layer)],
                    stop_early=True,
                    intermediates_only=True,
                )
                maps.append(found[0].half().cpu().numpy())
        maps = np.concatenate(maps)
        return maps.reshape(*clip.shape[:-3], *maps.shape[1:])
