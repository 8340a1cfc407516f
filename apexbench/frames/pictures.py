"""Reading picture files: the one reader of frames and of flow maps that are given as pictures."""

from pathlib import Path

import cv2
import numpy as np

from apexbench.errors import InputError


def read_frame(path: Path, gray: bool = False) -> np.ndarray:
    """Read one picture as uint8, (H, W, 3) RGB or (H, W, 1) gray, as it is stored; with `gray` always (H, W, 1).

    Raises InputError for a file that is empty, cut off or not a picture.
    """
    data = np.fromfile(path, np.uint8)  # cv2.imread pads a truncated JPEG with gray, cv2.imdecode refuses it
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_ANYCOLOR) if data.size else None
    if image is None:
        raise InputError(f"{path}: not a readable image; copy it anew from the release")
    return image[..., None] if image.ndim == 2 else image[..., ::-1]
