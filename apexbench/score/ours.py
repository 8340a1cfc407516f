"""Predictions of ApexBench: one parquet file, several, or the folder of a run."""

from collections.abc import Sequence
from pathlib import Path

from apexbench.errors import InputError
from apexbench.evaluation.conventions import score_columns
from apexbench.evaluation.predictions import read_predictions
from apexbench.score.predictions import Predictions, gather


def files_of(folder: Path) -> list[Path]:
    """Return the predictions files of a run's folder; inner ones are left out."""
    files = sorted(folder.rglob("folds*.parquet"))
    if not files:
        raise InputError(
            f"{folder}: no predictions here; expected a folder such as results/runs/<protocol>/<run>/<key>"
        )
    return files


def read_ours(path: Path, files: Sequence[Path], seed: int | None = None) -> tuple[Predictions, str]:
    """Read our own predictions of one run and one seed; return them, and the name of their protocol.

    Raises InputError if there are several runs, or several seeds and none is chosen.
    """
    frame, metas = read_predictions(files)
    if metas[0]["multilabel"]:
        raise InputError(f"{path}: several labels a clip (action units); score takes one class a clip")
    for column in ("protocol", "run"):
        there = sorted(frame[column].unique())
        if len(there) > 1:
            raise InputError(f"{path}: several values of {column!r}: {', '.join(there)}; score one at a time")
    seeds = sorted(int(number) for number in frame["seed"].unique())
    if (seed is None and len(seeds) > 1) or (seed is not None and seed not in seeds):
        raise InputError(f"{path}: seeds {', '.join(map(str, seeds))}; choose one with --seed")
    frame = frame[frame["seed"] == (seeds[0] if seed is None else seed)].reset_index(drop=True)
    names = ("dataset", "subject", "clip", "onset", "epoch", "fold", "label")
    columns = {name: frame[name].to_numpy() for name in names}
    protocol, run = str(frame["protocol"].iloc[0]), str(frame["run"].iloc[0])
    kind = f"predictions of ApexBench: protocol {protocol}, run {run}, seed {seeds[0] if seed is None else seed}"
    remarks = ["rendered clips, not real ones"] if metas[0]["data_source"] == "synthetic" else []
    scores = frame[score_columns(frame)].to_numpy()
    return gather(path.name, kind, columns, scores, metas[0]["classes"], remarks), protocol
