"""Predictions files, read and checked."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

from apexbench.errors import InputError
from apexbench.evaluation.conventions import score_columns
from apexbench.evaluation.selection import CLIP
from apexbench.store.checksums import check_seal
from apexbench.store.parquet import read_columns

PREDICTIONS = ["protocol", "run", "method", "seed", "fold", *CLIP, "label", "epoch"]
META = ("classes", "data_source", "config_hash", "code_hash", "device", "seconds", "budget")
RERUN = "delete the file and rerun its training"
_ONE = ["protocol", "run", "seed"]


def _read_one(path: Path, more: tuple[str, ...]) -> tuple[pd.DataFrame, dict]:
    check_seal(path)
    try:
        if path.exists() and not path.is_file():
            raise ValueError("a folder or a pipe")
        schema = pyarrow.parquet.read_schema(path)
        meta = json.loads((schema.metadata or {})[b"apexbench"])
        if not isinstance(meta, dict):
            raise ValueError("its record has no keys")
        absent = [key for key in META if key not in meta]
        meta = {"multilabel": False, "folds": 0, **meta}
        if not isinstance(meta.get("classes", []), list):
            raise InputError(f"{path}: 'classes' in its record are no list; {RERUN}")
        wanted = [*PREDICTIONS, *more, *(f"p{number}" for number in range(len(meta.get("classes", ()))))]
        missing = [column for column in wanted if column not in schema.names]
        if missing or absent:
            raise InputError(f"{path}: misses {', '.join(missing + absent)}; {RERUN}")
        frame = read_columns(path, wanted).replace_schema_metadata(None).to_pandas()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; rerun its training") from None
    except (KeyError, ValueError, TypeError, OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path}: damaged, or not a predictions file ({error}); {RERUN}") from None
    for column in frame.select_dtypes("category"):
        if frame[column].isna().any():
            raise InputError(f"{path}: column {column!r}: a row without a value; {RERUN}")
        frame[column] = frame[column].astype(str)
    numbers = [*score_columns(frame), *more, "label", "epoch", "seed"]
    texts = [column for column in numbers if frame[column].dtype.kind not in "biuf"]
    if texts:
        raise InputError(f"{path}: column {texts[0]!r}: expected numbers; {RERUN}")
    scores = frame[score_columns(frame)].to_numpy()
    lost = not len(frame) and meta["folds"] > 0  # a range of folds may have no clips, where faces were skipped
    highest = 2 ** len(meta["classes"]) - 1 if meta["multilabel"] else len(meta["classes"]) - 1
    if lost or not np.isfinite(scores).all() or not frame["label"].between(0, highest).all():
        raise InputError(f"{path}: no rows, scores that are not numbers (did it diverge?), or unknown labels; {RERUN}")
    return frame, meta


def read_predictions(
    paths: Iterable[str | os.PathLike], inner: bool = False, losses: bool = False
) -> tuple[pd.DataFrame, list[dict]]:
    """Read predictions files; return all rows, and the metadata of each file with its `path`.

    inner : the files hold inner predictions, where a clip validates many folds.
    losses : return the column training_loss, too.

    Raises InputError, naming the file, if columns are missing, if the class lists differ, if files of one run come from
    different configurations or code, if a clip is predicted twice, or if a clip lacks epochs that its fold has.
    """
    paths = [Path(path) for path in paths]
    if not paths:
        raise InputError("no predictions files were given")
    frames, metas, first = [], [], {}
    for number, path in enumerate(paths):
        frame, meta = _read_one(path, ("training_loss",) if losses else ())
        for key in ("classes", "multilabel"):
            if metas and meta[key] != metas[0][key]:
                raise InputError(
                    f"{path}: {key} are {meta[key]}, but {paths[0]} has {metas[0][key]}; "
                    f"score the runs of one protocol together"
                )
        for run in frame["run"].unique():
            origin = (meta["config_hash"], meta["code_hash"])
            other, there = first.setdefault(run, (path, origin))
            if origin != there:
                raise InputError(f"{path}: other configuration or code than {other}; delete the older and rerun")
        frames.append(frame.assign(_file=number))
        metas.append({**meta, "path": path})
    frame = pd.concat(frames, ignore_index=True)
    if frame.empty:
        raise InputError(f"{paths[0]}: no predictions at all; {RERUN}")
    _check_once(frame, paths, [*_ONE, "fold"] if inner else _ONE)
    if not inner:
        _check_whole(frame, paths)
    return frame.drop(columns="_file"), metas


def _check_once(frame: pd.DataFrame, paths: list[Path], one: list[str]) -> None:
    twice = frame.duplicated([*one, *CLIP, "epoch"], keep=False)
    if twice.any():
        row = frame[twice].iloc[0]
        same = frame[twice & (frame[[*one, *CLIP, "epoch"]] == row[[*one, *CLIP, "epoch"]]).all(axis=1)]
        files = " and ".join(str(paths[number]) for number in sorted(same["_file"].unique()))
        raise InputError(f"{files}: clip {'/'.join(map(str, row[CLIP]))} is predicted twice; keep one file per fold")


def _check_whole(frame: pd.DataFrame, paths: list[Path]) -> None:
    # as many epochs are not the same: a clip without the epoch that a rule picks would be left out unseen
    every = frame.groupby([*_ONE, "fold"])["epoch"].transform("nunique")
    counts = (
        frame.assign(every=every)
        .groupby([*_ONE, *CLIP])[["epoch", "every", "fold", "label"]]
        .agg({"epoch": "size", "every": "max", "fold": "nunique", "label": "nunique"})
    )
    counts.columns = ["epochs", "every", "folds", "labels"]
    broken = counts[(counts["folds"] > 1) | (counts["labels"] > 1) | (counts["epochs"] != counts["every"])]
    if len(broken):
        where = frame.set_index([*_ONE, *CLIP])["_file"].xs(broken.index[0])
        file = paths[int(np.min(where))]
        clip = "/".join(map(str, broken.index[0][len(_ONE) :]))
        raise InputError(f"{file}: clip {clip} has not one fold, one label and every epoch of its fold; {RERUN}")
