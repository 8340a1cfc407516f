"""Baseline: frozen ResNet features of onset and apex, and logistic regression.

The feature cache of the pipeline in its plainest use; AMAN and others train heads on such caches.
"""

import numpy as np

from apexbench.methods.base import KEY_MAPS, MAGNIFIED_KEY_MAPS, Classic, Inputs, Params


class ResNetLinearParams(Params):
    """`pool` cells a side are kept of each feature map; C is the inverse L2 penalty."""

    pool: int = 6
    C: float = 0.01
    max_iter: int = 300


class ResNetLinear(Classic):
    """The difference apex - onset of the maps, mean-pooled to a grid, standardised on the training clips."""

    deterministic = True
    reads = {"features": (KEY_MAPS, MAGNIFIED_KEY_MAPS)}
    test_sizes = {"y": 7, "x": 7}
    Parameters = ResNetLinearParams

    def features(self, inputs: Inputs) -> np.ndarray:
        """Return (N, M * C * pool * pool) from features (N, 2, C, h, w), or (N, 2, M, C, h, w) of M factors."""
        maps = inputs["features"].astype(np.float32)
        change = maps[:, 1] - maps[:, 0]
        change = change.reshape(len(change), -1, *change.shape[-2:])
        n, channels, height, width = change.shape
        cells = min(self.params.pool, height, width)
        rows = np.array_split(np.arange(height), cells)
        columns = np.array_split(np.arange(width), cells)
        grid = [change[:, :, r[0] : r[-1] + 1, c[0] : c[-1] + 1].mean(axis=(2, 3)) for r in rows for c in columns]
        return np.stack(grid, axis=-1).reshape(n, channels * cells * cells)

    def estimator(self, rng: np.random.Generator):
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        p = self.params
        return make_pipeline(StandardScaler(), LogisticRegression(C=p.C, max_iter=p.max_iter, class_weight="balanced"))
