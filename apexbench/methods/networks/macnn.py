"""The network of MACNN, as ported in Off-TANet's repository: 70,573,923 parameters at 3 classes and 112 px."""

from torch import Tensor, nn

CHANNELS, DILATIONS = (32, 64, 128, 256), (4, 2)


class Residual(nn.Module):
    """Twice a convolution 3x3 with ReLU, beside one 1x1; half the size after their sum."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU()
        )
        self.shortcut, self.pool = nn.Conv2d(inputs, outputs, 1), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, O, S // 2, S // 2) of x (B, I, S, S)."""
        return self.pool(self.body(x) + self.shortcut(x))


class Network(nn.Module):
    """Four residual blocks, two dilated convolutions, three linear layers."""

    def __init__(self, num_classes: int, dropout: float, image_size: int, width: float = 1.0, hidden: int = 4096):
        super().__init__()
        channels = [3, *(max(1, round(c * width)) for c in CHANNELS)]
        last, side = channels[-1], image_size // 2 ** len(CHANNELS)
        self.blocks = nn.Sequential(*map(Residual, channels[:-1], channels[1:]))
        self.dilated = nn.Sequential(
            *(
                layer
                for step in DILATIONS
                for layer in (nn.Conv2d(last, last, 3, padding=step, dilation=step), nn.ReLU())
            )
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(last * side**2, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, num_classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores, (B, C), of u, v and strain, x (B, 3, S, S)."""
        return self.head(self.dilated(self.blocks(x)))
