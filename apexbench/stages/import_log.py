"""Predictions that were made elsewhere, in any format that `apexbench score` reads -> a run like any other."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from apexbench.errors import InputError
from apexbench.evaluation.conventions import score_columns
from apexbench.evaluation.megc_log import official_key
from apexbench.protocols import read_protocol, splits
from apexbench.score.predictions import Predictions
from apexbench.score.reading import read
from apexbench.training.record import Job, Scored, record_of, write_predictions

Key = tuple[str, int, str]


def import_log(*, job: Mapping, log: str, protocol: str, folds: Sequence[str], output: str) -> None:
    """Write the predictions of a file for the clips of the named folds.

    `params` of the job may have `classes`, their names in the order of the file's numbers, and `seed`, where the file
    holds several. Clips that the file lacks are left out and named in the job's log: the run's scores are then
    `partial`.

    Raises InputError if the file's label of a clip is not the protocol's, or is not one of its classes; if rows do not
    say whose clip they are; or if a clip stands twice, or lacks an epoch that others of its fold have.
    """
    job = Job(**job)
    table = read_protocol(protocol)
    scores = _scores(log, job, table)
    keys = list(map(official_key, table["dataset"], table["subject"], table["clip"]))
    done, missing = [], []
    left_out = splits(table)
    for fold in folds:
        rows = []
        for row in left_out[fold][1] if fold in left_out else ():
            (rows if keys[row] in scores else missing).append(row)
        if rows:
            found = [scores[keys[row]] for row in rows]
            longest = max(map(len, found))
            short = next((row for row, its in zip(rows, found, strict=True) if len(its) < longest), None)
            if short is not None:
                raise InputError(f"{log}: clip {table['id'][short]} lacks epochs that others of its fold have")
            done.append(Scored(fold, rows, np.stack(found, axis=1)))
    if missing:
        named = ", ".join(table["id"][row] for row in missing)
        logging.warning("%s has no prediction for %d clip(s): %s", log, len(missing), named)
    write_predictions(job, table, done, record_of(job, len(done)), output)


def _scores(log: str, job: Job, table: pd.DataFrame) -> dict[Key, np.ndarray]:
    """{clip: its scores (epochs, classes), in the order of the protocol's classes} of those of a file that it has."""
    if job.multilabel:
        raise InputError(f"{log}: {job.protocol} has several labels a clip, and files of predictions have one")
    systems = read(Path(log), job.params.get("classes", ()), job.params.get("seed"))
    if len(systems) > 1:
        raise InputError(f"{log}: {len(systems)} sheets; give one, with a row for each clip")
    ((found, named),) = systems
    if named and named != job.protocol:
        raise InputError(f"{log}: predictions of protocol {named!r}; expected {job.protocol!r}")
    frame = _with_dataset(found, sorted(set(table["dataset"])), log)
    order = _order(found.classes, job.classes, log)
    keys = _keys(frame)
    rows = {official_key(row.dataset, row.subject, row.clip): row for row in table.itertuples()}
    scores: dict[Key, dict[int, np.ndarray]] = {}
    values = frame[score_columns(frame)].to_numpy(np.float32)
    ours = np.empty((len(frame), len(job.classes)), np.float32)
    ours[:] = values.min(axis=1, keepdims=True) - 1  # a class that the file does not know is never its prediction
    ours[:, order] = values
    facts = zip(keys, frame["epoch"], frame["label"], frame["line"], ours, strict=True)
    for key, epoch, code, line, its in facts:
        if key not in rows:
            continue
        row = rows[key]
        if order[code] != row.label:
            raise InputError(
                f"{log}: clip {row.clip} of {row.dataset} subject {row.subject} has the label {order[code]}; "
                f"{job.protocol} has {row.label} ({job.classes[row.label]})"
            )
        of_clip = scores.setdefault(key, {})
        if epoch in of_clip:
            raise InputError(f"{log}{f', line {line}' * bool(line)}: clip {row.id} stands twice; keep one of them")
        of_clip[epoch] = its
    return {key: np.stack([its[epoch] for epoch in sorted(its)]) for key, its in scores.items()}


def _with_dataset(found: Predictions, datasets: Sequence[str], log: str) -> pd.DataFrame:
    """The rows of a file, of the one data set that there is where it names none."""
    lacks = [name for name in ("dataset", "subject", "clip") if name not in found.has]
    if lacks == ["dataset"] and len(datasets) == 1:
        return found.frame.assign(dataset=datasets[0])
    if lacks:
        raise InputError(f"{log}: {found.taken_for}, no column {lacks[0]!r}; each row needs data set, subject and clip")
    return found.frame


def _keys(frame: pd.DataFrame) -> list[Key | None]:
    """Whose clip each row is; None where the subject is no number."""
    rows = zip(frame["dataset"].str.lower(), frame["subject"], frame["clip"], strict=True)
    return [official_key(dataset, int(who), clip) if who.isdecimal() else None for dataset, who, clip in rows]


def _order(theirs: Sequence[str], ours: Sequence[str], log: str) -> np.ndarray:
    """The place of each class of a file among the protocol's, by name, or by number where the file has numbers."""
    if all(name.isdecimal() for name in theirs):
        known = {str(code): code for code in range(len(ours))}
    else:
        known = {name.lower(): code for code, name in enumerate(ours)}
    for name in theirs:
        if name.lower() not in known:
            raise InputError(f"{log}: class {name!r}; expected {', '.join(ours)}, or their numbers from 0")
    return np.array([known[name.lower()] for name in theirs])
