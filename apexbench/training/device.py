"""GPUs for jobs: Snakemake counts them, this lease hands them out, one holder each.

A lease is a lock on a file named by the GPU's UUID in a folder of this node. The kernel drops it with the process,
however that ends, so that a killed job never keeps a GPU. Without a GPU in the job's resources nothing is leased and
CUDA is hidden.
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
from pathlib import Path

from apexbench.errors import InputError


def _devices() -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        listing = subprocess.run(
            ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"],
            capture_output=True, text=True, check=True, timeout=30,
        ).stdout  # fmt: skip
        uuids = dict(line.split(", ") for line in listing.strip().splitlines())
    except (OSError, subprocess.SubprocessError, ValueError):
        uuids = {}
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
def lease(gpus: int) -> Iterator[str]:
    """Wait for `gpus` free GPUs, show CUDA only those, and yield the torch device, `cuda` or `cpu`.

    Call it before anything touches CUDA. With `gpus` = 0, or on a machine without any GPU, the device is `cpu`.

    Raises InputError if more GPUs are asked for than the job can see.
    """
    devices = _devices() if gpus > 0 else []
    if not devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        yield "cpu"
        return
    if gpus > len(devices):
        raise InputError(f"{gpus} GPUs asked for, {len(devices)} visible; lower --resources gpu={len(devices)}")
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    held: list[tuple[str, int]] = []
    waiting = False
    while len(held) < gpus:
        for device in devices:
            handle = _try_lock(folder / f"{device}.lock")
            if handle is not None:
                held.append((device, handle))
            if len(held) == gpus:
                break
        else:
            for _, handle in held:
                os.close(handle)
            held = []
            if not waiting:
                logging.info("waiting for %d of %d GPUs", gpus, len(devices))
                waiting = True
            time.sleep(0.05 + 0.1 * random.random())
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(device for device, _ in held)
    try:
        yield "cuda"
    finally:
        for _, handle in held:
            os.close(handle)
