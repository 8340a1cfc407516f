"""The same bytes on every x86-64 machine with AVX2: what the pins hold, and that something must be held."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from apexbench import instructions
from apexbench.instructions import PINS, environment, held

HERE = Path(__file__).parent
AVX2 = {"avx2", "fma"}
pinned_here = pytest.mark.skipif(not environment("avx2"), reason="pins are for x86-64 processors with AVX2")

# As the shell of another machine may have it: what libraries take from outside beside or in place of the pins. The
# first two are no pins: glibc chooses its libm and copy loops by what it is told, MKL its code on Intel's processors.
OUTSIDE = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD:"
    "glibc.cpu.x86_data_cache_size=0x4000:glibc.cpu.x86_shared_cache_size=0x40000",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "DNNL_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "AVX2",
    "OPENBLAS_CORETYPE": "Nehalem",
    "OPENCV_IPP": "sse42",
    "NUMBA_CPU_NAME": "nehalem",
    "NUMBA_CPU_FEATURES": "+sse4.2",
}


@cache
def _printed(pins: bool, outside: bool, *names: str, before: tuple[str, ...] = ()) -> dict[str, str]:
    """The hashes that the program prints, with what chooses instructions as in a job, from outside, both or neither."""
    chooses = {*PINS, *OUTSIDE, "OPENCV_CPU_DISABLE"}
    variables = {name: value for name, value in os.environ.items() if name not in chooses}
    variables |= OUTSIDE if outside else {}
    variables |= environment("avx2") if pins else {}
    words = [*before, sys.executable, str(HERE / "results_in_bytes.py"), *names]
    variables["PYTHONPATH"] = str(HERE.parent)
    done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=2400)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pinned_here
def test_pinned_bytes_do_not_follow_the_machine():
    here = _printed(True, False)
    assert len(here) == 12
    assert _printed(True, True) == here


@pinned_here
@pytest.mark.slow
def test_without_the_pins_they_do():
    names = ("mmnet", "logistic")  # by torch's libraries, by OpenBLAS
    assert _printed(False, False, *names) != _printed(False, True, *names)


@pinned_here
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="needs qemu-user 7.2 or later, which emulates AVX2")
@pytest.mark.parametrize("model", ["Haswell", "EPYC"])
def test_the_same_bytes_on_an_emulated_processor(model):
    """The real thing where it can be had, minutes each: no AVX-512, another maker, other caches."""
    for names in ((), ("every_method",)):
        assert _printed(True, False, *names, before=("qemu-x86_64", "-cpu", model)) == _printed(True, False, *names)


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (r"\.sqrt\(|\.(atan|asin|acos)\(", "networks.portable.square_root; of angles nothing is known"),
        (r"optim\.(?!SGD)\w+\((?!.*fused=True)", "fused=True, or networks.portable"),
        (r"nn\.LSTM\(", "networks.portable.LSTM"),
    ],
)
def test_no_method_takes_what_follows_the_processors_maker(pattern, instead):
    """What no pin holds: MKL's functions that begin with an approximation of the processor's, and oneDNN's LSTM."""
    methods = HERE.parent / "apexbench" / "methods"
    lines = [
        f"{path.relative_to(methods)}: {line.strip()}"
        for path in sorted(methods.rglob("*.py")) if path.name != "portable.py"
        for line in path.read_text().splitlines() if not re.search(r"\b(np|math)\.", line)
    ]  # fmt: skip
    assert len(lines) > 3000 and not [line for line in lines if re.search(pattern, line)], instead


@pinned_here
def test_all_that_numpy_has_above_avx2_is_off():
    """Names change with NumPy's version, and an unknown one is passed over in silence."""
    code = "from numpy._core._multiarray_umath import __cpu_dispatch__; print(*__cpu_dispatch__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - {"X86_V3"} == set(PINS["NPY_DISABLE_CPU_FEATURES"].split())


@pinned_here
def test_libraries_start_pinned_and_silent():
    code = """
import cv2, numpy, torch
from numba.core import config
from threadpoolctl import threadpool_info
assert torch.backends.cpu.get_cpu_capability() == "AVX2"
assert (config.CPU_NAME, config.CPU_FEATURES) == ("haswell", "+avx2,+fma")
assert "AVX2" in cv2.ipp.getIppVersion()
assert "AVX512-SKX?" in cv2.getCPUFeaturesLine()  # the mark of what is absent or off
kinds = {item["architecture"] for item in threadpool_info() if item["internal_api"] == "openblas"}
assert kinds == {"Haswell"}, kinds
"""
    variables = {**os.environ, **environment("avx2")}
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr and "OPENCV" not in done.stderr


def test_other_machines_are_left_alone():
    assert environment("native", "x86_64", AVX2) == {}
    assert environment("avx2", "aarch64", ["asimd"]) == {}
    assert environment("avx2", "x86_64", ["sse4_2", "avx"]) == {}
    assert environment("avx2", "x86_64", AVX2) == PINS
    assert environment("avx2", "x86_64", [*AVX2, "avx512f"]) == {**PINS, "OPENCV_CPU_DISABLE": "AVX512-SKX"}


def test_the_environment_tells_what_is_held():
    assert held(PINS) == held({**PINS, "OPENCV_CPU_DISABLE": "AVX512-SKX"}) == "avx2"
    assert held({}) == held({**PINS, "MKL_CBWR": "AVX2"}) == "native"


def test_the_processor_has_a_name(monkeypatch):
    assert instructions.processor()
    monkeypatch.setattr(instructions, "_cpuinfo", lambda field: "")
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert instructions.processor() == platform.machine()
