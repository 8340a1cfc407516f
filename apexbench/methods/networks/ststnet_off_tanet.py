"""The network of STSTNet as ported in Off-TANet's repository: 162,051 parameters at 3 classes."""

from torch import Tensor, nn


class Network(nn.Module):
    """Three streams of 3, 5 and 8 filters, two pools of maxima, and two linear layers.

    The streams read the same maps and do the same, so one convolution of 16 filters is all three of them.
    """

    def __init__(self, num_classes: int):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 3 + 5 + 8, 3, padding=1), nn.MaxPool2d(3, stride=3, padding=1), nn.MaxPool2d(2)
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(400, 400), nn.ReLU(), nn.Linear(400, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores, (B, C), of u, v and strain, x (B, 3, 28, 28)."""
        return self.head(self.stem(x))
