"""The predictions of one run, checked against its protocol, and what a selection rule chooses of them."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from apexbench.config.protocols import ProtocolCard
from apexbench.errors import InputError
from apexbench.evaluation.predictions import read_predictions
from apexbench.evaluation.selection import CLIP, choose, chosen_rows, trace, validation_trace
from apexbench.labels import is_multilabel

Paths = Sequence[str | os.PathLike]


@dataclass
class Run:
    """Predictions of one run: a frame for each seed, every epoch, and what the files record."""

    name: str
    seeds: dict[int, pd.DataFrame]
    metas: list[dict]

    @property
    def first(self) -> pd.DataFrame:
        return next(iter(self.seeds.values()))

    @property
    def seconds(self) -> float:
        return sum(float(meta["seconds"]) for meta in self.metas)

    def recorded(self, key: str) -> str:
        return " + ".join(sorted({str(meta[key]) for meta in self.metas}))

    def clips(self, datasets: Sequence[str]) -> list[pd.DataFrame]:
        """Return the clips of each seed."""
        frames = (frame[frame["dataset"].isin(datasets)] for frame in self.seeds.values())
        return [frame.drop_duplicates(CLIP)[CLIP] for frame in frames]


def read_run(run: str, paths: Paths, card: ProtocolCard, table: pd.DataFrame, inner: bool = False) -> Run:
    """Read a run's predictions of all folds and seeds, in the order of the folds in the protocol's table.

    Raises InputError if they are of another run, of several, or do not fit the protocol's card and table.
    """
    frame, metas = read_predictions(paths, inner)
    files = f"{paths[0]} and the files with it"
    kinds = frame[["protocol", "run", "method"]].drop_duplicates()
    if len(kinds) > 1 or kinds["run"].iloc[0] != run:
        found = " and ".join(" / ".join(kind) for kind in kinds.to_numpy().tolist())
        raise InputError(f"{files}: expected run {run!r} of one protocol, found {found}")
    classes, several = metas[0]["classes"], metas[0]["multilabel"]
    if list(classes) != list(card.classes) or several != is_multilabel(card):
        raise InputError(
            f"{files}: classes {classes}, multilabel {several}; the protocol has {list(card.classes)}, "
            f"{is_multilabel(card)}; delete the files and rerun"
        )
    _check_clips(frame, table, files, inner)
    places = {fold: place for place, fold in enumerate(dict.fromkeys(table["fold"]))}
    return run_of(run, frame.iloc[frame["fold"].map(places).argsort(kind="stable")], metas)


def run_of(run: str, frame: pd.DataFrame, metas: list[dict]) -> Run:
    """Return the run of predictions that `read_predictions` has read."""
    return Run(run, {seed: part for seed, part in frame.groupby("seed", sort=True)}, metas)


def _check_clips(frame: pd.DataFrame, table: pd.DataFrame, files: str, inner: bool) -> None:
    """Raise InputError if predictions are of other clips, labels or folds than the protocol's table has."""
    rows = frame.drop_duplicates([*CLIP, "fold", "label"])
    official = table.set_index(CLIP)[["label", "fold"]].reindex(pd.MultiIndex.from_frame(rows[CLIP]))
    wrong = {
        "is not in the protocol's table": official["label"].isna().to_numpy(),
        "has another label in the protocol's table": official["label"].to_numpy() != rows["label"].to_numpy(),
        "is of another fold in the protocol's table": official["fold"].to_numpy() != rows["fold"].to_numpy(),
    }
    if inner:
        wrong.popitem()
        if not rows["fold"].isin(table["fold"]).all():
            raise InputError(
                f"{files}: inner predictions of a fold that the protocol does not have; delete stale files"
            )
    for what, where in wrong.items():
        if where.any():
            clip = "/".join(map(str, rows[CLIP][where].iloc[0]))
            raise InputError(f"{files}: clip {clip} {what} ({len(table)} clips); delete stale files")


def chosen_by(run: Run, rules: Iterable[str], inner: Run | None, several: bool) -> dict[str, list[pd.DataFrame]]:
    """Return {rule: chosen predictions, one row per clip, one frame per seed}."""
    chosen: dict[str, list[pd.DataFrame]] = {rule: [] for rule in rules}
    for seed, frame in run.seeds.items():
        of = trace(frame, several)
        against = validation_trace(frame, inner.seeds[seed], several) if inner else None
        frame = frame.drop(columns=["protocol", "method"])
        for rule, frames in chosen.items():
            frames.append(frame[chosen_rows(of, choose(of, rule, against))])
    return chosen


def missing_inner(run: Run, inner: Run) -> str:
    """Say which inner predictions are missing; "" if none."""
    for seed, frame in run.seeds.items():
        folds = inner.seeds[seed]["fold"] if seed in inner.seeds else []
        missing = sorted(set(frame["fold"]) - set(folds))
        if missing:
            return f"no inner predictions for seed {seed}, fold {missing[0]}"
    return ""


def data_source(runs: Iterable[Run]) -> str:
    """Return "licensed" if no run has seen a synthetic clip, else "synthetic"."""
    sources = {meta["data_source"] for run in runs for meta in run.metas}
    return "licensed" if sources == {"licensed"} else "synthetic"
