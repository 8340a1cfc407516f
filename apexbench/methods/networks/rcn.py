"""The network of RCN-A: 14,211 parameters at 3 classes as it is here; the released count is not known."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEPS = 2  # of the recurrence
PLACES = 5  # on a side, of what the head reads


class Network(nn.Module):
    """Conv 5x5, a 3x3 one applied twice to its input plus its state, attention, 5 x 5 means, the head."""

    def __init__(self, num_classes: int, filters: int = 32, dropout: float = 0.5):
        super().__init__()
        first, again = nn.Conv2d(3, filters, 5, padding=2), nn.Conv2d(filters, filters, 3, padding=1)
        self.stem = nn.Sequential(first, nn.BatchNorm2d(filters), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(dropout))
        self.recurrent = nn.Sequential(again, nn.BatchNorm2d(filters), nn.ReLU())
        self.head = nn.Linear(filters * PLACES**2, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores, (B, C), of flow maps x (B, 3, S, S)."""
        x = self.stem(x)
        state = torch.zeros_like(x)
        for _ in range(STEPS):
            state = self.recurrent(x + state)
        return self.head(F.adaptive_avg_pool2d(state * self.attention(state), PLACES).flatten(1))

    def attention(self, maps: Tensor) -> Tensor:
        """Return where the most active class is active, (B, 1, H, W) in 0..1, of maps (B, filters, H, W).

        A class's activation is the sum of the maps, weighed as the head weighs them, the mean over its 5 x 5 places.
        """
        weights = self.head.weight.unflatten(1, (-1, PLACES**2)).mean(2)
        return F.conv2d(maps, weights[..., None, None]).amax(1, keepdim=True).sigmoid()
