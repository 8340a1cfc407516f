"""Control: flow-svm trained on permuted labels. What it scores above chance is leakage or luck, not motion."""

import numpy as np

from apexbench.methods.base import Inputs
from apexbench.methods.flow_svm import FlowSVM


class ShuffledLabels(FlowSVM):
    """The labels of the training clips are permuted; the test labels are never seen by any method."""

    def scores(self, train: Inputs, labels: np.ndarray, test: Inputs, rng: np.random.Generator) -> np.ndarray:
        return super().scores(train, rng.permutation(labels), test, rng)
