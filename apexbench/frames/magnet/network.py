"""The network of learning-based motion magnification (Oh et al., ECCV 2018), as the port that AMAN releases has it.

An encoder parts a picture into texture (a quarter of its size) and shape (half of it); a manipulator enlarges the
change of shape between two pictures; a decoder makes the picture of the second one's texture and the enlarged shape.
Convolutions have no bias and reflect the border, nothing is normalised. 928,144 parameters in 43 tensors, whose names
are those of the released checkpoint. The original (TensorFlow) is not this one layer by layer.
"""

import torch
from torch import nn
from torch.nn.functional import interpolate, relu

SHAPE, TEXTURE = 32, 32  # channels


def _conv(given: int, made: int, side: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(given, made, side, stride, side // 2, bias=False, padding_mode="reflect")


class _Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.conv1, self.conv2 = _conv(width, width, 3), _conv(width, width, 3)

    def forward(self, x):
        return x + self.conv2(relu(self.conv1(x)))


class _Convolution(nn.Module):
    """One convolution, a level deeper in the checkpoint's names."""

    def __init__(self, width: int, side: int):
        super().__init__()
        self.conv1 = _conv(width, width, side)

    def forward(self, x):
        return self.conv1(x)


def _residuals(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(width) for _ in range(count)))


class Encoder(nn.Module):
    """Pictures (B, 3, H, W) -> texture (B, 32, H/4, W/4) and shape (B, 32, H/2, W/2)."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.resblks = _conv(3, 16, 7), _conv(16, 32, 3, 2), _residuals(32, 3)
        self.conv1_text, self.resblks_text = _conv(32, TEXTURE, 3, 2), _residuals(TEXTURE, 2)
        self.conv1_shape, self.resblks_shape = _conv(32, SHAPE, 3), _residuals(SHAPE, 2)

    def forward(self, pictures):
        x = self.resblks(relu(self.conv2(relu(self.conv1(pictures)))))
        return self.resblks_text(relu(self.conv1_text(x))), self.resblks_shape(relu(self.conv1_shape(x)))


class Manipulator(nn.Module):
    """Shapes of the reference and of the target, and total factors -> the target's shape, its change enlarged."""

    def __init__(self):
        super().__init__()
        self.convblks = nn.Sequential(_Convolution(SHAPE, 7))
        self.convblks_after = nn.Sequential(_Convolution(SHAPE, 3))
        self.resblks = _residuals(SHAPE, 1)

    def forward(self, reference, target, factor):
        change = (factor - 1) * relu(self.convblks(target - reference))
        return target + self.resblks(self.convblks_after(change))


class Decoder(nn.Module):
    """Texture and shape -> pictures (B, 3, H, W)."""

    def __init__(self):
        super().__init__()
        self.conv1_text, self.resblks = _conv(TEXTURE, TEXTURE, 3), _residuals(TEXTURE + SHAPE, 9)
        self.conv1, self.conv2 = _conv(TEXTURE + SHAPE, 32, 3), _conv(32, 3, 7)

    def forward(self, texture, shape):
        texture = relu(self.conv1_text(_twice(texture)))
        x = self.resblks(torch.cat([texture, shape], 1))
        return self.conv2(relu(self.conv1(_twice(x))))


def _twice(x):
    return interpolate(x, scale_factor=2, mode="nearest")


class MagNet(nn.Module):
    """The three parts together, for pictures (B, 3, H, W) in [-1, 1] whose sides are multiples of 4, from 8 px up.

    >>> network = MagNet()
    >>> sum(weights.numel() for weights in network.parameters()), len(network.state_dict())
    (928144, 43)
    """

    def __init__(self):
        super().__init__()
        self.encoder, self.manipulator, self.decoder = Encoder(), Manipulator(), Decoder()

    def forward(self, reference, target, factor):
        """Return the target with its motion since the reference times `factor`, a number or (B, 1, 1, 1)."""
        texture, shape = self.encoder(target)
        return self.decoder(texture, self.manipulator(self.encoder(reference)[1], shape, factor))


def initialise(model: MagNet) -> MagNet:
    """Return the network as a linear magnifier that has lost nothing yet, which is where training begins.

    Of the picture and its negative, which ReLU leaves apart, each pixel of 2 x 2 goes its own way through the network,
    in 24 channels of the shape; their change is smoothed, multiplied and added. Residual blocks add nothing, all other
    weights are random (He et al.), and what makes pixels of the last channels is fitted by the training.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    encoder, manipulator, decoder = model.encoder, model.manipulator, model.decoder
    smooth = torch.exp(-(torch.arange(-3.0, 4.0) ** 2) / (2 * 1.5**2))
    smooth = smooth[:, None] * smooth / smooth.sum() ** 2
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, _Residual):
                module.conv2.weight.zero_()
        change, added = manipulator.convblks[0].conv1.weight, manipulator.convblks_after[0].conv1.weight
        for weights in (change, added, decoder.conv1.weight):
            weights.mul_(0.1)
        for signed in range(6):
            encoder.conv1.weight[signed] = 0
            encoder.conv1.weight[signed, signed % 3, 3, 3] = 1 if signed < 3 else -1
            for pixel in range(4):
                way, other = 6 * pixel + signed, 6 * pixel + (signed + 3) % 6
                encoder.conv2.weight[way] = 0
                encoder.conv2.weight[way, signed, 1 + pixel // 2, 1 + pixel % 2] = 1
                change[way] = 0
                change[way, way], change[way, other] = smooth, -smooth
                added[way] = 0
                added[way, way, 1, 1] = 1
                decoder.conv1.weight[way] = 0
                decoder.conv1.weight[way, TEXTURE + way, 1, 1] = 1
        nn.init.dirac_(encoder.conv1_shape.weight)
        nn.init.dirac_(decoder.conv1_text.weight)
    return model
