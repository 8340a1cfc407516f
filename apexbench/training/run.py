"""A training job: the folds of one range of one run, each on its own seed, resumed where a killed job stopped."""

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from apexbench.config.model import digest
from apexbench.errors import InputError, StoreError
from apexbench.methods import Method, find
from apexbench.methods.base import Fold, Inputs
from apexbench.protocols import inner_splits, read_protocol, splits
from apexbench.store.checksums import file_hash
from apexbench.store.packs import pack_hash
from apexbench.store.tensors import Tensors, read_tensors, write_tensors
from apexbench.taken_over import before, forget, put_back
from apexbench.training.clips import Rows, presence_of
from apexbench.training.memory import peak_mb, with_less_memory
from apexbench.training.record import Job, Scored, as_it_is, device_facts, record_of, write_predictions
from apexbench.training.seeds import stream
from apexbench.weights import read_seen, read_state, read_states, seen_by


def train_fold(
    method: Method,
    train: Inputs,
    labels: np.ndarray,
    test: Inputs,
    seed: int,
    device: str = "cpu",
    weights: Mapping[str, Mapping] | None = None,
    micro_batches: int = 1,
) -> np.ndarray:
    """Train one fold and return the scores of its test clips, (epochs, N, C) float32.

    `labels` are classes (N,), or the classes' presence (N, C) where a clip may have several: scores are then
    probabilities of presence.

    Raises RuntimeError if a score is not finite: a diverged training must not enter a table.
    """
    fold = Fold(seed, device, weights or {}, micro_batches)
    several = labels.ndim == 2
    run = method.one_by_one if several and not method.multilabel else method.scores
    scores = run(train, labels, test, fold)
    if not np.isfinite(scores).all():
        raise RuntimeError("the training diverged: not all scores are finite numbers")
    if not several:
        return scores
    from scipy.special import expit  # a tenth of a second that most runs need not spend

    return expit(scores)


@dataclass(frozen=True)
class Task:
    """One model to train: the rows it learns from, the rows it scores, its stream of random numbers."""

    name: str
    fold: str
    train: Sequence[int]
    test: Sequence[int]
    seed: int


def fold_tasks(job: Job, table, folds: Sequence[str], inner_folds: int) -> list[Task]:
    """The models of some folds: one for each, or `inner_folds` on parts of each fold's training clips."""
    tasks = []
    left_out = splits(table)
    for fold in folds:
        if fold not in left_out:
            continue
        train, test = left_out[fold]
        axes = (job.study_seed, job.protocol, job.run, job.seed, fold)
        if not inner_folds:
            tasks.append(Task(fold, fold, train, test, stream(*axes)))
            continue
        parts = inner_splits(table, train, inner_folds, stream(*axes, "inner"))
        for number, (inner_train, validation) in enumerate(parts):
            name = f"{fold} inner {number}"
            tasks.append(Task(name, fold, inner_train, validation, stream(*axes, "inner", number)))
    return tasks


@dataclass(frozen=True)
class Opened:
    """A run, ready to train: its method (anew for each fold), its clips and their labels, (N,) or presence (N, C)."""

    make: Callable[[], Method]
    rows: Rows
    labels: np.ndarray

    @property
    def table(self) -> pd.DataFrame:
        return self.rows.table


def open_run(job: Job, protocol: str, packs: Mapping[str, Sequence[str]]) -> Opened:
    """Open a run's packs and check them, and its hyper-parameters, before anything is trained."""
    kind = find(job.method)
    params = kind.parse(dict(job.params), where=f"run {job.run!r}")
    rows = Rows(kind, read_protocol(protocol), packs, f"run {job.run!r} ({job.method})")
    labels = rows.table["label"].to_numpy()
    if job.multilabel:
        labels = presence_of(labels, len(job.classes))
    return Opened(partial(kind, len(job.classes), params), rows, labels)


def initial_weights(
    method: Method, weights: Mapping[str, str], task: str, tested: set[str], where: str
) -> dict[str, Mapping]:
    """Return {hyper-parameter: state dict} for one training, of {hyper-parameter: file}.

    Raises InputError if a pre-training has seen one of the people whom this training tests, "release:subject".
    """
    states = {}
    for name, named in method.params.weights_named().items():
        if name not in weights:
            raise InputError(
                f"{where}: no file for the weights of {name!r} ({named.kind}: {getattr(named, named.kind)})"
            )
        met = sorted((read_seen(weights[name], task) if named.pretraining else seen_by(weights[name])) & tested)
        if met:
            which = f"the pre-training {named.pretraining!r} ({weights[name]})" if named.pretraining else weights[name]
            raise InputError(
                f"{where}: {which} has seen {', '.join(met[:3])}, who are tested in {task}; name a recipe of scope "
                f"fold, or other data sets"
            )
        file = f"{where}, {name!r}"
        states[name] = read_states(weights[name], task) if named.pretraining else read_state(weights[name], file)
    return states


def taken_up(file: Path, key: str, kind: str = "fold") -> Tensors | None:
    """Return what a killed job left of a fold, if it is whole and nothing that it depends on has changed."""
    try:
        found = read_tensors(file, kind=kind)
        _ = dict(found)  # all of it, so that what is damaged is trained again
    except StoreError:
        return None
    whole = kind != "fold" or ({"scores", "losses"} <= set(found) and {"seconds", "micro_batches"} <= set(found.meta))
    return found if whole and found.meta.get("key") == key else None


def file_of(task: str) -> str:
    return f"{task.replace(':', '-').replace(' ', '-')}.safetensors"


def run_folds(
    job: Job,
    protocol: str,
    packs: Mapping[str, Sequence[str]],
    folds: Sequence[str],
    output: str,
    device: str = "cpu",
    inner_folds: int = 0,
    weights: Mapping[str, str] | None = None,
    people_of: Mapping[str, str] | None = None,
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
    weights : {hyper-parameter: file} of what is not initialised at random.
    people_of : {data set: the release whose people it shows}, by which pre-trainings know whom they saw.

    Every finished fold is kept in `<output>.folds/` until the output is whole, and taken up again by a later try if
    nothing that it depends on has changed. An output that was put aside, made of the same, is put back.
    """
    opened, weights = open_run(job, protocol, packs), weights or {}
    tasks = fold_tasks(job, opened.table, folds, inner_folds)
    reads = sorted(opened.make().reads)
    data = {"protocol": file_hash(protocol), **{role: [pack_hash(path) for path in packs[role]] for role in reads}}
    data["weights"] = {name: file_hash(path) for name, path in weights.items()}
    key = digest({**asdict(job), "data": data, "inner_folds": inner_folds})
    whole = digest([key, list(folds)])
    kept = Path(f"{output}.folds")
    if as_it_is(before(output), whole):
        put_back(output)
        logging.info("%s is taken over: nothing that it is made of has changed", output)
        shutil.rmtree(kept, ignore_errors=True)  # of a job that was killed when it had written its output
        return
    done, seconds, peak, parts = [], 0.0, 0, {}
    bar = tqdm(tasks, desc=f"{job.protocol} {job.run} seed {job.seed}", unit="fold", mininterval=1.0)
    for task in bar:
        file = kept / file_of(task.name)
        found = taken_up(file, key)
        if found is not None:
            done.append(Scored(task.fold, task.test, found["scores"], found["losses"]))
            seconds, peak = seconds + found.meta["seconds"], max(peak, found.meta["peak_mb"])
            parts |= found.meta["micro_batches"]
            continue
        start = time.perf_counter()
        logging.info("%s %s seed %d: fold %s", job.protocol, job.run, job.seed, task.name)
        try:
            train = partial(_train, opened, job, task, device, weights, people_of)
            (scores, losses), count = with_less_memory(train, f"fold {task.name}")
        except Exception as error:
            error.add_note(f"in {job.protocol}, run {job.run}, seed {job.seed}, fold {task.name}")
            raise
        spent, most, cut = time.perf_counter() - start, peak_mb(device), {task.name: count} if count > 1 else {}
        meta = {"kind": "fold", "key": key, "fold": task.name, "seconds": spent, "peak_mb": most, "micro_batches": cut}
        write_tensors(file, {"scores": scores, "losses": losses}, meta)
        done.append(Scored(task.fold, task.test, scores, losses))
        seconds, peak, parts = seconds + spent, max(peak, most), parts | cut
    counted = len({task.fold for task in tasks})
    params = opened.make().params.model_dump(mode="json")
    spent = {"seconds": seconds, "peak_mb": peak, "micro_batches": parts}
    record = record_of(job, counted, inner_folds, params, {**device_facts(device), **spent, "made_of": whole})
    write_predictions(job, opened.table, done, record, output)
    forget(output)
    shutil.rmtree(kept, ignore_errors=True)


def _train(
    opened: Opened,
    job: Job,
    task: Task,
    device: str,
    weights: Mapping,
    people_of: Mapping | None,
    micro_batches: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Train one model, for its scores and losses; the rows of its clips are read for it, and forgotten with it."""
    method, rows = opened.make(), opened.rows
    tested = rows.people(task.test, people_of)
    states = initial_weights(method, weights, task.name, tested, f"run {job.run!r}")
    train, test = rows.inputs(task.train), rows.inputs(task.test)
    labels = opened.labels[task.train]
    scores = train_fold(method, train, labels, test, task.seed, device, states, micro_batches)
    return scores, np.asarray(method.losses, np.float32)
