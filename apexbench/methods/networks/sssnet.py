"""The network of SSSNet: 1,349,251 parameters at 3 classes and 64 px."""

from torch import Tensor, nn


class Network(nn.Module):
    """Conv 5x5 of 32 filters and 3x3 of 64, both without padding: ReLU, max pool, batch norm, dropout; two layers."""

    def __init__(self, num_classes: int, side: int = 64, hidden: int = 256, dropout: float = 0.5):
        super().__init__()
        self.body = nn.Sequential(*_block(3, 32, 5, 3, dropout), *_block(32, 64, 3, 2, dropout), nn.Flatten())
        left = ((side - 4) // 3 - 2) // 2  # px on a side
        self.hidden = nn.Sequential(nn.Linear(64 * left**2, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores, (B, C), of flow maps x (B, 3, S, S)."""
        return self.head(self.hidden(self.body(x)))


def _block(inputs: int, outputs: int, kernel: int, pool: int, dropout: float) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel)
    return [conv, nn.ReLU(), nn.MaxPool2d(pool), nn.BatchNorm2d(outputs), nn.Dropout(dropout)]
