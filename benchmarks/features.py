"""Extractors on one core, as Markdown tables: LBP-TOP, Bi-WOOF and MDMO beside plain loops, ResNet beside torch."""

import tempfile
import warnings
from statistics import median
from time import process_time

import descriptor_loops as loops
import numpy as np
import skimage

from apexbench.datasets.synthetic.portraits import portrait
from apexbench.features import create
from apexbench.features.lbp_top import LBPTOP, SETS, LBPTOPOptions
from apexbench.frames.alignment import alignment
from apexbench.frames.detection import anchor_points
from apexbench.stages.features import features
from apexbench.store.tensors import write_tensors

CLIPS = 7
OPTIONS = LBPTOPOptions(points=8, radii=(1, 1, 1), blocks=(5, 5, 1), bins="uniform")


def main() -> None:
    warnings.filterwarnings("ignore", message="Applying `local_binary_pattern`")  # it would rather have whole numbers
    print(f"Median of {CLIPS} clips, of 10 frames where nothing else is said, CPU time, one thread,", end=" ")
    print(f"scikit-image {skimage.__version__}.\n")
    print("| descriptor | px | ms per clip | ms, loop | times faster |")
    print("|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for size in (112, 192):
        clips = [(clip,) for clip in rng.integers(0, 256, (CLIPS, 10, size, size, 1), dtype=np.uint8)]
        print_row("LBP-TOP: 8 points, radius 1, 5 x 5 x 1 blocks", size, clips, LBPTOP(OPTIONS), loops.lbp_top)
        for name, options in SETS.items():  # scikit-image has no radii that differ, and its blocks would be ours
            print_row(f"LBP-TOP: {name}", size, clips, LBPTOP(options))
        print_row("LBP-SIP", size, clips, create("lbp-sip"))
    for size in (112, 192):
        flows = [(flow,) for flow in rng.standard_normal((CLIPS, size, size, 3), np.float32).astype(np.float16)]
        print_row("Bi-WOOF, onset to apex", size, flows, create("bi-woof"), loops.bi_woof, 1e-4)
    mesh = landmarks(128)
    for pairs in (9, 69):  # the latter of a clip of CASME II
        flows = rng.standard_normal((CLIPS, pairs, 128, 128, 3), np.float32).astype(np.float16)
        print_row(f"MDMO, {pairs} pairs", 128, [(flow, mesh) for flow in flows], create("mdmo"), loops.mdmo, 1e-4)
    print_resnet(rng.integers(0, 256, (2, 5, 9, 224, 224, 3), dtype=np.uint8))


def print_row(name: str, size: int, clips: list[tuple], ours, loop=None, within: float = 0) -> None:
    """Print a row of the table; a loop takes turns with the extractor and gives the same numbers, `within` rounding."""
    took, looped = [], []
    for clip in clips:
        row, seconds = _timed(ours, *clip)
        took.append(seconds)
        if loop:
            other, seconds = _timed(loop, *clip)
            looped.append(seconds)
            np.testing.assert_allclose(row, other, rtol=within, atol=within / 10)
    beside = f"{1000 * median(looped):.1f} | {median(looped) / median(took):.1f}" if loop else "|"
    print(f"| {name} | {size} x {size} | {1000 * median(took):.1f} | {beside} |", flush=True)


def landmarks(size: int) -> np.ndarray:
    """The mesh of a portrait (468, 2), in px of its crop."""
    points = portrait("astronaut", False).landmarks
    matrix = alignment(anchor_points(points), size)
    return points @ matrix[:, :2].T + matrix[:, 2]


def print_resnet(clips: np.ndarray) -> None:
    """What of an extractor's time, and of its job's, is the network's: pictures in float on the device, up to the maps.

    `clips` (N, T, M, H, W, C); the job reads them from a shard, checks it, and writes their rows.
    """
    import torch

    torch.set_num_threads(1)
    extractor = create("resnet")
    network, pictures = extractor._network, torch.rand(int(np.prod(clips.shape[:3])), 3, *clips.shape[3:5])
    network.layer4 = torch.nn.Identity()  # the extractor stops before it

    def bare():
        with torch.inference_mode():
            for batch in pictures.split(16):
                network.forward_features(batch)

    with tempfile.TemporaryDirectory() as folder:
        shard, output = f"{folder}/shard.safetensors", f"{folder}/rows.safetensors"
        tensors = {f"casme2/{number}/a/1": clip for number, clip in enumerate(clips, 1)}
        meta = {
            "kind": "shard",
            "axes": ["frame", "factor", "y", "x", "colour"],
            "clips": {name: {} for name in tensors},
        }
        write_tensors(shard, tensors, meta)

        def job():
            features(shard=shard, recipe={"of": "", "extractor": "resnet"}, output=output)

        def alone():
            for clip in clips:
                extractor(clip)

        took = [[_timed(run)[1] for run in (bare, alone, job)] for _ in range(3)]
    network_alone, *ours = (1000 * median(seconds) / len(pictures) for seconds in zip(*took, strict=True))
    print("\n| ResNet-18 up to layer3, 224 x 224 px, 9 factors | ms a picture | ms, network alone | share |")
    print("|---|---|---|---|")
    for name, ms in zip(("extractor", "job, shard to rows"), ours, strict=True):
        print(f"| {name} | {ms:.1f} | {network_alone:.1f} | {network_alone / ms:.2f} |")


def _timed(extract, *clip):
    extract(*clip)
    start = process_time()
    row = extract(*clip)
    return row, process_time() - start


if __name__ == "__main__":
    main()
