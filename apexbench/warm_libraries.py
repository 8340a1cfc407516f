"""The libraries of all jobs, imported once for many (see `warm_start`): own code is always read anew."""

import gc
import os

# what is imported here goes on to jobs of one thread, and threads do not survive a fork
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import cv2  # noqa: E402, F401
import jinja2  # noqa: E402, F401
import matplotlib.backends.backend_agg  # noqa: E402
import matplotlib.backends.backend_pdf  # noqa: E402
import matplotlib.backends.backend_svg  # noqa: E402
import matplotlib.figure  # noqa: E402, F401
import numba  # noqa: E402, F401
import pandas  # noqa: E402, F401
import pyarrow.parquet  # noqa: E402, F401
import safetensors.numpy  # noqa: E402, F401
import scipy.special  # noqa: E402, F401
import sklearn.svm  # noqa: E402, F401
import snakemake.script  # noqa: E402, F401
import torch  # noqa: E402, F401
import yaml  # noqa: E402, F401
from pydantic import BaseModel, Field, TypeAdapter, model_serializer, model_validator  # noqa: E402, F401

from apexbench.torchvision_shim import ensure_torchvision  # noqa: E402

ensure_torchvision()
import timm  # noqa: E402, F401
from numba.core.registry import cpu_target  # noqa: E402

# what numba looks up before its first function, an eighth of a second, and no function is compiled for it
cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()

gc.freeze()  # a job that collects garbage need not copy what it shares
