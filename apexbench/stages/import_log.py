"""Predictions that were made elsewhere, in any format that `apexbench score` reads -> a run like any other."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from apexbench.errors import InputError
from apexbench.evaluation.conventions import score_columns
from apexbench.evaluation.megc_log import official_key
from apexbench.protocols import read_protocol, splits
from apexbench.score.predictions import Predictions, among, places_among, subject_name
from apexbench.score.reading import read
from apexbench.training.record import Job, Scored, record_of, write_predictions

Key = tuple[str, int, str, int]
_NAMED = 10  # clips of the file that are named where the protocol has none of them


def import_log(*, job: Mapping, log: str, protocol: str, folds: Sequence[str], output: str) -> None:
    """Write the predictions of a file for the clips of the named folds.

    `params` of the job may have `classes`, their names in the order of the file's numbers, and `seed`, where the file
    holds several. Clips that the file lacks are left out and named in the job's log: the run's scores are then
    `partial`. Clips that the protocol has not are counted there.

    Raises InputError if the file's label of a clip is not the protocol's, or is not one of its classes; if rows do not
    say whose clip they are, of a video with several expressions by its onset; or if a clip stands twice, or lacks an
    epoch that others of its fold have.
    """
    job = Job(**job)
    table = read_protocol(protocol)
    keys, several = _ours(table)
    scores = _scores(log, job, table, dict(zip(keys, table.itertuples(), strict=True)), several)
    done, missing = [], []
    every = sorted({epoch for its in scores.values() for epoch in its})
    left_out = splits(table)
    for fold in folds:
        rows = []
        for row in left_out[fold][1] if fold in left_out else ():
            (rows if keys[row] in scores else missing).append(row)
        if rows:
            found = [scores[keys[row]] for row in rows]
            epochs = sorted({epoch for its in found for epoch in its})
            short = next((row for row, its in zip(rows, found, strict=True) if len(its) < len(epochs)), None)
            if short is not None:
                raise InputError(f"{log}: clip {table['id'][short]} lacks epochs that others of its fold have")
            if epochs != every[: len(epochs)]:  # predictions number them from 1, and a rule picks one for all folds
                raise InputError(
                    f"{log}: fold {fold} has other epochs than {_listed(every[: len(epochs)])}, the file's first; "
                    f"number them alike in all folds, from the first on"
                )
            done.append(Scored(fold, rows, np.stack([[its[epoch] for its in found] for epoch in epochs])))
    if missing:
        named = ", ".join(table["id"][row] for row in missing)
        logging.warning("%s has no prediction for %d clip(s): %s", log, len(missing), named)
    write_predictions(job, table, done, record_of(job, len(done)), output)


def _listed(epochs: Sequence[int]) -> str:
    return ", ".join(map(str, epochs[:3])) + (" ..." if len(epochs) > 3 else "")


def _ours(table: pd.DataFrame) -> tuple[list[Key], set[tuple[str, int, str]]]:
    """Return the key of each clip of a protocol, and of which videos it has several: only these are told by onset."""
    videos = list(map(official_key, table["dataset"], table["subject"], table["clip"]))
    several = {video for video, count in Counter(videos).items() if count > 1}
    return _with_onsets(videos, table["onset"], several), several


def _with_onsets(videos: Sequence, onsets: Sequence[int], several: set) -> list:
    return [
        video and (*video, int(onset) if video in several else 0) for video, onset in zip(videos, onsets, strict=True)
    ]


def _scores(
    log: str, job: Job, table: pd.DataFrame, rows: Mapping[Key, NamedTuple], several: set[tuple[str, int, str]]
) -> dict[Key, dict[int, np.ndarray]]:
    """{clip: {epoch: its scores, in the order of the protocol's classes}} of those of a file that the protocol has."""
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
    videos = _videos(frame)
    unclear = next((video for video in videos if video in several), None)
    if unclear and "onset" not in found.has:
        raise InputError(
            f"{log}: {job.protocol} has several expressions of {unclear[0]} subject {unclear[1]} in {unclear[2]}; "
            f"expected a column 'onset' that tells which"
        )
    keys = _with_onsets(videos, frame["onset"], several)
    scores: dict[Key, dict[int, np.ndarray]] = {}
    surplus: dict[str, None] = {}
    ours = among(frame[score_columns(frame)].to_numpy(), order, len(job.classes), np.float32)
    facts = zip(keys, frame["epoch"], frame["label"], frame["line"], ours, strict=True)
    for number, (key, epoch, code, line, its) in enumerate(facts):
        if key not in rows:
            clip = frame.iloc[number]
            surplus[f"{clip['dataset']}/{clip['subject']}/{clip['clip']}/{clip['onset']}"] = None
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
    if surplus:
        shown = ", ".join([*surplus][:_NAMED]) + (", ..." if len(surplus) > _NAMED else "")
        logging.warning("%s has %d clip(s) that %s has not: %s", log, len(surplus), job.protocol, shown)
    return scores


def _with_dataset(found: Predictions, datasets: Sequence[str], log: str) -> pd.DataFrame:
    """The rows of a file, of the one data set that there is where it names none."""
    lacks = [name for name in ("dataset", "subject", "clip") if name not in found.has]
    if lacks == ["dataset"] and len(datasets) == 1:
        return found.frame.assign(dataset=datasets[0], subject=found.frame["subject"].map(subject_name))
    if lacks:
        raise InputError(f"{log}: {found.taken_for}, no column {lacks[0]!r}; each row needs data set, subject and clip")
    return found.frame


def _videos(frame: pd.DataFrame) -> list[tuple[str, int, str] | None]:
    """Whose clip each row is; None where the subject is no number."""
    rows = zip(frame["dataset"].str.lower(), frame["subject"], frame["clip"], strict=True)
    return [official_key(dataset, int(who), clip) if who.isdecimal() else None for dataset, who, clip in rows]


def _order(theirs: Sequence[str], ours: Sequence[str], log: str) -> np.ndarray:
    """The place of each class of a file among the protocol's; InputError for one that it has not."""
    places = places_among(theirs, ours)
    if None in places:
        raise InputError(
            f"{log}: class {theirs[places.index(None)]!r}; expected {', '.join(ours)}, or their numbers from 0"
        )
    return np.array(places)
