"""A training job: what is trained, and the record of its predictions, how they were made, and on what."""

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from apexbench.config.model import digest
from apexbench.errors import InputError
from apexbench.instructions import held, processor
from apexbench.store.checksums import check_seal, sealed
from apexbench.training.device import driver


@dataclass(frozen=True)
class Job:
    """What is trained: everything that the predictions depend on, but the data and the code."""

    study_seed: int
    protocol: str
    classes: tuple[str, ...]
    run: str
    method: str
    params: Mapping
    seed: int
    budget: str
    data_source: str
    code: str
    multilabel: bool = False


@dataclass(frozen=True)
class Scored:
    """What came out of one model: scores (epochs, N, C) of some rows of the protocol's table, under a fold's name.

    `losses` are those of the training clips, by epoch; empty where nothing of the kind is known.
    """

    fold: str
    rows: Sequence[int]
    scores: np.ndarray
    losses: Sequence[float] = ()


def record_of(
    job: Job,
    folds: int,
    inner_folds: int = 0,
    hyper_parameters: Mapping | None = None,
    facts: Mapping | None = None,
) -> dict:
    """Return what a predictions file says of itself.

    Parameters
    ----------
    hyper_parameters : all of the method's, those too that its card leaves as they are; none for a log.
    facts : of the training: `device_facts`; seconds; peak_mb, the most memory that was held, of tensors on a GPU, else
        of the process; micro_batches, {fold: parts of its batches} where memory had run out.
    """
    return {
        "classes": list(job.classes),
        "multilabel": job.multilabel,
        "data_source": job.data_source,
        "budget": job.budget,
        "config_hash": digest({k: v for k, v in asdict(job).items() if k not in ("seed", "code")}),
        "code_hash": job.code,
        "versions": {
            "python": platform.python_version(),
            **{n: version(n) for n in ("numpy", "scikit-learn", "torch")},
        },
        "commit": commit(),
        "hyper_parameters": dict(hyper_parameters or {}),
        "processor": processor(),
        "instructions": held(),
        "device": "",
        "driver": "",
        "seconds": 0.0,
        "peak_mb": 0,
        "micro_batches": {},
        "folds": folds,
        "inner_folds": inner_folds,
        **(facts or {}),
    }


def commit() -> str:
    """Return the git commit of this package's checkout; empty outside one, or without git."""
    words = ["git", "rev-parse", "--verify", "HEAD"]
    try:
        found = subprocess.run(words, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def device_facts(device: str) -> dict[str, str]:
    """Return `device`: cpu, or the name of the GPU that the process sees; and `driver`: its version, and CUDA's."""
    if device == "cpu":
        return {"device": "cpu", "driver": ""}
    import torch

    return {"device": torch.cuda.get_device_name(), "driver": f"{driver()}, CUDA {torch.version.cuda}"}


def as_it_is(output: str, key: str) -> bool:
    """Tell whether a predictions file lies there whole, and all that it was made of is what `key` is of."""
    import pyarrow.parquet as pq

    try:
        check_seal(output)
        return json.loads(pq.read_schema(output).metadata[b"apexbench"]).get("made_of") == key
    except (InputError, OSError, ValueError, TypeError, KeyError):
        return False


def write_predictions(job: Job, table, done: Sequence[Scored], record: dict, output: str) -> None:
    """Write a predictions file: one row for each clip and epoch, the record as its schema metadata `apexbench`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # a range whose clips were all skipped has no fold, but its file has the columns of the others
    nothing = [Scored("", [], np.empty((1, 0, len(job.classes)), np.float32))]
    parts = []
    for item in done or nothing:
        epochs, _, classes = item.scores.shape
        rows = table.iloc[list(item.rows)][["dataset", "subject", "clip", "onset", "label"]]
        part = pd.concat([rows] * epochs, ignore_index=True)
        part.insert(0, "fold", item.fold)
        part["epoch"] = np.repeat(np.arange(1, epochs + 1), len(rows))
        losses = np.asarray(item.losses if len(item.losses) else [np.nan] * epochs, np.float32)
        part["training_loss"] = np.repeat(losses, len(rows))
        part[[f"p{c}" for c in range(classes)]] = item.scores.reshape(-1, classes)
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    for name in ("method", "run", "protocol"):
        frame.insert(0, name, getattr(job, name))
    frame.insert(3, "seed", job.seed)
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    arrow = arrow.replace_schema_metadata({b"apexbench": json.dumps(record, sort_keys=True).encode()})
    with sealed(output) as part:
        pq.write_table(arrow, part, compression="zstd")
