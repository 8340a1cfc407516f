"""What the benchmarks of training steps share: the device by name, its peak, and steps timed in turn."""

import statistics
import time
from collections.abc import Callable

import torch

PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # bfloat16, dense, FLOP/s by the data sheets


def name_of(device: str) -> str:
    """Return what pages call a device: the GPU's name, or the CPU with its threads."""
    return f"CPU, {torch.get_num_threads()} threads" if device == "cpu" else torch.cuda.get_device_name()


def peak_of(name: str) -> float:
    """Return the bfloat16 FLOP/s of a device by its name; 0 if they are not known."""
    return next((flops for key, flops in PEAK.items() if key in name), 0)


def wait(device: str) -> None:
    """Wait until the device has done all that was asked of it."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], object], device: str) -> float:
    """Return how long some work takes, once."""
    wait(device)
    start = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - start


def alternate(
    variants: dict[str, Callable[[], None]], steps: int, device: str, until: float = float("inf")
) -> dict[str, list[float]]:
    """Return the seconds of `steps` steps of each variant, after a warm-up; a round runs each once.

    There is one round at least, and none begins after `until` (of `time.perf_counter`).
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(steps + 1):
        for name, step in variants.items():
            took = seconds_of(step, device)
            if turn:
                seconds[name].append(took)
        if turn and time.perf_counter() > until:
            break
    return seconds


def medians(seconds: dict[str, list[float]]) -> dict[str, float]:
    """Return the median of each variant."""
    return {name: statistics.median(values) for name, values in seconds.items()}
