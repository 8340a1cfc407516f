"""Random clips of the axes that a method reads, as large as its own test configuration says."""

import numpy as np

from apexbench.methods import find
from apexbench.methods.base import alternatives

SIZES = {
    "motion": 3,
    "colour": 3,
    "key": 2,
    "near": 3,
    "frame": 4,
    "factor": 2,
    "pair": 2,
    "feature": 8,
    "y": 28,
    "x": 28,
}


def small(kind, classes=3, **changes):
    """A method with its class's test configuration; `kind` is a class or a name."""
    kind = find(kind) if isinstance(kind, str) else kind
    return kind(classes, kind.parse({**kind.test_params, **changes}, kind.__name__))


def clips(kind, count, seed=0, alternative=0):
    """Inputs of `count` clips of half as many subjects; of a role that may have several axes, the given one."""
    kind = find(kind) if isinstance(kind, str) else kind
    rng = np.random.default_rng(seed)
    side = kind.image_size(kind.parse(kind.test_params, kind.__name__))
    sizes = SIZES | ({"y": side, "x": side} if side else {}) | dict(kind.test_sizes)
    inputs = {}
    for role, given in kind.reads.items():
        axes = alternatives(given)[min(alternative, len(alternatives(given)) - 1)]
        shape = (count, *(sizes[axis] for axis in axes))
        if "colour" in axes:
            inputs[role] = rng.integers(0, 256, shape, dtype=np.uint8)
        else:
            inputs[role] = rng.normal(size=shape).astype(np.float16)
        if "near" in axes:
            inputs[f"{role}_lengths"] = rng.integers(1, sizes["near"] + 1, (count, 2)).astype(np.int32)
    inputs["id"] = np.array([f"samm/{i // 2}/c{i}/{seed}" for i in range(count)], dtype=object)
    inputs["subject"] = np.array([f"samm:{i // 2}" for i in range(count)], dtype=object)
    return inputs
