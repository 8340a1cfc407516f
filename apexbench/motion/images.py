"""The check that every flow makes on its two images."""

import numpy as np


def gray_pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both images as contiguous float32 in 0..255, or raise a ValueError that says how to mend them."""
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape:
        raise ValueError(f"the two images differ in size: {first.shape} and {second.shape}; crop or resize them alike")
    if first.dtype != second.dtype:
        raise ValueError(f"the two images differ in type: {first.dtype} and {second.dtype}; convert them alike")
    return _gray(first, "first"), _gray(second, "second")


def _gray(image: np.ndarray, name: str) -> np.ndarray:
    if image.ndim != 2:
        raise ValueError(
            f"{name} image: expected gray of shape (H, W), got {image.shape}; "
            "convert colour by cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)"
        )
    if min(image.shape) < 2:
        raise ValueError(f"{name} image: expected at least 2 x 2 px, got {image.shape}")
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image, np.float32)
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"{name} image: expected uint8 or float in [0, 1], got {image.dtype}; convert to uint8")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):  # false for NaN too, which min and max hand on
        raise ValueError(
            f"{name} image: expected float values in [0, 1], got {low:g} to {high:g}; "
            "divide 0..255 images by 255 and replace NaN before"
        )
    return np.ascontiguousarray(image, np.float32) * 255
