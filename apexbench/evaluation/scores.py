"""Predictions files -> scores: one row per run and selection rule."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

from apexbench.errors import InputError
from apexbench.evaluation.intervals import subject_intervals
from apexbench.evaluation.metrics import METRICS, from_confusion
from apexbench.evaluation.selection import LEAKING, RULES, common_epochs, confusions, predicted, score_columns
from apexbench.store import atomic

CLIP = ["dataset", "subject", "clip", "onset"]
PREDICTIONS = ["study", "protocol", "run", "method", "seed", "fold", *CLIP, "label", "epoch"]
META = ("classes", "data_source", "config_hash", "code_hash", "device", "seconds", "budget")
RERUN = "delete the file and rerun its training"
SCORED = ("last", "fold-oracle")
INTERVALS = ("uf1", "acc", "uar", "weighted_f1")
COLUMNS = [
    "protocol", "run", "method", "rule", "status", "leaking", "seeds", "n", "expected", "k", "folds", "epochs",
    *METRICS, *(f"{metric}_sd" for metric in METRICS),
    *(f"{metric}_{end}" for metric in INTERVALS for end in ("low", "high")),
    "seconds", "device", "budget", "data_source", "confusion",
]  # fmt: skip
_COUNTS = ["seeds", "n", "expected", "k", "folds", "epochs"]


def _read_one(path: Path) -> tuple[pd.DataFrame, dict]:
    try:
        table = pyarrow.parquet.read_table(path, partitioning=None)
        meta = json.loads((table.schema.metadata or {})[b"apexbench"])
        absent = [key for key in META if key not in meta]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; rerun its training") from None
    except (KeyError, ValueError, TypeError, OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path}: damaged, or not a predictions file ({error}); {RERUN}") from None
    wanted = PREDICTIONS + [f"p{number}" for number in range(len(meta.get("classes", ())))]
    missing = [column for column in wanted if column not in table.column_names]
    if missing or absent:
        raise InputError(f"{path}: misses {', '.join(missing + absent)}; {RERUN}")
    frame = table.select(wanted).to_pandas()
    for column in frame.select_dtypes("category"):
        frame[column] = frame[column].astype(str)
    scores = frame[score_columns(frame)].to_numpy()
    lost = not len(frame) and meta["folds"] > 0  # a range of folds may have no clips, where faces were skipped
    if lost or not np.isfinite(scores).all() or not frame["label"].between(0, len(meta["classes"]) - 1).all():
        raise InputError(f"{path}: no rows, scores that are not numbers (did it diverge?), or unknown labels; {RERUN}")
    return frame, meta


def read_predictions(paths: Iterable[str | os.PathLike]) -> tuple[pd.DataFrame, list[dict]]:
    """Read predictions files; return all rows, and the metadata of each file with its `path`.

    Raises InputError, naming the file, if columns are missing, if the class lists differ, if files of one run come from
    different configurations or code, if a clip is predicted twice, or if a clip lacks epochs that its fold has.
    """
    paths = [Path(path) for path in paths]
    if not paths:
        raise InputError("no predictions files were given")
    frames, metas, first = [], [], {}
    for number, path in enumerate(paths):
        frame, meta = _read_one(path)
        if metas and meta["classes"] != metas[0]["classes"]:
            raise InputError(
                f"{path}: classes are {meta['classes']}, but {paths[0]} has {metas[0]['classes']}; "
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
    one = ["study", "protocol", "run", "seed"]
    twice = frame.duplicated([*one, *CLIP, "epoch"], keep=False)
    if twice.any():
        row = frame[twice].iloc[0]
        same = frame[twice & (frame[[*one, *CLIP, "epoch"]] == row[[*one, *CLIP, "epoch"]]).all(axis=1)]
        files = " and ".join(str(paths[number]) for number in sorted(same["_file"].unique()))
        raise InputError(f"{files}: clip {'/'.join(map(str, row[CLIP]))} is predicted twice; keep one file per fold")
    counts = frame.groupby([*one, *CLIP])[["epoch", "fold", "label"]].agg(
        {"epoch": "size", "fold": ["first", "nunique"], "label": "nunique"}
    )
    counts.columns = ["epochs", "fold", "folds", "labels"]
    expected = counts.groupby([*one, "fold"])["epochs"].transform("max")
    broken = counts[(counts["folds"] > 1) | (counts["labels"] > 1) | (counts["epochs"] != expected)]
    if len(broken):
        where = frame.set_index([*one, *CLIP])["_file"].xs(broken.index[0])
        file = paths[int(np.min(where))]
        clip = "/".join(map(str, broken.index[0][4:]))
        raise InputError(f"{file}: clip {clip} has not one fold, one label and every epoch of its fold; {RERUN}")
    return frame.drop(columns="_file"), metas


def _score_run(run: str, paths: list, expected: int | None, bootstrap_seed: int) -> list[dict]:
    if not paths:
        return [
            {"run": run, "rule": rule, "leaking": rule in LEAKING, "status": "skipped", "expected": expected}
            for rule in SCORED
        ]
    frame, metas = read_predictions(paths)
    kinds = frame[["study", "protocol", "run", "method"]].drop_duplicates()
    if len(kinds) > 1 or kinds["run"].iloc[0] != run:
        found = " and ".join(" / ".join(kind) for kind in kinds.to_numpy().tolist())
        raise InputError(f"{paths[0]} and the files with it: expected run {run!r} of one protocol, found {found}")
    seeds = [part for _, part in frame.groupby("seed")]
    clips = [part.drop_duplicates(CLIP)[CLIP] for part in seeds]
    n = min(map(len, clips))
    if expected is not None and max(map(len, clips)) > expected:
        raise InputError(
            f"{paths[0]} and the files with it: {n} clips, the protocol has {expected}; delete stale files"
        )
    whole = n == (expected or n) and len(pd.concat(clips).drop_duplicates()) == n
    shared = {
        "protocol": kinds["protocol"].iloc[0],
        "run": run,
        "method": kinds["method"].iloc[0],
        "status": "ok" if whole else "partial",
        "seeds": len(seeds),
        "n": n,
        "expected": expected,
        "folds": seeds[0]["fold"].nunique(),
        "epochs": int(frame["epoch"].max()),
        "seconds": sum(float(meta["seconds"]) for meta in metas),
        "device": " + ".join(sorted({str(meta["device"]) for meta in metas})),
        "budget": " + ".join(sorted({str(meta["budget"]) for meta in metas})),
        "data_source": "licensed" if all(meta["data_source"] == "licensed" for meta in metas) else "synthetic",
    }
    rows = []
    for rule in SCORED:
        chosen = [RULES[rule](part) for part in seeds]
        cms = np.stack([confusions(part, ["run"])[1][0] for part in chosen])
        row = {**shared, "rule": rule, "leaking": rule in LEAKING, "confusion": json.dumps(cms[0].tolist())}
        for metric, values in from_confusion(cms).items():
            row[metric] = float(values.mean())
            row[f"{metric}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else None
        if len(seeds) == 1:
            row["k"] = int((chosen[0]["label"] == predicted(chosen[0])).sum())
        if rule not in LEAKING:
            intervals = subject_intervals(chosen[0], bootstrap_seed)
            for metric in INTERVALS:
                row[f"{metric}_low"], row[f"{metric}_high"] = intervals[metric]
        rows.append(row)
    return rows


def score_runs(
    paths_by_run: Mapping[str, list], expected_clips: int | None = None, bootstrap_seed: int = 0
) -> pd.DataFrame:
    """Score runs of one protocol: one row per run and rule, in the order given.

    Metrics are the mean over seeds of the pooled score, `*_sd` their standard deviation; `confusion` and the 95 %
    intervals come from the first seed. `seconds` sums all files. A run without files is a row with status `skipped`,
    one with fewer clips than expected (or not the same in all seeds) is `partial`.
    """
    rows = [
        row for run, paths in paths_by_run.items() for row in _score_run(run, paths, expected_clips, bootstrap_seed)
    ]
    return _typed(pd.DataFrame(rows, columns=COLUMNS))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    numbers = [*METRICS, *(c for c in COLUMNS if c.endswith(("_sd", "_low", "_high"))), "seconds"]
    return frame.astype({**dict.fromkeys(numbers, float), **dict.fromkeys(_COUNTS, "Int64"), "leaking": bool})


def write_scores(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write scores as CSV."""
    with atomic(path) as part:
        frame.to_csv(part, index=False, float_format="%.6f")


def read_scores(path: str | os.PathLike) -> pd.DataFrame:
    """Read what `write_scores` wrote. A run may be called `null`: only an empty field is a missing value."""
    try:
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; rerun the scores") from None
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}; delete the file and rerun the scores")
    return _typed(frame)


def learning_curves(paths: Iterable[str | os.PathLike]) -> pd.DataFrame:
    """Return run, epoch, uf1: the pooled UF1 of every epoch that all folds reached, mean over seeds.

    A diagnostic only: it looks at the test subjects at every epoch.
    """
    frame, _ = read_predictions(paths)
    parts = []
    for (run, _), part in frame.groupby(["run", "seed"], sort=False):
        epochs, cms = confusions(common_epochs(part), ["epoch"])
        parts.append(epochs.assign(run=run, uf1=from_confusion(cms)["uf1"]))
    return pd.concat(parts).groupby(["run", "epoch"], sort=False)["uf1"].mean().reset_index()
