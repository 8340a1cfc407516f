"""Pretrained weights of timm's networks: a file of the user's, or a timm tag such as `resnet18.tv_in1k`.

A tag is fetched once, by its own rule, into results/weights/; training jobs read that file and need no network.
"""

import os
from pathlib import Path

from apexbench.errors import InputError, nearest
from apexbench.torchvision_shim import ensure_torchvision

RANDOM = "random"
_SUFFIXES = (".safetensors", ".pth", ".pt")
_CLASSIFIERS = ("fc.", "head.")


def is_file(weights: str) -> bool:
    """Tell whether weights are named as a file; else they are `random` or a timm tag.

    >>> is_file("weights/vit.safetensors"), is_file("resnet18.tv_in1k")
    (True, False)
    """
    return Path(weights).suffix in _SUFFIXES


def state_of(network: str, weights: str, where: str) -> dict:
    """Return the tensors of a pretrained network by name, without its classifier.

    Parameters
    ----------
    network : timm's name of the architecture.
    weights : a .safetensors or .pth file with a state dict, or a tag, with the network's name in front or without.
    where : file and field that named them, for the message.

    Raises InputError if the file is missing or holds something else, or if the tag is unknown or cannot be fetched.
    """
    state = _read(Path(weights), where) if is_file(weights) else _fetch(network, weights, where)
    return {name: x for name, x in state.items() if not name.startswith(_CLASSIFIERS)}


def load(model, state: dict, source: str) -> None:
    """Load tensors into a model, all of them; InputError, naming `source`, if they do not fit."""
    own = model.state_dict()
    missing, unexpected = [n for n in own if n not in state], [n for n in state if n not in own]
    shapes = [n for n in own if n in state and own[n].shape != state[n].shape]
    if missing or unexpected or shapes:
        raise InputError(
            f"{source}: does not fit the network; missing {missing[:3]}, unexpected {unexpected[:3]}, of another shape "
            f"{shapes[:3]}"
        )
    model.load_state_dict(state)


def save(tag: str, output: str | os.PathLike, where: str) -> None:
    """Fetch a tag, network and all, and write its state dict to a .safetensors file."""
    from safetensors.torch import save_file

    from apexbench.store import atomic

    state = _fetch(tag.split(".")[0], tag, where)
    with atomic(output) as part:
        save_file({name: x.contiguous() for name, x in state.items()}, part)


def _read(path: Path, where: str) -> dict:
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise InputError(f"{path}: no such file; {where} names it as weights")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, weights_only=True, map_location="cpu")
        return dict(state.get("state_dict", state))
    except Exception as error:
        raise InputError(f"{path}: not a state dict ({error})") from None


def _fetch(network: str, weights: str, where: str) -> dict:
    ensure_torchvision()
    import timm

    tag = weights if "." in weights else f"{network}.{weights}"
    known = timm.list_pretrained(f"{network}*")
    if tag not in known:
        raise InputError(
            f"{where}: weights {weights!r} is not {RANDOM!r}, a .safetensors or .pth file, or a timm tag; "
            f"{nearest(tag, known)}"
        )
    try:
        return timm.create_model(tag, pretrained=True, num_classes=0).state_dict()
    except Exception as error:  # the hub client raises many kinds
        source = timm.get_pretrained_cfg(tag)
        raise InputError(
            f"{where}: weights {tag!r} could not be fetched ({error}); download {source.hf_hub_id or source.url} "
            f"(model.safetensors) by hand and give the file's path, or use {RANDOM!r}"
        ) from None
