"""A log of predictions in the submission format of MEGC2019 -> a run like any other."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from apexbench.errors import InputError
from apexbench.evaluation.megc_log import official_key, read_log
from apexbench.protocols import read_protocol, splits
from apexbench.training.record import Job, Scored, record_of, write_predictions


def import_log(*, job: Mapping, log: str, protocol: str, folds: Sequence[str], output: str) -> None:
    """Write the predictions of a log in the submission format of MEGC2019, for the clips of the named folds.

    Clips that the log lacks are left out and named in the job's log: the run's scores are then `partial`.

    Raises InputError if the log's label of a clip is not the protocol's, or is not one of its classes.
    """
    job = Job(**job)
    classes = len(job.classes)
    entries = read_log(log, classes)
    of_clip = {official_key(row.dataset, row.subject, row.clip): row for row in entries.itertuples()}
    table = read_protocol(protocol)
    keys = list(map(official_key, table["dataset"], table["subject"], table["clip"]))
    done, missing = [], []
    left_out = splits(table)
    for fold in folds:
        rows, votes = [], []
        for row in left_out[fold][1] if fold in left_out else ():
            entry = of_clip.get(keys[row])
            if entry is None:
                missing.append(table["id"][row])
                continue
            if entry.label != table["label"][row]:
                raise InputError(
                    f"{log}: clip {entry.clip} of {entry.dataset} subject {entry.subject} has the label {entry.label}; "
                    f"{job.protocol} has {table['label'][row]} ({table['class'][row]})"
                )
            rows.append(row)
            votes.append(entry.predicted)
        if rows:
            done.append(Scored(fold, rows, np.eye(classes, dtype=np.float32)[votes][None]))
    if missing:
        logging.warning("%s has no prediction for %d clip(s): %s", log, len(missing), ", ".join(missing))
    write_predictions(job, table, done, record_of(job, len(done)), output)
