"""What it costs to hold a job to AVX2: each piece of work pinned and native, in alternating pairs, as a Markdown table.

python benchmarks/instructions.py            # seven minutes
python benchmarks/instructions.py --pairs 3 --work "TV-L1, 192 px"
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

from apexbench.instructions import PINS, environment, processor

CLASSES = 3
NOISE = 0  # seed of all inputs; time does not depend on what they show


def mmnet() -> Callable[[], object]:
    """An epoch of 32 clips at the quick size: four steps."""
    params = {"image_size": 32, "width": 0.125, "batch_size": 8}
    return _epoch("mmnet", 32, {"frames": (2, 3, 32, 32)}, **params)


def ststnet() -> Callable[[], object]:
    """An epoch of 442 clips."""
    return _epoch("ststnet", 442, {"flow": (3, 28, 28)})


def mixmeformer_paper() -> Callable[[], object]:
    """One step of 8 clips at the paper's size."""
    return _epoch("mixmeformer", 8, {"flow": (3, 224, 224), "frames": (2, 3, 224, 224)}, batch_size=8, mixing="memix")


def mixmeformer() -> Callable[[], object]:
    """An epoch of 32 clips at the quick size: two steps."""
    vit = {"embed_dim": 96, "depth": 2, "num_heads": 4}
    resnet = {"layers": [1, 1, 1, 1], "channels": [8, 16, 32, 64], "stem_type": "deep", "stem_width": 4}
    sizes = {"image_size": 48, "padding": 1, "vit": vit, "resnet": resnet}
    roles = {"flow": (3, 48, 48), "frames": (2, 3, 48, 48)}
    return _epoch("mixmeformer", 32, roles, batch_size=16, mixing="memix", **sizes)


def mmnet_paper() -> Callable[[], object]:
    """One step of 8 clips at the paper's size."""
    return _epoch("mmnet", 8, {"frames": (2, 3, 224, 224)}, batch_size=8)


def tvl1() -> Callable[[], object]:
    import cv2

    from apexbench.motion import tvl1_flow

    cv2.setNumThreads(1)
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from textures import pair

    scene = pair((192, 192), seed=NOISE)
    return lambda: tvl1_flow(scene.first, scene.second)


def svm() -> Callable[[], object]:
    """Fit on 400 clips and score 42."""
    import numpy as np

    from apexbench.methods import create

    method, (clips, labels) = create("flow-svm", CLASSES), _clips(442, {"flow": (3, 28, 28)})
    sides = [{name: x[side] for name, x in clips.items()} for side in (slice(400), slice(400, None))]
    return lambda: method.scores(sides[0], labels[:400], sides[1], np.random.default_rng(NOISE))


WORK = {
    "MMNet, quick, epoch of 32 clips": mmnet,
    "MixMeFormer, quick, epoch of 32 clips": mixmeformer,
    "MMNet, paper size, step of 8 clips": mmnet_paper,
    "MixMeFormer, paper size, step of 8 clips": mixmeformer_paper,
    "STSTNet, epoch of 442 clips": ststnet,
    "TV-L1, 192 px": tvl1,
    "RBF SVM, 442 clips": svm,
}


def _clips(count: int, roles: dict[str, tuple[int, ...]]):
    import numpy as np

    rng = np.random.default_rng(NOISE)
    clips = {}
    for role, shape in roles.items():
        if role == "frames":
            clips[role] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        else:
            clips[role] = rng.standard_normal((count, *shape)).astype(np.float16)
    return {**clips, "id": np.arange(count)}, rng.integers(0, CLASSES, count)


def _epoch(name: str, count: int, roles: dict[str, tuple[int, ...]], **params) -> Callable[[], object]:
    import torch

    from apexbench.methods import Fold, create
    from apexbench.methods.deep import epochs

    torch.set_num_threads(1)
    method = create(name, CLASSES, **{"epochs": 10**6, **params})
    steps = epochs(method, *_clips(count, roles), Fold(NOISE))
    return lambda: next(steps)


def serve(name: str) -> None:
    """Do the work once, then once more for each line of stdin, and print the seconds of each."""
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    work = WORK[name]()
    work()
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        work()
        print(json.dumps(time.perf_counter() - start), flush=True)


def compare(name: str, pairs: int) -> tuple[float, float, float]:
    """Return the median seconds pinned and native, and the median of the ratios; one process each, in turn."""
    bare = {key: value for key, value in os.environ.items() if key not in {*PINS, "OPENCV_CPU_DISABLE"}}
    bare["TQDM_DISABLE"] = "1"
    words = [sys.executable, __file__, "--serve", name]
    sides = [
        subprocess.Popen(words, env={**bare, **environment(choice)}, stdin=PIPE, stdout=PIPE, text=True)
        for choice in ("avx2", "native")
    ]
    seconds: list[list[float]] = [[], []]
    for side in sides:
        side.stdout.readline()
    for turn in range(pairs):
        for place in (0, 1) if turn % 2 else (1, 0):
            sides[place].stdin.write("\n")
            sides[place].stdin.flush()
            seconds[place].append(json.loads(sides[place].stdout.readline()))
    for side in sides:
        side.stdin.close()
        side.wait()
    ratio = statistics.median(pinned / native for pinned, native in zip(*seconds, strict=True))
    return statistics.median(seconds[0]), statistics.median(seconds[1]), ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--work", choices=WORK, nargs="*", default=list(WORK))
    parser.add_argument("--serve", choices=WORK, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.serve:
        serve(wanted.serve)
        return
    if not environment("avx2"):
        sys.exit("nothing is pinned on this machine: it is not an x86-64 processor with AVX2")
    print(f"Medians of {wanted.pairs} alternating pairs, one thread, {processor()}.\n")
    print("| | pinned | native | pinned / native |\n|:--|--:|--:|--:|")
    for name in wanted.work:
        pinned, native, ratio = compare(name, wanted.pairs)
        print(f"| {name} | {pinned * 1e3:,.0f} ms | {native * 1e3:,.0f} ms | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
