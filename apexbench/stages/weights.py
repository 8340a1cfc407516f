"""A timm tag -> a file of pretrained weights."""

import os

from apexbench.weights import save


def fetch_weights(*, tag: str, output: str | os.PathLike, wanted_by: str) -> None:
    """Fetch the network of a tag into a .safetensors file; `wanted_by` names the cards, for messages."""
    save(tag, output, wanted_by)
