"""GPUs for jobs: Snakemake counts them, this lease hands them out, one holder each.

A lease is a lock on a file named by the GPU's UUID and a slot, in a folder of this node. The kernel drops it with the
process, however that ends, so that a killed job never keeps a GPU. A GPU has as many slots as jobs may share it
(`jobs_per_gpu`). Without a GPU in the job's resources nothing is leased and CUDA is hidden.
"""

import fcntl
import logging
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from apexbench.errors import InputError


def _ask(field: str) -> dict[str, str]:
    """Return {index: what nvidia-smi says of a GPU}; nothing where there is none."""
    words = ["nvidia-smi", f"--query-gpu=index,{field}", "--format=csv,noheader"]
    try:
        listing = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout
        return dict(line.split(", ") for line in listing.strip().splitlines())
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}


def driver() -> str:
    """Return the version of the GPU's driver; empty where none is asked for or found."""
    return next(iter(_ask("driver_version").values()), "")


def _devices() -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    uuids = _ask("uuid")
    if visible is None:
        return list(uuids.values())
    return [uuids.get(name.strip(), name.strip()) for name in visible.split(",") if name.strip()]


def _folder() -> Path:
    wish = os.environ.get("APEXBENCH_LOCKS")
    if wish:
        return Path(wish)
    job = os.environ.get("SLURM_JOB_ID", "")
    return Path(tempfile.gettempdir()) / f"apexbench-gpu-{os.getuid()}{'-' + job if job else ''}"


def _try_lock(path: Path) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


@contextmanager
def lease(gpus: int, slots: int = 1) -> Iterator[str]:
    """Wait for `gpus` GPUs with a free slot, show CUDA only those, and yield the torch device, `cuda` or `cpu`.

    Call it before anything touches CUDA. With `gpus` = 0, or on a machine without any GPU, the device is `cpu`.

    Parameters
    ----------
    slots : how many jobs may hold one GPU at a time.

    Raises InputError if more GPUs are asked for than the job can see, or where the locks should lie nothing can.
    """
    devices = _devices() if gpus > 0 else []
    if not devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        yield "cpu"
        return
    if gpus > len(devices):
        raise InputError(f"{gpus} GPUs asked for, {len(devices)} visible; lower --resources gpu={len(devices)}")
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: no folder for the locks of GPUs ({error.strerror}); name one of this machine in APEXBENCH_LOCKS"
        ) from error
    held: dict[str, int] = {}
    waiting = False
    while len(held) < gpus:
        for slot, device in product(range(slots), devices):  # a second job on a GPU only when each has one
            if device not in held and len(held) < gpus:
                handle = _try_lock(folder / f"{device}.{slot}.lock")
                held |= {} if handle is None else {device: handle}
        if len(held) < gpus:
            for handle in held.values():
                os.close(handle)
            held = {}
            if not waiting:
                logging.info("waiting for %d of %d GPUs", gpus, len(devices))
                waiting = True
            time.sleep(0.05 + 0.1 * random.random())
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(held)
    try:
        yield "cuda"
    finally:
        for handle in held.values():
            os.close(handle)
