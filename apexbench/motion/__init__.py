"""Dense motion between two images: optical flow (TV-L1, Farnebäck) and optical strain. Arrays in, arrays out."""

from apexbench.motion.farneback import farneback_flow
from apexbench.motion.sequences import FLOWS, PAIRS, flow_of_pairs, pairs
from apexbench.motion.strain import optical_strain
from apexbench.motion.tvl1 import tvl1_flow

__all__ = ["FLOWS", "PAIRS", "farneback_flow", "flow_of_pairs", "optical_strain", "pairs", "tvl1_flow"]
