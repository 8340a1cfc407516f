"""SLSTT's trained part: the features of each flow picture, put together over time, and classified.

6,962,181 parameters with the LSTM at 5 classes: 1,536 of the norm, 6,828,032 of the LSTM, 132,613 of the classifier.
5,381 with the mean.
"""

import torch
from torch import Tensor, nn

from apexbench.methods.networks.portable import LSTM


class Network(nn.Module):
    """Class scores (B, C) of features (B, T, D) in the order of the frames.

    Parameters
    ----------
    dim : D, of a feature.
    aggregation : "lstm", or "mean": a classifier of each frame, and the mean of its scores.
    layers, hidden, classifier : sizes of the LSTM, and of the layer between it and the classes.
    """

    def __init__(self, num_classes: int, dim: int, aggregation: str, layers: int, hidden: int, classifier: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))
        self.lstm = LSTM(dim, hidden, layers) if aggregation == "lstm" else None
        if self.lstm is None:
            self.head = nn.Linear(dim, num_classes)
        else:
            self.head = nn.Sequential(nn.Linear(hidden, classifier), nn.ReLU(), nn.Linear(classifier, num_classes))

    def forward(self, features: Tensor) -> Tensor:
        x = features * self.weight + self.bias
        return self.head(x).mean(1) if self.lstm is None else self.head(self.lstm(x)[0][:, -1])
