"""Packs -> weights: a task trained on whole data sets, or on the training side of each fold."""

import logging
import shutil
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from apexbench.clips import clip_ids, read_index
from apexbench.config.model import digest
from apexbench.methods.base import Fold
from apexbench.methods.deep import epochs
from apexbench.methods.pretraining import find_task
from apexbench.protocols import read_protocol, splits
from apexbench.store.checksums import file_hash
from apexbench.store.packs import pack_hash
from apexbench.training.clips import Rows, presence_of
from apexbench.training.memory import with_less_memory
from apexbench.training.run import file_of, initial_weights, taken_up
from apexbench.training.seeds import stream
from apexbench.weights import EVERY, read_seen, read_states, seen_by, write_states


@dataclass(frozen=True)
class PretrainingJob:
    """What is trained: everything that the weights depend on, but the data and the code."""

    name: str
    task: str
    params: Mapping[str, Any]
    scope: str
    study_seed: int
    budget: str
    code: str
    protocol: str = ""
    classes: tuple[str, ...] = ()
    multilabel: bool = False


@dataclass(frozen=True)
class _Part:
    """One state to train: the fold that it is for, the rows it sees, and those that it must not have seen."""

    name: str
    train: Sequence[int]
    test: Sequence[int]


def pretrain(
    *,
    job: Mapping,
    packs: Mapping[str, Sequence[str]],
    output: str,
    protocol: str = "",
    folds: Sequence[str] = (),
    indexes: Sequence[str] = (),
    weights: Mapping[str, str] | None = None,
    people_of: Mapping[str, str] | None = None,
    device: str = "cpu",
) -> None:
    """Train a task and write its states, and whom each has seen: those of its own clips and of what it started from.

    Parameters
    ----------
    job : values of `PretrainingJob`.
    packs : {role: pack files, one for each data set}.
    protocol, folds : with scope fold: the protocol table, and the names of the folds to train for.
    indexes : with scope all: the index CSVs of the data sets.
    weights : {hyper-parameter: file} of what it starts from.
    people_of : {data set: the release whose people it shows}.

    What a killed job has finished is kept in `<output>.folds/` and taken up again if nothing has changed.
    """
    job, weights = PretrainingJob(**job), weights or {}
    where = f"config/recipes.yaml: pretraining {job.name!r}"
    kind = find_task(job.task)
    rows = Rows(kind, read_protocol(protocol) if job.scope == "fold" else _whole(indexes), packs, where)
    labels, classes = _labels(job, rows.table) if kind.labelled else (None, 1)
    make = partial(kind, classes, kind.parse(job.params, where))
    data = {"clips": [file_hash(path) for path in ([protocol] if protocol else indexes)]}
    data |= {role: [pack_hash(path) for path in packs[role]] for role in sorted(kind.reads)}
    data |= {"weights": {name: file_hash(path) for name, path in weights.items()}}
    key, kept = digest({**asdict(job), "data": data}), Path(f"{output}.folds")
    parts = _parts(job, rows.table, folds)
    for part in tqdm(parts, desc=f"pre-training {job.name}", unit="fold", mininterval=1.0):
        file = kept / file_of(part.name)
        if taken_up(file, key, "pretrained") is not None:
            continue
        logging.info("pre-training %s: %s", job.name, part.name)
        task = make()
        tested = rows.people(part.test, people_of)
        start = initial_weights(task, weights, part.name, tested, where)
        seed = stream(job.study_seed, "pretraining", job.name, job.protocol, part.name)
        given = None if labels is None else labels[part.train]

        def last(micro_batches, task=task, part=part, given=given, start=start, seed=seed):
            fold = Fold(seed, device, start, micro_batches)
            return deque(epochs(task, rows.inputs(part.train), given, fold), maxlen=1).pop()

        model, _ = with_less_memory(last, f"pre-training {job.name}, {part.name}")
        seen = rows.people(part.train, people_of)
        for name, named in task.params.weights_named().items():
            seen |= read_seen(weights[name], part.name) if named.pretraining else seen_by(weights[name])
        write_states(file, {part.name: task.state(model)}, {part.name: seen}, {"key": key})
    files = {part.name: kept / file_of(part.name) for part in parts}
    states = {name: read_states(file, name) for name, file in files.items()}
    write_states(output, states, {name: read_seen(file, name) for name, file in files.items()}, {"job": asdict(job)})
    shutil.rmtree(kept, ignore_errors=True)


def _whole(indexes: Sequence[str]) -> pd.DataFrame:
    frame = pd.concat([read_index(path) for path in indexes], ignore_index=True)
    return frame.assign(id=[str(clip_id) for clip_id in clip_ids(frame)])


def _parts(job: PretrainingJob, table: pd.DataFrame, folds: Sequence[str]) -> list[_Part]:
    if job.scope == "all":
        return [_Part(EVERY, list(range(len(table))), [])]
    sides = splits(table)
    return [_Part(fold, *sides[fold]) for fold in folds if fold in sides]


def _labels(job: PretrainingJob, table: pd.DataFrame) -> tuple[np.ndarray, int]:
    """The labels of a task that learns from some, and how many classes there are."""
    if job.scope == "fold":
        labels = table["label"].to_numpy()
        return (presence_of(labels, len(job.classes)) if job.multilabel else labels), len(job.classes)
    names = sorted(set(table["emotion"].str.lower()))
    return table["emotion"].str.lower().map(names.index).to_numpy(), len(names)
