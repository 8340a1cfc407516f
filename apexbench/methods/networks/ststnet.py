"""The network of STSTNet as released in PyTorch: 1683 parameters at 3 classes."""

from torch import Tensor, nn
from torch.nn import functional as F


class Network(nn.Module):
    """Three streams of 3, 5 and 8 filters: conv 3x3 (padding 2), ReLU, batch norm, max pool, dropout; then one head.

    The streams read the same maps and do the same, so one convolution of 16 filters is all three of them.
    """

    def __init__(self, num_classes: int, dropout: float = 0.5):
        super().__init__()
        self.conv = nn.Conv2d(3, 3 + 5 + 8, kernel_size=3, padding=2)
        self.norm = nn.BatchNorm2d(16)
        self.dropout = dropout
        self.head = nn.Linear(400, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores, (B, C), of flow maps x (B, 3, 28, 28)."""
        x = self._stem(x)
        x = F.dropout(x, self.dropout, self.training)
        return self.head(F.avg_pool2d(x, 2).flatten(1))

    def _stem(self, x: Tensor) -> Tensor:
        return F.max_pool2d(self.norm(F.relu(self.conv(x))), kernel_size=3, stride=3, padding=1)
