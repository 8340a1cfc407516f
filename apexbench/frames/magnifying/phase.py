"""Phase-based magnification (Wadhwa et al., SIGGRAPH 2013): phases of a complex steerable pyramid, turned further.

Each frame is compared with the onset, so no filter over time is needed. Phases follow motion, where linear
magnification follows brightness: factors reach further, and noise is moved but not multiplied. It is said to be covered
by patents of MIT.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from pydantic import Field

from apexbench.frames.magnifying.base import Arm, Options
from apexbench.frames.steerable import SteerablePyramid

_BORDER = 16  # px that are reflected around the picture: the transform takes its sides for neighbours


class PhaseOptions(Options):
    """What phase-based magnification leaves open.

    Attributes
    ----------
    levels : of the pyramid; level l = 0, 1, ... is about wavelengths of 4 * 2^(l / octave_bands) px. What is finer,
        mostly noise, and what is coarser, mostly light, is left alone.
    orientations : of each level.
    octave_bands : levels an octave. Narrower bands reach further and blur motion more; the authors' are 1 and 2.
    smoothing : deviation in px of a level by which phases are blurred, weighted by amplitude, against noise; 0 does
        not.
    """

    levels: int = Field(default=5, ge=1, le=16)
    orientations: int = Field(default=4, ge=2, le=16)
    octave_bands: int = Field(default=1, ge=1, le=4)
    smoothing: float = Field(default=2.0, ge=0, allow_inf_nan=False)


class Phase(Arm):
    """The phase of each band since the onset, times the factor; every colour for itself."""

    Options = PhaseOptions

    @property
    def smallest(self) -> int:
        """The coarsest wavelength, which must fit into the picture."""
        return int(4 * 2 ** ((self.options.levels - 1) / self.options.octave_bands))

    def __call__(self, frames, factors: Sequence[float], onset: int, fps: float | None) -> Iterator[np.ndarray]:
        height, width = frames.shape[1:3]
        border = min(_BORDER, height - 1, width - 1)
        pad = ((0, 0), (border, border), (border, border))
        options = self.options
        pyramid = SteerablePyramid(
            (height + 2 * border, width + 2 * border), options.levels, options.orientations, options.octave_bands
        )

        def analysed(frame):
            return pyramid.analyse(np.pad(np.moveaxis(frame, -1, 0).astype(np.float32), pad, mode="reflect"))

        reference = analysed(frames[onset])
        for frame in frames:
            bands = analysed(frame)
            phases = [self._phase(band * since.conj()) for band, since in zip(bands, reference, strict=True)]
            pictures = []
            for factor in factors:
                turned = [
                    band * (np.exp(1j * (factor - 1) * phase) - 1) for band, phase in zip(bands, phases, strict=True)
                ]
                change = pyramid.synthesise(turned)[:, border : border + height, border : border + width]
                pictures.append(frame + np.moveaxis(change, 0, -1))
            yield np.stack(pictures)

    def _phase(self, product: np.ndarray) -> np.ndarray:
        """Phases (..., h, w) float32 of the product of a band and another's conjugate, in (-pi, pi]."""
        if self.options.smoothing:
            flat = np.ascontiguousarray(product).view(np.float32).reshape(-1, *product.shape[-2:], 2)
            flat = np.stack([cv2.GaussianBlur(each, (0, 0), self.options.smoothing) for each in flat])
            product = flat.view(np.complex64).reshape(product.shape)
        return np.angle(product)
