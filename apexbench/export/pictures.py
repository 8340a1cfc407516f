"""Flow maps as pictures of 8 bits, and the one file of a map in many folders."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np

# what red, green and blue of a file are. Pictures of STSTNet and HTNet that circulate are rgb-uvs; HTNet's own writer
# for CAS(ME)^3 is the other way round. OpenCV's reader, which these programs use, gives blue first.
ORDERS = {"rgb-uvs": (0, 1, 2), "bgr-uvs": (2, 1, 0)}


def stretched(flow: np.ndarray) -> np.ndarray:
    """Return maps (C, H, W) with each channel's least value at 0 and its greatest at 1; a flat channel is 0.

    >>> stretched(np.array([[[-1.0, 1.0, 3.0]], [[5.0, 5.0, 5.0]]])).tolist()
    [[[0.0, 0.5, 1.0]], [[0.0, 0.0, 0.0]]]
    """
    x = flow.astype(np.float64)
    low, high = x.min(axis=(1, 2), keepdims=True), x.max(axis=(1, 2), keepdims=True)
    return (x - low) / np.where(high > low, high - low, 1)


def write_map(path: Path, flow: np.ndarray, order: str) -> None:
    """Write u, v, strain (3, H, W) as PNG of 8 bits, each channel stretched to 0..255 for itself."""
    rgb = np.rint(255 * stretched(flow)).astype(np.uint8)[list(ORDERS[order])].transpose(1, 2, 0)
    write_picture(path, rgb)


def write_picture(path: Path, rgb: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB in the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(path.suffix, np.ascontiguousarray(rgb[..., ::-1]))
    if not done:
        raise OSError(f"{path}: not a format that OpenCV writes")
    path.write_bytes(data.tobytes())


def link(path: Path, target: Path) -> None:
    """Let a further name lead to a file: a hard link, which survives a move of the whole; else a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(target, path)
    except OSError:
        shutil.copyfile(target, path)
