"""Selection rules: which epoch's predictions of a training count.

A rule takes the predictions of one run and one seed (every epoch) and picks one epoch for each fold. Rules in `LEAKING`
look at the labels of the test clips: they reproduce printed tables and are never a fair score.

====================== ========================================================== =====================================
rule                   picks                                                      released code that does so
====================== ========================================================== =====================================
last                   the last epoch: the honest default                         STSTNet, RCN
inner                  the best epoch on validation subjects of the training side
global-oracle          one epoch for all folds, best pooled test accuracy         a diagnostic
fold-oracle            best test accuracy of the fold, first maximum              MMNet and MEMix (ACC)
fold-oracle-late       the same, later epoch wins ties                            HTNet, SKD-TSTSAN, CausalNet
fold-oracle-stop       the same, first maximum, stops at 100 %; the last epoch    AMAN
                       where no clip is ever right
fold-oracle-uf1        best test UF1 over all classes, first maximum              MEB's early stopping
fold-oracle-uf1-late   the same, later epoch wins ties                            Décalcomanie, CapsuleNet (davidnvq)
fold-oracle-present    best test F1 over the classes that occur, later epoch wins MMNet and MEMix (F1)
fold-oracle-absent-one best test F1, absent classes being 1, later epoch wins     NMER
fold-oracle-to-highest best test F1 over classes up to the highest that occurs    MLSP-2024 (UF1, UAR)
====================== ========================================================== =====================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from apexbench.errors import InputError
from apexbench.evaluation.conventions import score_columns
from apexbench.evaluation.tasks import Task, task_of

if TYPE_CHECKING:  # the configuration is checked without waiting for pandas
    import pandas as pd

CLIP = ["dataset", "subject", "clip", "onset"]


@dataclass(frozen=True)
class Trace:
    """Counts of every fold and epoch of one run and one seed.

    folds (F,) in order of appearance; epochs (E,) ascending; counts (F, E, ...) of the task, 0 where a fold has no such
    epoch; reached (F, E); rows: fold and epoch of every row of the predictions, as places in folds and epochs.
    """

    task: Task
    folds: list[str]
    epochs: np.ndarray
    counts: np.ndarray
    reached: np.ndarray
    rows: tuple[np.ndarray, np.ndarray]
    _values: dict[str, np.ndarray] = field(default_factory=dict)

    def values(self, criterion: str) -> np.ndarray:
        """Return what a criterion gives every fold and epoch, (F, E); several rules share it."""
        if criterion not in self._values:
            # Rounded, so that two equal scores are a tie whatever the order of summation.
            self._values[criterion] = self.task.criteria[criterion](self.counts).round(12)
        return self._values[criterion]

    def common(self) -> int:
        """Return how many of the epochs every fold reached."""
        return int(self.reached.all(axis=0).sum())


def predicted(frame: pd.DataFrame, multilabel: bool = False) -> np.ndarray:
    """Return the predicted class of every row: the highest score, and the lowest index among equals."""
    return task_of(frame, multilabel).decide(frame[score_columns(frame)].to_numpy())


def trace(frame: pd.DataFrame, multilabel: bool = False) -> Trace:
    """Count the predictions of one run and one seed by fold and epoch."""
    import pandas as pd

    if frame["run"].nunique() != 1 or frame["seed"].nunique() != 1:
        raise ValueError("a selection rule takes the predictions of one run and one seed; split them first")
    task = task_of(frame, multilabel)
    fold, folds = pd.factorize(frame["fold"])
    epoch, epochs = pd.factorize(frame["epoch"], sort=True)
    shape = len(folds), len(epochs)
    groups = np.ravel_multi_index((fold, epoch), shape)
    counts = task.count(groups, frame["label"], predicted(frame, multilabel), size=shape[0] * shape[1])
    reached = np.bincount(groups, minlength=shape[0] * shape[1]).reshape(shape) > 0
    return Trace(
        task, list(folds), epochs.to_numpy(), counts.reshape(*shape, *counts.shape[1:]), reached, (fold, epoch)
    )


def _argmax(values: np.ndarray, allowed: np.ndarray, late: bool) -> np.ndarray:
    """Place of the best value along the last axis, the first or the last among equals."""
    values = np.where(allowed, values, -np.inf)
    return values.shape[-1] - 1 - values[..., ::-1].argmax(axis=-1) if late else values.argmax(axis=-1)


def last(of: Trace) -> np.ndarray:
    """Pick the last epoch of each fold: the honest default."""
    return of.reached.shape[1] - 1 - of.reached[:, ::-1].argmax(axis=1)


def fold_oracle(of: Trace, criterion: str = "accuracy", late: bool = False) -> np.ndarray:
    """Pick the best epoch of each fold on its own test clips: what most released code does. Leaks."""
    return _argmax(of.values(criterion), of.reached, late)


def fold_oracle_stop(of: Trace) -> np.ndarray:
    """Pick as AMAN does: strictly better accuracy replaces, 100 % ends the fold, 0 % is overwritten. Leaks.

    Ending at 100 % changes nothing, as the first maximum is kept; a fold without any correct clip keeps its last epoch.
    """
    accuracy = of.values("accuracy")
    return np.where(accuracy.max(axis=1) > 0, _argmax(accuracy, of.reached, late=False), last(of))


def global_oracle(of: Trace) -> np.ndarray:
    """Pick one epoch for all folds by pooled test accuracy, first maximum, among those every fold reached. Leaks."""
    if not of.common():
        raise InputError("rule 'global-oracle': the folds have no epoch in common; rerun the training of this run")
    accuracy = of.task.criteria["accuracy"](of.counts.sum(axis=0))
    return np.full(len(of.folds), _argmax(accuracy.round(12), of.reached.all(axis=0), late=False))


def inner(of: Trace, validation: Trace) -> np.ndarray:
    """Pick for each fold the epoch with the best pooled accuracy on its validation clips, first maximum.

    validation : counts of the inner predictions, several inner models pooled; its folds are the outer ones. Only epochs
        count that the fold has and that every inner model reached. The test clips' labels are never looked at.
    """
    accuracy = validation.values("accuracy")
    size = validation.counts.reshape(*validation.reached.shape, -1).sum(axis=-1)
    whole = size == size.max(axis=1, keepdims=True)
    _, ours, theirs = np.intersect1d(of.epochs, validation.epochs, return_indices=True)
    chosen = []
    for place, fold in enumerate(of.folds):
        if fold not in validation.folds:
            raise InputError(f"rule 'inner': no inner predictions for fold {fold!r}; rerun the inner training")
        row = validation.folds.index(fold)
        allowed = of.reached[place, ours] & whole[row, theirs]
        if not allowed.any():
            raise InputError(f"rule 'inner': fold {fold!r} shares no epoch with its inner predictions; rerun both")
        chosen.append(ours[_argmax(accuracy[row, theirs], allowed, late=False)])
    return np.array(chosen)


RULES: dict[str, Callable[..., np.ndarray]] = {
    "last": last,
    "inner": inner,
    "global-oracle": global_oracle,
    "fold-oracle": fold_oracle,
    "fold-oracle-late": partial(fold_oracle, late=True),
    "fold-oracle-stop": fold_oracle_stop,
    "fold-oracle-uf1": partial(fold_oracle, criterion="uf1"),
    "fold-oracle-uf1-late": partial(fold_oracle, criterion="uf1", late=True),
    "fold-oracle-present": partial(fold_oracle, criterion="f1-present", late=True),
    "fold-oracle-absent-one": partial(fold_oracle, criterion="f1-absent-one", late=True),
    "fold-oracle-to-highest": partial(fold_oracle, criterion="f1-to-highest"),
}
HONEST = ("last", "inner")
LEAKING = frozenset(RULES) - frozenset(HONEST)


def choose(of: Trace, rule: str, validation: Trace | None = None) -> np.ndarray:
    """Return the epoch that a rule picks for each fold, as places in `of.epochs`, (F,)."""
    if rule != "inner":
        return RULES[rule](of)
    if validation is None:
        raise ValueError("rule 'inner' needs the inner predictions")
    return inner(of, validation)


def chosen_rows(of: Trace, epochs: np.ndarray) -> np.ndarray:
    """Return which rows of the predictions belong to the chosen epoch of their fold."""
    fold, epoch = of.rows
    return epochs[fold] == epoch


def select(
    frame: pd.DataFrame, rule: str, validation: pd.DataFrame | None = None, multilabel: bool = False
) -> pd.DataFrame:
    """Return the predictions that count under a rule, one row per clip.

    Parameters
    ----------
    frame : predictions of one run and one seed, every epoch.
    validation : for the rule `inner`, the inner predictions: same columns, `fold` being the outer fold.

    Raises InputError if a validation clip is one of the test clips of its fold.
    """
    of = trace(frame, multilabel)
    against = None if validation is None else validation_trace(frame, validation, multilabel)
    return frame[chosen_rows(of, choose(of, rule, against))]


def validation_trace(frame: pd.DataFrame, validation: pd.DataFrame, multilabel: bool = False) -> Trace:
    """Count the inner predictions; InputError if a fold validates on one of its own test clips."""
    import pandas as pd

    tested = frame.drop_duplicates(CLIP).set_index(CLIP)["fold"]
    validated = validation.drop_duplicates([*CLIP, "fold"])
    own = tested.reindex(pd.MultiIndex.from_frame(validated[CLIP])).to_numpy() == validated["fold"].to_numpy()
    if own.any():
        row = validated[own].iloc[0]
        raise InputError(
            f"rule 'inner': clip {'/'.join(map(str, row[CLIP]))} validates fold {row['fold']!r}, which tests it; "
            f"rerun the inner training"
        )
    return trace(validation, multilabel)
