"""Control: always the largest class of the training clips."""

import numpy as np

from apexbench.methods.base import Classic, Inputs


class Majority(Classic):
    """What a method must beat to have learned anything at all."""

    def features(self, inputs: Inputs) -> np.ndarray:
        return np.zeros((len(inputs["id"]), 1))

    def estimator(self, rng: np.random.Generator):
        from sklearn.dummy import DummyClassifier

        return DummyClassifier(strategy="most_frequent")
