"""Time of STSTNet, leave one subject out: 442 clips, 68 subjects, 28 x 28, 100 epochs, two processes of one thread.

The clips are noise of the size of MEGC2019; time does not depend on what they show. Prints a Markdown table.

    python benchmarks/training.py            # about two minutes on two cores
    python benchmarks/training.py --folds 8  # a look
"""

import argparse
import resource
import statistics
import time
from multiprocessing import get_context

import numpy as np

CLIPS, SUBJECTS, CLASSES, EPOCHS = 442, 68, 3, 100


def _data():
    rng = np.random.default_rng(0)
    subjects = np.sort(np.concatenate([np.arange(SUBJECTS), rng.integers(0, SUBJECTS, CLIPS - SUBJECTS)]))
    return rng.standard_normal((CLIPS, 3, 28, 28)).astype(np.float16), rng.integers(0, CLASSES, CLIPS), subjects


def train(folds: list[int], fused: bool = True, epochs: int = EPOCHS) -> list[float]:
    """Train the folds one after the other; return the seconds of each."""
    import torch

    from apexbench.methods import create
    from apexbench.training.run import train_fold

    torch.set_num_threads(1)
    flow, labels, subjects = _data()
    method = create("ststnet", CLASSES, epochs=epochs, fused=fused)
    seconds = []
    for fold in folds:
        inside, outside = subjects != fold, subjects == fold
        sides = [{"flow": flow[side], "id": np.flatnonzero(side)} for side in (inside, outside)]
        start = time.perf_counter()
        train_fold(method, sides[0], labels[inside], sides[1], seed=fold, device="cpu")
        seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=SUBJECTS)
    parser.add_argument("--processes", type=int, default=2)
    wanted = parser.parse_args()
    folds = list(range(wanted.folds))
    start = time.perf_counter()
    with get_context("spawn").Pool(wanted.processes) as pool:
        parts = pool.map(train, [folds[i :: wanted.processes] for i in range(wanted.processes)])
    wall = time.perf_counter() - start
    seconds = [second for part in parts for second in part]
    plain = train([0, 1], fused=False, epochs=3)[1] / 3
    fused = train([0, 1], fused=True, epochs=10)[1] / 10
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print("| STSTNet, 442 clips, 68 subjects, 28 x 28, 100 epochs | |\n|:--|--:|")
    print(f"| folds trained | {wanted.folds} |\n| processes of one thread | {wanted.processes} |")
    print(f"| wall time with start-up | {wall:.1f} s |\n| median of a fold | {statistics.median(seconds):.2f} s |")
    print(f"| one epoch, compiled stem / plain modules | {fused * 1e3:.0f} / {plain * 1e3:.0f} ms |")
    print(f"| peak memory of a process | {memory:.0f} MB |")


if __name__ == "__main__":
    main()
