"""ResNet features of face crops up to a named layer (timm), frozen and in eval mode.

Weights are `random` (He initialisation from a seed: a fixed random projection, which claims nothing) or pretrained.
"""

import numpy as np

from apexbench.dynamo_shim import spare_dynamo
from apexbench.errors import InputError, nearest
from apexbench.pretrained import RANDOM, load, state_of
from apexbench.torchvision_shim import ensure_torchvision

_LAYERS = ("stem", "layer1", "layer2", "layer3", "layer4")
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BATCH = 16


def load_network(network: str, weights: str, seed: int):
    """Return a timm model without its head, in eval mode.

    Raises InputError if the network or the tag is unknown, or the file is missing or does not fit.
    """
    spare_dynamo()
    ensure_torchvision()
    import timm
    import torch

    if not timm.is_model(network):
        raise InputError(f"config/recipes.yaml: network {network!r}; {nearest(network, timm.list_models('resnet*'))}")
    torch.manual_seed(seed)
    model = timm.create_model(network, num_classes=0).eval()
    if weights != RANDOM:
        load(model, state_of(network, weights, "config/recipes.yaml"), weights)
    return model


def extract(
    frames: np.ndarray,
    network: str = "resnet18",
    layer: str = "layer3",
    weights: str = "random",
    seed: int = 0,
    device: str = "cpu",
) -> np.ndarray:
    """Return the maps of `layer` for frames (N, F, 3, H, W) uint8 RGB, as (N, F, C, h, w) float16.

    Batches do not change a row: BatchNorm uses its running statistics.
    """
    import torch

    if layer not in _LAYERS:
        raise InputError(f"config/recipes.yaml: layer {layer!r}; {nearest(layer, _LAYERS)}")
    model = load_network(network, weights, seed).to(device)
    mean = torch.tensor(_MEAN, device=device).view(1, 3, 1, 1)
    std = torch.tensor(_STD, device=device).view(1, 3, 1, 1)
    flat = torch.from_numpy(frames.reshape(-1, *frames.shape[2:]))
    rows = []
    with torch.inference_mode():
        for start in range(0, len(flat), _BATCH):
            batch = flat[start : start + _BATCH].to(device).float() / 255
            maps = model.forward_intermediates(
                (batch - mean) / std, indices=[_LAYERS.index(layer)], stop_early=True, intermediates_only=True
            )
            rows.append(maps[0].half().cpu().numpy())
    features = np.concatenate(rows)
    return features.reshape(*frames.shape[:2], *features.shape[1:])
