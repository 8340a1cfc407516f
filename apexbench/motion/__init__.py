"""Dense motion between two images: optical flow (TV-L1, Farnebäck) and optical strain. Arrays in, arrays out."""

from apexbench.motion.farneback import farneback_flow
from apexbench.motion.strain import optical_strain
from apexbench.motion.tvl1 import tvl1_flow

FLOWS = {"tvl1": tvl1_flow, "farneback": farneback_flow}

__all__ = ["FLOWS", "farneback_flow", "optical_strain", "tvl1_flow"]
