"""What a job does not use it does not import: seconds of each of a study's jobs."""

import subprocess
import sys

import pytest

# torch._dynamo itself has a stand-in (apexbench.dynamo_shim); what it imports tells that it was imported
HEAVY = {"torch", "torch._dynamo.convert_frame", "sympy", "timm", "pandas", "scipy.special", "scipy.stats", "sklearn"}
HEAVY |= {"numba", "matplotlib"}
VIT = {"embed_dim": 32, "depth": 1, "num_heads": 4, "patch_size": 7}


def _training(method, **params):
    return f"""
import numpy as np
from apexbench.methods import create
from apexbench.training.run import train_fold
labels = np.arange(9) % 3
packs = {{"flow": np.zeros((9, 3, 28, 28), "f2"), "frames": np.zeros((9, 2, 3, 32, 32), "u1"), "id": np.arange(9)}}
train_fold(create({method!r}, 3, **{params!r}), packs, labels, packs, 0)
"""


JOBS = {
    "faces": ("from apexbench.stages.faces import find_faces", {"pandas"}),
    "frames": ("from apexbench.stages.frames import crop_frames", {"pandas"}),
    "pack": ("from apexbench.stages.pack import pack", set()),
    "flow": ("from apexbench.stages.flow import flow", set()),
    "magnify": ("from apexbench.stages.magnify import magnify", set()),
    "scores": ("from apexbench.stages.scores import score_protocol", {"pandas"}),
    "table": ("from apexbench.stages.table import make_table", {"pandas"}),
    "majority": (_training("majority"), {"pandas"}),
    "flow-svm": (_training("flow-svm"), {"pandas", "sklearn", "scipy.special", "scipy.stats"}),
    "ststnet": (_training("ststnet", epochs=1), {"pandas", "torch", "numba"}),
    "mmnet": (_training("mmnet", epochs=1, image_size=32, width=0.05), {"pandas", "torch", "numba"}),
    "vit-flow": (_training("vit-flow", epochs=1, image_size=28, vit=VIT), {"pandas", "torch", "timm", "numba"}),
}


def _run(code):
    """The last line that a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_imports_what_it_uses(kind):
    code, may = JOBS[kind]
    assert set(_run(f"{code}\nimport sys\nprint(*{HEAVY} & set(sys.modules))").split()) <= may


def test_the_stand_in_makes_way_for_the_compiler():
    code = """
import torch
from apexbench.dynamo_shim import spare_dynamo
spare_dynamo()
spare_dynamo()
assert not hasattr(torch._dynamo, "__file__")
optimizer = torch.optim.Adam(torch.nn.Linear(2, 2).parameters())
optimizer.zero_grad(); optimizer.step()
assert not hasattr(torch._dynamo, "__file__")
import torch._dynamo.config
assert torch._dynamo.__file__ and torch._dynamo.utils.__file__
double = torch.compile(lambda x: 2 * x, backend="eager")
assert double(torch.ones(3)).tolist() == [2, 2, 2]
optimizer.step()
spare_dynamo()
print(bool(torch._dynamo.__file__))
"""
    assert _run(code) == "True"


@pytest.mark.parametrize("ask", ["torch._dynamo.reset", "torch._dynamo.utils.is_compile_supported('cpu')"])
def test_whatever_is_asked_of_the_stand_in_is_answered(ask):
    code = f"from apexbench.dynamo_shim import spare_dynamo\nspare_dynamo()\nimport torch\nassert {ask}\n"
    assert _run(f"{code}print(torch._dynamo.__file__ and torch._dynamo.utils.__file__ != '')") == "True"
