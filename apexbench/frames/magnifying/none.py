"""No magnification: the frames as they are, without a copy."""

from apexbench.frames.magnifying.base import Arm


class Unmagnified(Arm):
    """Leaves the frames alone, whatever the factors."""

    changes = False
