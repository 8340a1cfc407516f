"""Learning-based magnification (Oh et al., ECCV 2018), in the static mode that AMAN uses: each frame against the onset.

The network is in `frames/magnet`, with weights that were trained there, on no clip of anybody; a checkpoint of AMAN's
repository, or another of this network, is given by its path. AMAN resizes to 384 px; this network is fully
convolutional and runs at the crop's own size, to which motion and factors refer.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import Field, field_validator

from apexbench.frames.magnifying.base import Arm, Options, white
from apexbench.weights import Weights, load, read_state

SHIPPED = Path(__file__).with_name("magnet.safetensors")
_MULTIPLE = 4  # of which sides must be: shape has half of a picture's size, texture a quarter


class MagNetOptions(Options):
    """Where the weights are, and how many pictures the network sees at a time.

    Attributes
    ----------
    weights : {file: path}, of this network; left out, what is shipped.
    batch : pictures of one pass; more need more memory, and change no picture.
    """

    weights: Weights = Weights(file=str(SHIPPED))
    batch: int = Field(default=8, ge=1)

    @field_validator("weights")
    @classmethod
    def _a_file(cls, weights: Weights) -> Weights:
        if not weights.file:
            raise ValueError("MagNet's weights are a file: write {file: path}, or leave them out for what is shipped")
        return weights


class MagNet(Arm):
    """The decoder's picture of the frame's texture and of its shape, whose change since the onset is enlarged.

    A factor of 1 is the network's reconstruction of the frame, not the frame. Gray frames go in as three equal
    channels, and the mean of three comes out. Sides that are no multiples of 4 are reflected to the next one, and cut
    again. InputError with the first clip if the weights do not fit.
    """

    Options = MagNetOptions
    uses_gpu = True
    smallest = 16

    @cached_property
    def _network(self):
        from apexbench.frames.magnet.network import MagNet as Network

        network = Network()
        path = self.options.weights.file
        load(network, {name: x.float() for name, x in read_state(path, "option 'weights'").items()}, path)
        return network.to(self.device).eval().requires_grad_(False)

    def load(self) -> None:
        _ = self._network

    def __call__(self, frames, factors: Sequence[float], onset: int, fps: float | None) -> Iterator[np.ndarray]:
        import torch

        network = self._network
        with torch.inference_mode():
            reference = network.encoder(self._pictures(frames[onset : onset + 1] if onset >= 0 else frames[[onset]]))[1]
            for start in range(0, len(frames), self.options.batch):
                part = frames[start : start + self.options.batch]
                texture, shape = network.encoder(self._pictures(part))
                made = []
                for factor in factors:
                    enlarged = network.manipulator(reference, shape, float(factor))
                    made.append(self._arrays(network.decoder(texture, enlarged), frames))
                yield from np.stack(made, axis=1)

    def _pictures(self, frames: np.ndarray):
        """Frames (B, H, W, 1 or 3) as the network takes them, (B, 3, H', W') in [-1, 1]."""
        import torch
        from torch.nn.functional import pad

        height, width = frames.shape[1:3]
        x = torch.from_numpy(np.ascontiguousarray(frames)).to(self.device).float().movedim(-1, 1)
        x = (x * (2 / white(frames)) - 1).expand(-1, 3, -1, -1)
        return pad(x, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE), mode="reflect")

    def _arrays(self, pictures, frames: np.ndarray) -> np.ndarray:
        """Pictures as arrays like the frames, float32."""
        _, height, width, colours = frames.shape
        x = (pictures[..., :height, :width].movedim(1, -1) + 1) * (white(frames) / 2)
        return (x if colours == 3 else x.mean(-1, keepdim=True)).cpu().numpy()
