"""Blocks that keep nothing of what is inside of them, and compute it again for the gradient."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(block: nn.Module, forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return forward(x), the block's own, which in training is computed again for the gradient, with the same dropout.

    The second time leaves the running statistics of batch norms alone, which have seen this batch.
    """
    if not (block.training and torch.is_grad_enabled()):
        return forward(x)
    if torch.compiler.is_compiling():  # there the second time is a part of the graph, which updates nothing
        return checkpoint(forward, x, use_reentrant=False)
    return checkpoint(forward, x, use_reentrant=False, context_fn=lambda: (nullcontext(), _statistics_left(block)))


@contextmanager
def _statistics_left(block: nn.Module) -> Iterator[None]:
    norms = [layer for layer in block.modules() if isinstance(layer, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
