"""A training job: the folds of one range of one run, each on its own seed, resumed where a killed job stopped."""

import hashlib
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from apexbench.config import digest
from apexbench.errors import InputError
from apexbench.methods import Deep, Method, find
from apexbench.methods.base import Inputs
from apexbench.pretrained import is_file
from apexbench.protocols import inner_splits, read_protocol, splits
from apexbench.store import Pack, StoreError, read_pack, read_tensors, write_tensors
from apexbench.training.loop import train_deep
from apexbench.training.record import Scored, device_name, record_of, write_predictions
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
    multilabel: bool = False


def _file_hash(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _join(paths: Sequence[str]) -> Pack:
    packs = [read_pack(path) for path in paths]
    ids = tuple(name for pack in packs for name in pack.ids)
    return Pack(ids, np.concatenate([pack.x for pack in packs]) if len(packs) > 1 else packs[0].x, packs[0].meta)


def train_fold(
    method: Method, train: Inputs, labels: np.ndarray, test: Inputs, seed: int, device: str = "cpu"
) -> np.ndarray:
    """Train one fold and return the scores of its test clips, (epochs, N, C) float32.

    `labels` are classes (N,), or the classes' presence (N, C) where a clip may have several: then a deep method trains
    all at once, any other one class after the other (binary relevance), and scores are probabilities of presence.

    Raises RuntimeError if a score is not finite: a diverged training must not enter a table.
    """
    if isinstance(method, Deep):
        scores = train_deep(method, train, labels, test, seed, device)
    elif labels.ndim == 1:
        scores = method.scores(train, labels, test, np.random.default_rng(seed))
    else:
        one = type(method)(2, method.params)
        parts = [one.scores(train, column, test, np.random.default_rng((seed, c))) for c, column in enumerate(labels.T)]
        scores = np.stack([part[..., 1] - part[..., 0] for part in parts], axis=-1)
    if not np.isfinite(scores).all():
        raise RuntimeError("the training diverged: not all scores are finite numbers")
    if labels.ndim == 1:
        return scores
    from scipy.special import expit  # a tenth of a second that most runs need not spend

    return expit(scores)


@dataclass(frozen=True)
class _Task:
    """One model to train: the rows it learns from, the rows it scores, its stream of random numbers."""

    name: str
    fold: str
    train: Sequence[int]
    test: Sequence[int]
    seed: int


def _tasks(job: Job, table, folds: Sequence[str], inner_folds: int) -> list[_Task]:
    """The models of some folds: one for each, or `inner_folds` on parts of each fold's training clips."""
    tasks = []
    left_out = splits(table)
    for fold in folds:
        if fold not in left_out:
            continue
        train, test = left_out[fold]
        axes = (job.study_seed, job.protocol, job.run, job.seed, fold)
        if not inner_folds:
            tasks.append(_Task(fold, fold, train, test, stream(*axes)))
            continue
        parts = inner_splits(table, train, inner_folds, stream(*axes, "inner"))
        for number, (inner_train, validation) in enumerate(parts):
            name = f"{fold} inner {number}"
            tasks.append(_Task(name, fold, inner_train, validation, stream(*axes, "inner", number)))
    return tasks


def _presence(labels: np.ndarray, classes: int) -> np.ndarray:
    """Sums of 2**c as (N, C) 0 or 1."""
    return (labels[:, None] >> np.arange(classes)) % 2


def read_clips(
    job: Job, protocol: str, packs: Mapping[str, Sequence[str]]
) -> tuple[Method, pd.DataFrame, Inputs, np.ndarray]:
    """Return a run's method, the protocol's clips that all its packs hold, their rows of the packs, and their labels.

    Labels are classes (N,), or presence (N, C) where a clip may have several.
    """
    kind = find(job.method)
    method = kind(len(job.classes), kind.parse(dict(job.params), where=f"run {job.run!r}"))
    missing = [role for role in kind.reads if role not in packs]
    if missing:
        raise InputError(f"run {job.run!r}: its inputs have no {missing[0]!r}, which {job.method} reads")
    table = read_protocol(protocol)
    joined = {role: _join(paths) for role, paths in packs.items() if role in kind.reads}
    for role, pack in joined.items():
        lost = set(table["id"]) - set(pack.ids)
        if lost:
            logging.warning("%d clip(s) of the protocol are not in the pack %r: %s", len(lost), role, sorted(lost))
            table = table[~table["id"].isin(lost)].reset_index(drop=True)
    labels = table["label"].to_numpy()
    if job.multilabel:
        labels = _presence(labels, len(job.classes))
    inputs: Inputs = {role: pack.x[pack.rows(table["id"])] for role, pack in joined.items()}
    inputs["id"] = table["id"].to_numpy(dtype=object)
    return method, table, inputs, labels


def run_folds(
    job: Job,
    protocol: str,
    packs: Mapping[str, Sequence[str]],
    folds: Sequence[str],
    output: str,
    device: str = "cpu",
    inner_folds: int = 0,
) -> None:
    """Train the named folds of a run and write their predictions, one row for each clip and epoch.

    Parameters
    ----------
    protocol : protocol table, CSV.
    packs : {role: pack files, one for each data set}.
    folds : fold names; one without clips in the table is passed over.
    output : parquet file, columns as in docs/design; the record of the job is its schema metadata `apexbench`.
    inner_folds : 0 tests each fold. From 2 up nothing is tested: the training subjects of each fold are split into so
        many parts, each part is predicted by a model trained on the others, and `fold` is the fold they belong to.

    Every finished fold is kept in `<output>.folds/` until the output is whole, and taken up again by a later try if
    nothing that it depends on has changed.
    """
    method, table, inputs, labels = read_clips(job, protocol, packs)
    tasks = _tasks(job, table, folds, inner_folds)
    data = {"protocol": _file_hash(protocol), **{r: [_file_hash(p) for p in packs[r]] for r in sorted(method.reads)}}
    weights = [getattr(method.params, name) for name in method.pretrained] if isinstance(method, Deep) else []
    data["weights"] = [_file_hash(path) for path in weights if is_file(path)]
    key = digest({**asdict(job), "data": data, "inner_folds": inner_folds})
    kept = Path(f"{output}.folds")
    done, seconds = [], 0.0
    bar = tqdm(tasks, desc=f"{job.protocol} {job.run} seed {job.seed}", unit="fold", mininterval=1.0)
    for task in bar:
        file = kept / f"{task.name.replace(':', '-').replace(' ', '-')}.safetensors"
        try:
            found = read_tensors(file, kind="fold")
            if found.meta["key"] == key:
                done.append(Scored(task.fold, task.test, found["scores"]))
                seconds += found.meta["seconds"]
                continue
        except StoreError:
            pass  # not there, or cut short: trained anew
        start = time.perf_counter()
        try:
            scores = train_fold(
                method,
                {name: x[task.train] for name, x in inputs.items()},
                labels[task.train],
                {name: x[task.test] for name, x in inputs.items()},
                task.seed,
                device,
            )
        except Exception as error:
            error.add_note(f"in {job.protocol}, run {job.run}, seed {job.seed}, fold {task.name}")
            raise
        spent = time.perf_counter() - start
        write_tensors(file, {"scores": scores}, {"kind": "fold", "key": key, "fold": task.name, "seconds": spent})
        done.append(Scored(task.fold, task.test, scores))
        seconds += spent
    counted = len({task.fold for task in tasks})
    record = record_of(job, counted, seconds, device_name(device), inner_folds, method.params.model_dump(mode="json"))
    write_predictions(job, table, done, record, output)
    shutil.rmtree(kept, ignore_errors=True)
