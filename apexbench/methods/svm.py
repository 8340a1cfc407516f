"""Support vector machine on features of any kind: the classifier of the hand-crafted baselines.

Which features, a card says by its input: `features: lbp-top`, for one. Values that papers do not give are the card's.
"""

from typing import Literal

import numpy as np

from apexbench.methods.base import DESCRIPTOR, Classic, Inputs, Params


class SVMParams(Params):
    """As in scikit-learn, whose defaults they are, but for the linear kernel."""

    kernel: Literal["linear", "rbf", "poly"] = "linear"
    C: float = 1.0
    gamma: float | Literal["scale", "auto"] = "scale"
    degree: int = 3
    standardise: bool = False
    """Whether every feature gets mean 0 and deviation 1 of the training clips; histograms need it not."""
    balanced: bool = False
    """Whether rare classes count as much as frequent ones."""


class SVM(Classic):
    """Features as they are, one SVM against one."""

    reads = {"features": DESCRIPTOR}
    deterministic = True
    Parameters = SVMParams

    def features(self, inputs: Inputs) -> np.ndarray:
        """Return (N, D)."""
        return inputs["features"].astype(np.float64)

    def estimator(self, rng: np.random.Generator):
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        p = self.params
        weights = "balanced" if p.balanced else None
        svc = SVC(C=p.C, kernel=p.kernel, gamma=p.gamma, degree=p.degree, class_weight=weights)
        return make_pipeline(StandardScaler(), svc) if p.standardise else svc
