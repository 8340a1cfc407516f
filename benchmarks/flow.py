"""TV-L1 on one core: this package's loops against OpenCV's, in time and in error, as a Markdown table."""

import sys
from pathlib import Path
from statistics import mean, median
from time import perf_counter

import cv2

from apexbench.motion import farneback_flow, tvl1_flow

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from textures import end_point_error, pair

PAIRS = 5
ROWS = {
    "tvl1": tvl1_flow,
    "tvl1, OpenCV": lambda first, second: tvl1_flow(first, second, backend="opencv"),
    "farneback": farneback_flow,
}


def main() -> None:
    cv2.setNumThreads(1)
    print(f"Median of {PAIRS} pairs, one thread, peak motion 1 px, noise 1 grey level, OpenCV {cv2.__version__}.\n")
    print("| flow | px | ms per pair | times faster than OpenCV's TV-L1 | px from OpenCV's TV-L1 | px from truth |")
    print("|---|---|---|---|---|---|")
    for size in (128, 224):
        scenes = [pair((size, size), seed=seed) for seed in range(PAIRS)]
        flows, seconds = {}, {}
        for name, estimate in ROWS.items():
            estimate(scenes[0].first, scenes[0].second)
            flows[name], seconds[name] = zip(*(_timed(estimate, scene) for scene in scenes), strict=True)
        for name in ROWS:
            reference = "tvl1, OpenCV"
            speed = median(a / b for a, b in zip(seconds[reference], seconds[name], strict=True))
            apart = mean(end_point_error(a, b, 1) for a, b in zip(flows[name], flows[reference], strict=True))
            error = mean(end_point_error(a, scene.flow) for a, scene in zip(flows[name], scenes, strict=True))
            took = 1000 * median(seconds[name])
            print(f"| {name} | {size} x {size} | {took:.1f} | {speed:.1f} | {apart:.4f} | {error:.4f} |")


def _timed(estimate, scene):
    start = perf_counter()
    flow = estimate(scene.first, scene.second)
    return flow, perf_counter() - start


if __name__ == "__main__":
    main()
