"""Vision transformer (timm): the class token of pictures, frozen; flow is coded as pictures first.

SLSTT (Zhang et al., TAFFC 2022) takes ViT-B/16 at 384 px. In its released code every block runs without gradients, so
that the class token after the last norm is all that its trained part sees: it is computed once. Pictures are normalised
by ImageNet's mean and deviation, as released, although some of timm's weights were trained with 0.5.

Weights are pretrained or `random`: a fixed random projection, which claims nothing.
"""

from typing import Any, ClassVar

import cv2
import numpy as np
from pydantic import Field, model_validator

from apexbench.config.recipes import Axes
from apexbench.dynamo_shim import spare_dynamo
from apexbench.errors import InputError, nearest
from apexbench.features.base import Extractor, Options
from apexbench.imagenet import normalised
from apexbench.torchvision_shim import ensure_torchvision
from apexbench.weights import RANDOM, Weights, load, state_of

_BATCH = 16
_WHERE = "config/recipes.yaml"


def flow_pictures(flow: np.ndarray) -> np.ndarray:
    """Code flow (..., H, W, 2 or more) = u, v, ... in px as pictures (..., H, W, 3) uint8 RGB.

    Hue is the direction: 0 degrees, to the right, is red; the picture's y grows downwards. Value is the magnitude,
    stretched from its least to its largest in each picture; saturation is full. So is SLSTT's released code, whose
    pictures went through JPEG besides. Ours: where the magnitude is the same all over, the picture is black.

    Examples
    --------
    >>> flow_pictures(np.float32([[[0, 0], [2, 0], [-2, 0]]]))[0].tolist()
    [[0, 0, 0], [255, 0, 0], [0, 255, 255]]
    """
    pictures = np.empty((*flow.shape[:-1], 3), np.uint8)
    for place in np.ndindex(flow.shape[:-3]):
        u, v = (np.ascontiguousarray(flow[place][..., i], np.float32) for i in (0, 1))
        magnitude, degrees = cv2.cartToPolar(u, v, angleInDegrees=True)
        low = magnitude.min()
        reach = magnitude.max() - low
        value = (magnitude - low) * (255 / reach if reach > 0 else 0)
        hsv = np.dstack([degrees / 2 % 180, np.full_like(value, 255), value]).astype(np.uint8)  # OpenCV's hue is 0..179
        pictures[place] = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return pictures


def load_vit(network: str, weights: Weights, seed: int, side: int, sizes: dict[str, Any]):
    """Return a timm vision transformer for pictures of `side` px, without its head, in eval mode.

    Random weights have deviation 1 / sqrt(inputs), and positions deviation 1: with timm's own, which are made to be
    trained, blocks hardly add anything, and where a patch lies does not matter.

    Raises InputError if the network or the tag is unknown or no such transformer, or the file is missing or does not
    fit the network and the pictures' size.
    """
    spare_dynamo()
    ensure_torchvision()
    import timm
    import torch

    if not timm.is_model(network):
        raise InputError(f"{_WHERE}: network {network!r}; {nearest(network, timm.list_models('vit_*'))}")
    torch.manual_seed(seed)
    try:
        model = timm.create_model(network, num_classes=0, img_size=side, **sizes)
    except TypeError as error:
        raise InputError(f"{_WHERE}: network {network!r} with sizes {sizes}: {error}") from None
    if not isinstance(model, timm.models.VisionTransformer) or model.cls_token is None:
        raise InputError(f"{_WHERE}: network {network!r} has no class token; take vit_base_patch16_384 or one like it")
    if weights.random:
        for module in model.modules():
            if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
                torch.nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
        torch.nn.init.normal_(model.pos_embed)
    else:
        load(model, state_of(weights, _WHERE), weights.file or weights.timm)
    return model.eval()


class ViTOptions(Options):
    """timm's name of the network, and `weights`: `random` (from `seed`), a file, or a timm tag.

    `sizes` of random weights, for quick budgets: embed_dim, depth, num_heads, patch_size, as timm's builder takes them.
    """

    network: str = "vit_base_patch16_384"
    weights: Weights = RANDOM
    seed: int = 0
    sizes: dict[str, int] = Field(default={})

    @model_validator(mode="after")
    def _given_weights_have_their_size(self):
        if self.sizes and not self.weights.random:
            raise ValueError("sizes: given weights have a size of their own; leave sizes out, or take weights: random")
        return self


class ViT(Extractor):
    """Class token after the last norm of every picture of a clip, (..., H, W, C) -> (..., feature) float16.

    Pictures are square, uint8 RGB or gray, which repeats its channel; or flow in px, coded by `flow_pictures`.
    Random weights are made for the first picture's size. InputError with the first clip if the network is unknown, or
    if its weights do not fit it or the picture.
    """

    reads = (..., "y", "x", "colour")
    adds = ("feature",)
    uses_gpu = True
    Options = ViTOptions
    test_options: ClassVar = {"sizes": {"embed_dim": 16, "depth": 1, "num_heads": 2}}
    _network = None

    def axes(self, given: Axes) -> Axes:
        return super().axes((*given[:-1], "colour") if given[-1:] == ("motion",) else given)

    def load(self, side: int) -> None:
        if self._network is None:
            p = self.options
            self._network = load_vit(p.network, p.weights, p.seed, side, p.sizes).to(self.device)

    def __call__(self, clip: np.ndarray) -> np.ndarray:
        import torch

        if np.issubdtype(clip.dtype, np.floating) and clip.ndim >= 3 and clip.shape[-1] in (2, 3) and clip.size:
            clip = flow_pictures(clip)
        if clip.dtype != np.uint8 or clip.ndim < 3 or clip.shape[-1] not in (1, 3) or not clip.size:
            raise ValueError(f"expected uint8 pictures or flow (..., H, W, C), got {clip.dtype} {clip.shape}")
        self.load(clip.shape[-2])
        if clip.shape[-3:-1] != self._network.patch_embed.img_size:
            raise ValueError(f"expected pictures of {self._network.patch_embed.img_size} px, got {clip.shape}")
        flat = clip.reshape(-1, *clip.shape[-3:])
        tokens = []
        with torch.inference_mode():
            for start in range(0, len(flat), _BATCH):
                pictures = np.ascontiguousarray(flat[start : start + _BATCH].transpose(0, 3, 1, 2))
                batch = normalised(torch.from_numpy(pictures).to(self.device).expand(-1, 3, -1, -1))
                tokens.append(self._network.forward_features(batch)[:, 0].half().cpu().numpy())
        tokens = np.concatenate(tokens)
        return tokens.reshape(*clip.shape[:-3], tokens.shape[-1])
