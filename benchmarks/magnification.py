"""Magnification arms against rendered truth, as Markdown tables, or in a picture of them on a rendered face.

python benchmarks/magnification.py > page.md                                   # about two minutes on one core
python benchmarks/magnification.py --picture docs/magnification-arms.png       # only the picture, seconds

An onset T(x), an apex T(x + d(x)) and the truth T(x + factor * d(x)) are sums of sinusoids, so that no interpolation is
in them: textures as skin has them, moved by four smooth blobs (`tests/textures.py`). Onset and apex get noise and 256
grey levels, the truth does not.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import process_time

import cv2
import numpy as np
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from apexbench.datasets.synthetic.clips import REFERENCE_HEIGHT, draw_script, move, render_frames
from apexbench.datasets.synthetic.portraits import stream, subject_face
from apexbench.figures.magnification import arms_figure
from apexbench.frames.alignment import alignment, crop
from apexbench.frames.detection import anchor_points
from apexbench.frames.magnification import magnify_clip
from apexbench.frames.magnifying import create

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from textures import Texture, blobs, to_uint8

ARMS = {
    "none": ("none", {}),
    "evm": ("evm", {}),
    "phase": ("phase", {}),
    "flow-warp, TV-L1": ("flow-warp", {"flow": "tvl1"}),
    "flow-warp, Farnebäck": ("flow-warp", {"flow": "farneback"}),
    "magnet": ("magnet", {}),
}
SIZE, SCENES = 128, 4
FIRST = 2  # seed of the first scene: 0 and 1 were looked at when arms were set
MOTIONS, NOISES, FACTORS = (0.2, 0.5, 1.0), (0.0, 1.0, 2.0), (2, 5, 10, 20)
SHOWN = (2, 5, 10)
_MESH = 120  # px, so that a px of the frame is about one of the crop
_EDGE = 4  # px at the border that are not scored: what lies outside is not known


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="file to draw, in place of the tables")
    parser.add_argument("--scenes", type=int, default=SCENES, help=f"of each cell; default {SCENES}")
    wanted = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    _one_thread()
    arms = {name: create(*how) for name, how in ARMS.items()}
    if wanted.picture:
        draw(arms, wanted.picture)
        return
    print(f"{SIZE} x {SIZE} px, mean of {wanted.scenes} scenes, one thread. Gain / PSNR in dB / SSIM in percent.\n")
    print_scores(arms, wanted.scenes)
    print("\n| CPU ms a frame | one factor | nine factors |\n|:--|--:|--:|")
    for name, arm in arms.items():
        print(f"| {name} | {_ms(arm, [5]):.1f} | {_ms(arm, np.linspace(2, 12, 9)):.1f} |")


def print_scores(arms, count: int) -> None:
    print(f"| noise | px | factor | {' | '.join(arms)} |\n|--:|--:|--:|{'--:|' * len(arms)}")
    for noise in NOISES:
        for motion in MOTIONS:
            scores = {name: np.zeros((len(FACTORS), 3)) for name in arms}
            for seed in range(FIRST, FIRST + count):
                onset, apex, still, truths = scene(motion, noise, seed)
                for name, arm in arms.items():
                    made = magnify_clip(np.stack([onset, apex]), arm, factors=FACTORS)[1]
                    made = made if arm.changes else [apex] * len(FACTORS)
                    scores[name] += [score(*pair, still) for pair in zip(made, truths, strict=True)]
            for place, factor in enumerate(FACTORS):
                cells = [_cell(scores[name][place] / count) for name in arms]
                print(f"| {noise:g} | {motion:g} | {factor} | {' | '.join(cells)} |")


def scene(motion: float, noise: float, seed: int):
    """Onset and apex (H, W) uint8, the clean onset, and the clean truth of each factor, float."""
    rng = np.random.default_rng(seed)
    texture, field = Texture((SIZE, SIZE), rng), blobs((SIZE, SIZE), motion, rng)
    still = texture.at(0 * field)
    onset, apex = (to_uint8(clean, noise, rng) for clean in (still, texture.at(field)))
    return onset, apex, still.clip(0, 255), [texture.at(factor * field).clip(0, 255) for factor in FACTORS]


def score(made: np.ndarray, truth: np.ndarray, still: np.ndarray) -> tuple[float, float, float]:
    """The change that is shown over the change that should be, PSNR in dB, and SSIM."""
    made, truth, still = (x[_EDGE:-_EDGE, _EDGE:-_EDGE].astype(float) for x in (made, truth, still))
    wanted = truth - still
    gain = ((made - still) * wanted).sum() / (wanted**2).sum()
    psnr = peak_signal_noise_ratio(truth, made, data_range=255)
    return gain, psnr, structural_similarity(truth, made, data_range=255)


def _cell(scores: np.ndarray) -> str:
    gain, psnr, ssim = scores
    return f"{gain:.2f} / {psnr:.1f} / {100 * ssim:.1f}"


def _ms(arm, factors, frames: int = 6) -> float:
    clip = np.random.default_rng(0).integers(0, 256, (frames, SIZE, SIZE), dtype=np.uint8)
    magnify_clip(clip[:2], arm, factors=factors)
    took = []
    for _ in range(3):
        start = process_time()
        magnify_clip(clip, arm, factors=factors)
        took.append(1000 * (process_time() - start) / frames)
    return median(took)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def face_clip(factor: float = 1.0) -> tuple[np.ndarray, int]:
    """Crops (T, S, S, 3) uint8 of a rendered clip whose motion is `factor` times as large, and its apex."""
    rng = stream("benchmark", "magnification")
    face = subject_face(rng, (180, 160), _MESH, 2)
    script = draw_script(rng, "happiness", ("happiness",), (14, 14))
    motion = move(replace(script, peak=0.5 * REFERENCE_HEIGHT / _MESH), face)
    larger = replace(motion, skin=motion.skin * factor, drift=motion.drift * factor)
    frames = np.stack(list(render_frames(stream("frames"), face, larger, script.rise, script.length)))
    matrix = alignment(anchor_points(motion.landmarks), SIZE)
    return crop(frames, matrix, SIZE), script.rise


def draw(arms, path: Path) -> None:
    """Onset and apex, and the apex by each arm and factor; beside each its time slice, a column of pixels."""
    clip, apex = face_clip()
    made = {
        name: dict(zip(SHOWN, np.moveaxis(magnify_clip(clip, arm, factors=SHOWN), 1, 0), strict=True))
        for name, arm in arms.items()
        if arm.changes
    }
    made["truth"] = {factor: face_clip(factor)[0] for factor in SHOWN}
    arms_figure(clip, apex, made, path, "A rendered face, 0.5 px of expression")
    whole = Image.open(path).convert("RGB")
    whole.quantize(palette=whole.quantize(256, kmeans=2)).save(path, optimize=True)  # dithered: 0.4 of the bytes


if __name__ == "__main__":
    main()
