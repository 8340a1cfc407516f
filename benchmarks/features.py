"""Extractors on one core, as Markdown tables: LBP-TOP beside a loop of scikit-image's calls, ResNet beside torch."""

import warnings
from itertools import pairwise
from statistics import median
from time import process_time

import numpy as np
import skimage
from skimage.feature import local_binary_pattern

from apexbench.features import create
from apexbench.features.lbp_top import LBPTOP, SETS, LBPTOPOptions, uniform_bins

CLIPS = 5
OPTIONS = LBPTOPOptions(points=8, radii=(1, 1, 1), blocks=(5, 5, 1), bins="uniform")


def main() -> None:
    warnings.filterwarnings("ignore", message="Applying `local_binary_pattern`")  # it would rather have whole numbers
    print(f"Median of {CLIPS} clips of 10 frames, CPU time, one thread, scikit-image {skimage.__version__}.\n")
    print("| LBP-TOP | px | ms per clip | ms, loop of scikit-image | times faster |")
    print("|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for size in (112, 192):
        clips = rng.integers(0, 256, (CLIPS, 10, size, size, 1), dtype=np.uint8)
        for name, options in {"8 points, radius 1, 5 x 5 x 1 blocks": OPTIONS, **SETS}.items():
            ours, took = zip(*(_timed(LBPTOP(options), clip) for clip in clips), strict=True)
            row = f"| {name} | {size} x {size} | {1000 * median(took):.1f} |"
            if options is not OPTIONS:  # scikit-image has no radii that differ, and its blocks would be ours
                print(f"{row} | |")
                continue
            theirs, loop = zip(*(_timed(by_scikit_image, clip) for clip in clips), strict=True)
            assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
            print(f"{row} {1000 * median(loop):.1f} | {median(loop) / median(took):.1f} |")
    print_resnet(rng.integers(0, 256, (2, 9, 224, 224, 3), dtype=np.uint8))


def print_resnet(clip: np.ndarray) -> None:
    """What of an extractor's time is its network's: pictures in float on the device, up to the maps."""
    import torch

    torch.set_num_threads(1)
    extractor = create("resnet")
    network, pictures = extractor._network, torch.rand(len(clip) * clip.shape[1], 3, *clip.shape[2:4])
    network.layer4 = torch.nn.Identity()  # the extractor stops before it

    def bare(_):
        with torch.inference_mode():
            for batch in pictures.split(16):
                network.forward_features(batch)

    ours, theirs = ([_timed(run, clip)[1] for _ in range(CLIPS)] for run in (extractor, bare))
    each = 1000 / len(pictures)
    print("\n| ResNet-18 up to layer3, 224 x 224 px | ms a picture | ms, network alone | share |\n|---|---|---|---|")
    print(f"| | {each * median(ours):.1f} | {each * median(theirs):.1f} | {median(theirs) / median(ours):.2f} |")


def by_scikit_image(clip: np.ndarray) -> np.ndarray:
    """The row of `OPTIONS`: each slice of each plane by `local_binary_pattern`, each block by bincount."""
    volume, inner = clip[..., 0], slice(1, -1)
    planes = []
    for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):  # slices along t, y and x
        slices = volume.transpose(order)
        codes = np.stack([local_binary_pattern(image, 8, 1, "default") for image in slices])
        codes = codes.transpose(np.argsort(order))
        planes.append(uniform_bins()[codes[inner, inner, inner].astype(np.uint8)])
    edges = [planes[0].shape[1] * i // 5 for i in range(6)]  # the clip is a square
    row = []
    for top, bottom in pairwise(edges):
        for left, right in pairwise(edges):
            counts = [np.bincount(plane[:, top:bottom, left:right].ravel(), minlength=59) for plane in planes]
            row += [(count / count.sum()).astype(np.float32) for count in counts]
    return np.concatenate(row)


def _timed(extract, clip):
    extract(clip)
    start = process_time()
    row = extract(clip)
    return row, process_time() - start


if __name__ == "__main__":
    main()
