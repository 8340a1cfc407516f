"""Control: random labels from the class prior, anew in every epoch.

Without any learning, the best epoch on each test subject scores far above chance: the null model shows what the rule
`fold-oracle` alone is worth (the fault is described in arXiv 2211.11425).
"""

import numpy as np

from apexbench.methods.base import Inputs, Method, Params


class NullParams(Params):
    """Number of draws."""

    epochs: int = 100


class Null(Method):
    """Draws a class for every test clip and epoch from the class frequencies of the training clips."""

    Parameters = NullParams

    def scores(self, train: Inputs, labels: np.ndarray, test: Inputs, rng: np.random.Generator) -> np.ndarray:
        """Return one-hot draws, (epochs, N, C) float32."""
        prior = np.bincount(labels, minlength=self.num_classes) / len(labels)
        draws = rng.choice(self.num_classes, size=(self.params.epochs, len(test["id"])), p=prior)
        return np.eye(self.num_classes, dtype=np.float32)[draws]
