"""What a training does when memory runs out, and how much it took."""

import gc
import logging
import resource
import sys
from collections.abc import Callable
from typing import TypeVar

MICRO_BATCHES = 4  # parts of a batch, in the second and last try
_SIGNS = ("out of memory", "not enough memory", "can't allocate memory")  # of PyTorch's allocators, GPU and CPU

Made = TypeVar("Made")


def ran_out(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)
    )


def with_less_memory(train: Callable[[int], Made], name: str) -> tuple[Made, int]:
    """Train with whole batches, `train(1)`, and where memory runs out once more in parts of batches.

    Gradients of the parts are added up, so that the effective batch is the same; what looks at a batch as a whole, such
    as BatchNorm or mixing, sees the parts, so that the scores are not. Returns what was made, and in how many parts.
    """
    try:
        return train(1), 1
    except Exception as error:
        if not ran_out(error):
            raise
        logging.warning("%s: out of memory (%s); once more with batches in %d parts", name, error, MICRO_BATCHES)
    gc.collect()
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
        sys.modules["torch"].cuda.empty_cache()
    try:
        return train(MICRO_BATCHES), MICRO_BATCHES
    except Exception as error:
        if ran_out(error):
            error.add_note(f"with batches in {MICRO_BATCHES} parts, too: give the run a smaller batch_size or clips")
        raise


def peak_mb(device: str) -> int:
    """Return the most MB that this process has held: of tensors on a GPU, else resident."""
    if device != "cpu":
        return sys.modules["torch"].cuda.max_memory_allocated() // 2**20
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used // (2**20 if sys.platform == "darwin" else 2**10)
