"""Control: always the largest class of the training clips."""

import numpy as np

from apexbench.methods.base import Classic, Inputs


class _MostFrequent:
    """What scikit-learn's DummyClassifier is; importing that takes longer than all else that the job does."""

    def fit(self, features: np.ndarray, labels: np.ndarray) -> "_MostFrequent":
        self.classes_, counts = np.unique(labels, return_counts=True)
        self.share = np.eye(len(counts))[counts.argmax()]  # the first class, if several are as frequent
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        return np.tile(self.share, (len(features), 1))


class Majority(Classic):
    """What a method must beat to have learned anything at all."""

    deterministic = True

    def features(self, inputs: Inputs) -> np.ndarray:
        return np.zeros((len(inputs["id"]), 1))

    def estimator(self, rng: np.random.Generator):
        return _MostFrequent()
