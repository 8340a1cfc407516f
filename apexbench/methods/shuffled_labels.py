"""Control: flow-svm trained on permuted labels. What it scores above chance is leakage or luck, not motion."""

import numpy as np

from apexbench.methods.base import Fold, Inputs
from apexbench.methods.flow_svm import FlowSVM


class ShuffledLabels(FlowSVM):
    """The labels of the training clips are permuted; the test labels are never seen by any method."""

    deterministic = False

    def scores(self, train: Inputs, labels: np.ndarray, test: Inputs, fold: Fold) -> np.ndarray:
        return super().scores(train, fold.rng.permutation(labels), test, fold)
