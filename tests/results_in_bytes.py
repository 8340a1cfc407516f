"""Print {result: hash of its bytes} of what a study computes, in small; a program, so that its environment can be set.

python tests/results_in_bytes.py            # all
python tests/results_in_bytes.py mmnet crops
"""

import hashlib
import json
import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"  # as in every job
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import cv2
import numpy as np

CLASSES = 3


def _texture(seed: int, size: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (size // 6, size // 6), dtype=np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def _pair(size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A texture, and the same turned by a degree about its centre."""
    first = _texture(0, size)
    return first, cv2.warpAffine(first, cv2.getRotationMatrix2D((size / 2, size / 2), 1, 1), (size, size))


def _trained(method: str, train: dict, labels: np.ndarray, test: dict, **params) -> np.ndarray:
    from apexbench.methods import create
    from apexbench.training.run import train_fold

    return train_fold(create(method, CLASSES, **params), train, labels, test, seed=0)


def _clips(roles: dict[str, tuple[int, ...]], count: int = 24) -> tuple[dict, np.ndarray, dict]:
    """Packs of noise, train and test: `frames` uint8, all else float16."""
    rng = np.random.default_rng(1)
    labels = np.arange(count) % CLASSES
    packs = {}
    for role, shape in roles.items():
        if role == "frames":
            packs[role] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        else:
            packs[role] = rng.standard_normal((count, *shape)).astype(np.float16)
    inside, outside = (slice(None, -6), slice(-6, None))
    return {r: x[inside] for r, x in packs.items()}, labels[inside], {r: x[outside] for r, x in packs.items()}


def mmnet() -> np.ndarray:
    sizes = {"image_size": 32, "width": 0.125, "learning_rate": 6.4e-3, "batch_size": 8, "epochs": 3}
    return _trained("mmnet", *_clips({"frames": (2, 3, 32, 32)}), **sizes)


def mixmeformer() -> np.ndarray:
    sizes = {
        "image_size": 48, "padding": 1, "vit": {"embed_dim": 96, "depth": 2, "num_heads": 4}, "mixing": "memix",
        "resnet": {"layers": [1, 1, 1, 1], "channels": [8, 16, 32, 64], "stem_type": "deep", "stem_width": 4},
        "learning_rate": 1e-3, "batch_size": 16, "epochs": 2,
    }  # fmt: skip
    return _trained("mixmeformer", *_clips({"flow": (3, 48, 48), "frames": (2, 3, 48, 48)}), **sizes)


def ststnet() -> np.ndarray:
    return _trained("ststnet", *_clips({"flow": (3, 28, 28)}), batch_size=8, epochs=3)


def svm() -> np.ndarray:
    return _trained("flow-svm", *_clips({"flow": (3, 28, 28)}))


def logistic() -> np.ndarray:
    return _trained("resnet-linear", *_clips({"features": (2, 16, 6, 6)}))


def features() -> np.ndarray:
    from apexbench.features import create

    return create("resnet")(np.moveaxis(_clips({"frames": (2, 3, 64, 64)}, 12)[2]["frames"], -3, -1))


def tvl1() -> np.ndarray:
    from apexbench.motion import tvl1_flow

    return tvl1_flow(*_pair())


def farneback() -> np.ndarray:
    from apexbench.motion import farneback_flow

    return farneback_flow(*_pair())


def strain() -> np.ndarray:
    from apexbench.motion import optical_strain

    return optical_strain(farneback())


def crops() -> np.ndarray:
    from apexbench.frames.alignment import alignment, crop

    frames = np.stack([np.dstack([_texture(seed + c, 240) for c in range(3)]) for seed in (0, 5)])
    anchors = [[90, 110], [151, 104], [124, 160]]
    return np.concatenate([crop(frames, alignment(np.array(anchors) * s, 64), 64) for s in (1, 2.5)])


def evm() -> np.ndarray:
    from apexbench.frames.magnification import magnify_clip

    clip = np.stack([np.roll(_texture(0, 96), shift, 1) for shift in (0, 1, 2, 2, 3, 3, 2, 1, 1, 0, 0, 1, 2, 3, 2, 1)])
    return np.stack([
        magnify_clip(clip, "evm", 5),
        magnify_clip(clip, "evm", 11, 100, mode="video", band=(5, 20)),
    ])  # fmt: skip


def landmarks() -> np.ndarray:
    from apexbench.frames.detection import person_mask

    return person_mask(np.dstack([_texture(seed, 240) for seed in range(3)]))


def every_method() -> np.ndarray:
    """What each file of methods/ scores after its small training of the tests."""
    from random_clips import clips, small

    from apexbench.methods import Fold, names

    scores = []
    for name in names():
        train, test = clips(name, 8), clips(name, 3, seed=1)  # QEMU 7.2 has NumPy sort 9 to 16 numbers wrongly
        scores.append(small(name).scores(train, np.arange(8) % CLASSES, test, Fold(1))[-1])
    return np.stack(scores)


RESULTS = [mmnet, mixmeformer, ststnet, svm, logistic, features, tvl1, farneback, strain, crops, evm, landmarks]
ASKED = [every_method]  # only where it is named: it takes longer than all of the others


def main() -> None:
    cv2.setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    wanted = sys.argv[1:]
    found = {}
    for result in [*RESULTS, *ASKED]:
        if result.__name__ in wanted or (not wanted and result in RESULTS):
            array = np.ascontiguousarray(result())
            found[result.__name__] = hashlib.sha256(array.tobytes()).hexdigest()[:16]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
