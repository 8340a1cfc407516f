"""The network of Dual-ATME as its script builds it: 4,833,193 parameters at 3 classes, 4,823,043 of its head."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from apexbench.methods.networks.inceptr import CBAM, Inception


class Output(NamedTuple):
    """Class scores (B, C), and how alike the two branches are, the cosine of their flattened maps, (B,)."""

    scores: Tensor
    likeness: Tensor


class Network(nn.Module):
    """Two branches of two Inception blocks, whose attention has the same weights, and one head on both.

    Parameters
    ----------
    hidden : units of the layer before the last.
    puzzle_attention : whether the puzzle's branch is weighed as well.
    """

    def __init__(self, num_classes: int, *, hidden: int = 1024, dropout: float = 0.5, puzzle_attention: bool = True):
        super().__init__()

        def branch() -> nn.Sequential:
            return nn.Sequential(Inception(3, 6), nn.MaxPool2d(2), Inception(24, 12), nn.MaxPool2d(2))

        self.whole, self.puzzle = branch(), branch()
        self.attention = CBAM(48, 3)
        self.puzzle_attention = puzzle_attention
        self.head = nn.Sequential(
            nn.Linear(2 * 48 * 7 * 7, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, whole: Tensor, puzzle: Tensor) -> Output:
        """Return what the network makes of flow of the whole face and of the puzzle, (B, 3, 28, 28) each."""
        whole, puzzle = self.attention(self.whole(whole)), self.puzzle(puzzle)
        if self.puzzle_attention:
            puzzle = self.attention(puzzle)
        whole, puzzle = whole.flatten(1), puzzle.flatten(1)
        return Output(self.head(torch.cat([whole, puzzle], dim=1)), F.cosine_similarity(whole, puzzle))
