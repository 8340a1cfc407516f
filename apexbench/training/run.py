"""A training job: the folds of one range of one run, each on its own seed, resumed where a killed job stopped."""

import hashlib
import json
import logging
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from tqdm import tqdm

from apexbench.config import digest
from apexbench.errors import InputError
from apexbench.methods import Deep, Method, find
from apexbench.methods.base import Inputs
from apexbench.protocols import loso, read_protocol
from apexbench.store import Pack, StoreError, atomic, read_pack, read_tensors, write_tensors
from apexbench.training.loop import train_deep
from apexbench.training.seeds import stream


@dataclass(frozen=True)
class Job:
    """What is trained: everything that the predictions depend on, but the data and the code."""

    study: str
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


def _file_hash(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _join(paths: Sequence[str]) -> Pack:
    packs = [read_pack(path) for path in paths]
    ids = tuple(name for pack in packs for name in pack.ids)
    return Pack(ids, np.concatenate([pack.x for pack in packs]) if len(packs) > 1 else packs[0].x, packs[0].meta)


def train_fold(method: Method, train: Inputs, labels: np.ndarray, test: Inputs, seed: int, device: str) -> np.ndarray:
    """Train one fold and return the scores of its test clips, (epochs, N, C) float32.

    Raises RuntimeError if a score is not finite: a diverged training must not enter a table.
    """
    if isinstance(method, Deep):
        scores = train_deep(method, train, labels, test, seed, device)
    else:
        scores = method.scores(train, labels, test, np.random.default_rng(seed))
    if not np.isfinite(scores).all():
        raise RuntimeError("the training diverged: not all scores are finite numbers")
    return scores


def run_folds(
    job: Job,
    protocol: str,
    packs: Mapping[str, Sequence[str]],
    folds: Sequence[str],
    output: str,
    device: str = "cpu",
) -> None:
    """Train the named folds of a run and write their predictions, one row for each clip and epoch.

    Parameters
    ----------
    protocol : protocol table, CSV.
    packs : {role: pack files, one for each data set}.
    folds : fold names; one without clips in the table is passed over.
    output : parquet file, columns as in docs/design; the record of the job is its schema metadata `apexbench`.

    Every finished fold is kept in `<output>.folds/` until the output is whole, and taken up again by a later try if
    nothing that it depends on has changed.
    """
    kind = find(job.method)
    method = kind(len(job.classes), kind.parse(dict(job.params), where=f"config/methods/{job.run}.yaml"))
    missing = [role for role in kind.reads if role not in packs]
    if missing:
        raise InputError(f"config/methods/{job.run}.yaml: inputs has no {missing[0]!r}, which {job.method} reads")
    table = read_protocol(protocol)
    joined = {role: _join(paths) for role, paths in packs.items() if role in kind.reads}
    for role, pack in joined.items():
        lost = set(table["id"]) - set(pack.ids)
        if lost:
            logging.warning("%d clip(s) of the protocol are not in the pack %r: %s", len(lost), role, sorted(lost))
            table = table[~table["id"].isin(lost)].reset_index(drop=True)
    labels = table["label"].to_numpy()
    inputs: Inputs = {role: pack.x[pack.rows(table["id"])] for role, pack in joined.items()}
    inputs["id"] = table["id"].to_numpy(dtype=object)
    splits = loso(table)
    wanted = [fold for fold in folds if fold in splits]
    data = {"protocol": _file_hash(protocol), **{r: [_file_hash(p) for p in packs[r]] for r in sorted(joined)}}
    key = digest({**asdict(job), "data": data})
    kept = Path(f"{output}.folds")
    done, seconds = {}, 0.0
    bar = tqdm(wanted, desc=f"{job.protocol} {job.run} seed {job.seed}", unit="fold", mininterval=1.0)
    for fold in bar:
        file = kept / f"{fold.replace(':', '-')}.safetensors"
        try:
            found = read_tensors(file, kind="fold")
            if found.meta["key"] == key:
                done[fold], seconds = found["scores"], seconds + found.meta["seconds"]
                continue
        except StoreError:
            pass  # not there, or cut short: trained anew
        inside, outside = splits[fold]
        start = time.perf_counter()
        try:
            scores = train_fold(
                method,
                {name: x[inside] for name, x in inputs.items()},
                labels[inside],
                {name: x[outside] for name, x in inputs.items()},
                stream(job.study_seed, job.protocol, job.run, job.seed, fold),
                device,
            )
        except Exception as error:
            error.add_note(f"in {job.protocol}, run {job.run}, seed {job.seed}, fold {fold}")
            raise
        spent = time.perf_counter() - start
        write_tensors(file, {"scores": scores}, {"kind": "fold", "key": key, "fold": fold, "seconds": spent})
        done[fold], seconds = scores, seconds + spent
    record = {
        "classes": list(job.classes),
        "data_source": job.data_source,
        "budget": job.budget,
        "config_hash": digest({k: v for k, v in asdict(job).items() if k not in ("seed", "code")}),
        "code_hash": job.code,
        "versions": {
            "python": platform.python_version(),
            **{n: version(n) for n in ("numpy", "scikit-learn", "torch")},
        },
        "device": _device_name(device),
        "seconds": seconds,
        "folds": len(wanted),
    }
    _write_predictions(job, table, splits, done, record, output)
    shutil.rmtree(kept, ignore_errors=True)


def _device_name(device: str) -> str:
    if device == "cpu":
        return "cpu"
    import torch

    return torch.cuda.get_device_name()


def _write_predictions(job: Job, table, splits, done: Mapping[str, np.ndarray], record: dict, output: str) -> None:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = []
    # a range whose clips were all skipped has no fold, but its file has the columns of the others
    for fold, scores in done.items() or [("", np.empty((1, 0, len(job.classes)), np.float32))]:
        rows = table.iloc[splits[fold][1] if fold else []]
        epochs, clips, classes = scores.shape
        part = pd.concat([rows[["dataset", "subject", "clip", "onset", "label"]]] * epochs, ignore_index=True)
        part.insert(0, "fold", fold)
        part["epoch"] = np.repeat(np.arange(1, epochs + 1), clips)
        part[[f"p{c}" for c in range(classes)]] = scores.reshape(-1, classes)
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    for name in ("method", "run", "protocol", "study"):
        frame.insert(0, name, getattr(job, name))
    frame.insert(4, "seed", job.seed)
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    arrow = arrow.replace_schema_metadata({b"apexbench": json.dumps(record, sort_keys=True).encode()})
    with atomic(output) as part:
        pq.write_table(arrow, part, compression="zstd")
