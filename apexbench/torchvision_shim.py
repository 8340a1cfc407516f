"""Make torchvision and timm importable beside a torch build that torchvision's compiled operators do not fit.

A CPU build of torch next to a CUDA build of torchvision fails at import with "operator torchvision::nms does not
exist"; timm imports torchvision and fails with it. We need none of these operators. Where the pair is healthy, nothing
is done. See pytorch/vision issues 9077 and 9085.
"""

import sys

_LIBRARY = None  # the definitions live as long as this object


def ensure_torchvision() -> None:
    """Import torchvision; if only its compiled operators are missing, declare their schemas and import again."""
    global _LIBRARY
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        import torch

        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _LIBRARY = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            _LIBRARY.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401
