"""Train without importing PyTorch's compiler, torch._dynamo, which takes as long as torch itself.

Optimizers import it when they are made, only to tell it what not to compile, and torchvision to ask whether it could
compile. Without `torch.compile` nothing else of it is used: a stand-in answers these three, and for anything else that
is asked it makes way for the module itself.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

_NAMES = ("torch._dynamo", "torch._dynamo.utils")


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        package = name == "__path__" and self.__name__ == _NAMES[0]  # asked for when a module inside is imported
        if name.startswith("__") and not package:  # what looks through all modules means nothing by it
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        _make_way()
        return getattr(importlib.import_module(self.__name__), name)


def _make_way() -> None:
    for name in _NAMES:
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]
    torch = sys.modules["torch"]
    if isinstance(vars(torch).get("_dynamo"), _StandIn):
        del torch._dynamo
    for name in _NAMES:
        importlib.import_module(name)


def spare_dynamo() -> None:
    """Put the stand-in in the place of torch._dynamo, if that has not been imported yet; call it before training."""
    import torch

    if "torch._dynamo" in sys.modules:
        return
    dynamo, utils = (_StandIn(name) for name in _NAMES)
    dynamo.disable = lambda function=None, *_arguments, **_options: function
    dynamo.graph_break = lambda *_arguments, **_options: None
    dynamo.utils = utils

    def is_compile_supported(device: str) -> bool:
        _make_way()
        return sys.modules["torch._dynamo.utils"].is_compile_supported(device)

    utils.is_compile_supported = is_compile_supported
    sys.modules |= dict(zip(_NAMES, (dynamo, utils), strict=True))
    torch._dynamo = dynamo
