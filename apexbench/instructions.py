"""Which processor instructions the libraries of a job use: by default those that every x86-64 machine with AVX2 has.

PyTorch, oneDNN, MKL, NumPy, OpenBLAS, OpenCV and numba each look at the processor and choose code by it. Sums then run
in another order and the last bit differs, which a network amplifies within a few epochs. All of them read their choice
from the environment once, when they are first imported or used; so it is set in the process that starts the jobs.
"""

import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

from apexbench.config.settings import Instructions

PINS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",  # MKL goes by the maker as well: no other value holds on AMD's processors
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # what NumPy 2.4 has above AVX2; absent ones are well
    "OPENBLAS_CORETYPE": "Haswell",  # NumPy's, SciPy's and OpenCV's
    "OPENCV_IPP": "avx2",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+fma",  # else numba adds those of the machine
}
# OpenCV complains on stderr of a feature that it is to disable and the processor does not have
_OPENCV = {"OPENCV_CPU_DISABLE": "AVX512-SKX"}


def environment(
    choice: Instructions, machine: str | None = None, features: Iterable[str] | None = None
) -> dict[str, str]:
    """Return the environment variables that hold a job's libraries to a choice of instructions; none for `native`.

    None either for `avx2` on a machine that is not x86-64, or whose processor has no AVX2 and FMA.

    Parameters
    ----------
    machine, features : architecture, and the processor's features as Linux names them; those of this machine.

    >>> environment("avx2", "x86_64", ["avx2", "fma"])["ATEN_CPU_CAPABILITY"]
    'avx2'
    >>> environment("avx2", "aarch64", []), environment("native")
    ({}, {})
    """
    machine = platform.machine() if machine is None else machine
    features = set(_features() if features is None else features)
    if choice == "native" or machine not in ("x86_64", "AMD64") or not {"avx2", "fma"} <= features:
        return {}
    return {**PINS, **(_OPENCV if "avx512f" in features else {})}


def held(variables: Mapping[str, str] | None = None) -> Instructions:
    """Return what this process is held to, by its environment: `avx2` if all pins are set, else `native`."""
    variables = os.environ if variables is None else variables
    return "avx2" if all(variables.get(name) == value for name, value in PINS.items()) else "native"


def processor() -> str:
    """Return the processor's model name; the architecture where the system does not tell."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _features() -> list[str]:
    return _cpuinfo("flags").split()


def _cpuinfo(field: str) -> str:
    """The first value of a field of /proc/cpuinfo; empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == field), "")
