"""The files of scores and of learning curves: their columns, written and read."""

import os
from collections.abc import Sequence

import pandas as pd

from apexbench.errors import InputError
from apexbench.evaluation import multilabel
from apexbench.evaluation.tasks import SCORES, SingleLabel
from apexbench.store.checksums import check_seal, sealed

INTERVALS = (*SingleLabel.pooled_names, *multilabel.METRICS)
NULL_RUN = "null-model"
NULL_REPEATS = 40  # of which its scores are the mean
COLUMNS = [
    "protocol", "slice", "run", "method", "rule", "status", "leaking", "seeds", "n", "expected", "k", "folds", "epochs",
    *SCORES, *(f"{score}_sd" for score in SCORES),
    *(f"{score}_{end}" for score in INTERVALS for end in ("low", "high")),
    "seconds", "device", "budget", "data_source", "confusion", "note",
]  # fmt: skip
_COUNTS = ["seeds", "n", "expected", "k", "folds", "epochs"]
_TEXTS = ["slice", "note"]
CURVE = ["run", "epoch", "uf1"]


def null_run(epochs: int, longest: int) -> str:
    """Return the run under which the null model of so many epochs stands in the scores.

    >>> null_run(500, longest=500), null_run(10, longest=500)
    ('null-model', 'null-model-10')
    """
    return NULL_RUN if epochs == longest else f"{NULL_RUN}-{epochs}"


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return scores with the type of each column; a missing text is an empty one."""
    numbers = [*SCORES, *(c for c in COLUMNS if c.endswith(("_sd", "_low", "_high"))), "seconds"]
    for name in _TEXTS:
        frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str)
    typed = {**dict.fromkeys(numbers, float), **dict.fromkeys(_COUNTS, "Int64"), "leaking": bool}
    return frame.astype(typed).copy()  # a copy has its numbers in one piece: rows are cut out of it ten times as fast


def write_scores(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write scores, or comparisons, as CSV."""
    with sealed(path) as part:
        frame.to_csv(part, index=False, float_format="%.6f")


def read_scores(path: str | os.PathLike) -> pd.DataFrame:
    """Read what `write_scores` wrote. A run may be called `null`: only an empty field is a missing value."""
    frame = _read(path, COLUMNS)
    try:
        return typed(frame)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: a field of the wrong kind ({error}); delete the file and rerun the scores") from None


def read_curves(path: str | os.PathLike) -> pd.DataFrame:
    """Read learning curves that `write_scores` wrote."""
    return _read(path, CURVE).astype({"run": str})


def _read(path: str | os.PathLike, columns: Sequence[str]) -> pd.DataFrame:
    check_seal(path)
    try:
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; rerun the scores") from None
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a table of scores ({error}); delete the file and rerun the scores") from None
    missing = [column for column in columns if column not in frame]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}; delete the file and rerun the scores")
    return frame
