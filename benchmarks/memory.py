"""Memory at paper size, as Markdown tables: AMAN on a cache as large as CASME II's, and checkpointed gradients.

python benchmarks/memory.py     # about two minutes on one core; 2.6 GB on the disk, 4 GB of memory

Every number is of a process of its own, two steps long, in float32 on a CPU.
"""

import resource
import tempfile
from multiprocessing import get_context
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd

from apexbench.methods import create
from apexbench.methods.base import MAGNIFIED_FRAME_MAPS, Fold
from apexbench.methods.deep import train_and_score
from apexbench.store.packs import pack_rows
from apexbench.training.clips import Rows

CLIPS, SUBJECTS, STEPS = 256, 26, 2
MAPS = (11, 9, 256, 14, 14)  # frames, factors, layer3 of a ResNet-18
VIDEO = (2, 3, 34, 112, 112)


def main() -> None:
    processes = get_context("spawn").Pool(1, maxtasksperchild=1)
    with tempfile.TemporaryDirectory() as folder, processes:
        pack, clips = Path(folder) / "pack.safetensors", _clips()
        with pack_rows(pack, clips["id"], MAPS, "float16", {"axes": list(MAGNIFIED_FRAME_MAPS)}) as rows:
            one = np.random.default_rng(0).standard_normal(MAPS, np.float32).astype(np.float16)
            for row in range(CLIPS):
                rows[row] = one
        size = pack.stat().st_size
        held, peak = processes.apply(aman, [str(pack)])
        print(f"| AMAN, {CLIPS} clips, batch 4 | GB |\n|:--|--:|\n| pack on the disk | {size / 1e9:.2f} |")
        print(f"| rows of a fold, training and test | {held / 1e9:.2f} |")
        print(f"| resident beyond these rows, at most | {(peak - held) / 1e9:.2f} |\n")
        print("| 3D ResNeXt-101, 2 clips of 34 x 112 x 112, two views | kept for the gradient, MB | CPU s a step |")
        print("|:--|--:|--:|")
        for recompute in (False, True):
            kept, seconds = processes.apply(resnext, [recompute])
            print(f"| recompute: {str(recompute).lower()} | {kept / 1e6:,.0f} | {seconds:.1f} |")


def aman(pack: str) -> tuple[int, int]:
    """Bytes of a fold's rows, and the most that was resident when steps were taken on them."""
    _one_thread()
    clips = _clips()
    method = create("aman", 5, epochs=1)
    rows = Rows(type(method), clips, {"features": [pack]}, "benchmark")
    sides = [rows.inputs(np.flatnonzero(found)) for found in (clips["subject"] > 1, clips["subject"] == 1)]
    held = sum(side["features"].nbytes for side in sides)
    every, train, test = method.batches, sides[0], {name: x[:4] for name, x in sides[1].items()}
    method.batches = lambda labels, generator: every(labels, generator)[:STEPS]
    train_and_score(method, train, np.arange(len(train["id"])) % 5, test, Fold(0))
    return held, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def resnext(recompute: bool) -> tuple[int, float]:
    """Bytes that a step keeps for its backward pass, weights included, and the seconds of both passes."""
    import torch

    _one_thread()
    method, kept = create("decalcomanie-sbml", 3, recompute=recompute), {}
    model, video = method.build().train(), torch.rand(VIDEO)

    def step():
        return method.loss(model(left=video, right=video), torch.tensor([0, 1]))

    step().backward()
    start = process_time()
    step().backward()
    seconds = process_time() - start
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.update({x.data_ptr(): x.nbytes}) or x, lambda x: x):
        step()
    return sum(kept.values()), seconds


def _clips() -> pd.DataFrame:
    rows = [("casme2", n % SUBJECTS + 1, f"casme2/{n % SUBJECTS + 1}/c{n}/1") for n in range(CLIPS)]
    return pd.DataFrame(rows, columns=["dataset", "subject", "id"])


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


if __name__ == "__main__":
    main()
