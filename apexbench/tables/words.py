"""What captions call the scores, the selection rules and the splits."""

from collections.abc import Iterable

import pandas as pd

from apexbench.config.protocols import ProtocolCard
from apexbench.numbers import fraction

SCORES = {
    "acc": "accuracy",
    "uf1": "UF1",
    "uar": "UAR",
    "weighted_f1": "weighted F1",
    "macro_precision": "macro precision",
    "hm_f1": "harmonic mean of macro precision and macro recall",
    "f1_present": "macro F1 over the classes that occur",
    "mean_fold_acc": "accuracy (mean over folds)",
    "mean_fold_f1_present": "macro F1 over the classes that occur (mean over folds)",
    "mean_fold_f1_absent_zero": "macro F1 with absent classes as 0 (mean over folds)",
    "mean_fold_f1_absent_one": "macro F1 with absent classes as 1 (mean over folds)",
    "mean_fold_uar_present": "UAR over the classes that occur (mean over folds)",
    "mean_fold_f1_to_highest": "macro F1 up to the highest class that occurs (mean over folds)",
    "mean_fold_uar_to_highest": "UAR up to the highest class that occurs (mean over folds)",
    "cumulative_acc": "running accuracy (mean over folds)",
    "au_f1": "F1 of presence (mean over action units)",
    "au_macro_f1": "macro F1 of presence and absence (mean over action units)",
}
SHORT = {**SCORES, "au_f1": "F1 over action units", "au_macro_f1": "macro F1 over action units"}
MULTILABEL = frozenset({"au_f1", "au_macro_f1"})
_BEST = "at each test fold's epoch of highest"
RULES = {
    "last": "after the last epoch",
    "inner": "at the epoch that inner validation subjects chose",
    "global-oracle": "at the one epoch of all folds with the highest pooled test accuracy (leaks)",
    "fold-oracle": f"{_BEST} accuracy (leaks)",
    "fold-oracle-late": f"{_BEST} accuracy, the later of equals (leaks)",
    "fold-oracle-stop": f"{_BEST} accuracy, where training ends at 100 % (leaks)",
    "fold-oracle-uf1": f"{_BEST} UF1 (leaks)",
    "fold-oracle-uf1-late": f"{_BEST} UF1, the later of equals (leaks)",
    "fold-oracle-present": f"{_BEST} F1 over the classes that occur there (leaks)",
    "fold-oracle-absent-one": f"{_BEST} F1, absent classes counting 1 (leaks)",
    "fold-oracle-to-highest": f"{_BEST} F1 up to the highest class that occurs there (leaks)",
}
_SPLITS = {
    "loso": "Leave one subject out",
    "k-fold": "Parts disjoint in subjects, each left out once",
    "leave-one-dataset-out": "Leave one data set out",
}
_AVERAGES = {
    "pooled": "the predictions of all folds are pooled, then scored once",
    "datasets": "every data set is scored for itself, then the mean is taken",
}


def split_words(protocols: Iterable[ProtocolCard]) -> str:
    """Return how protocols leave out and average, in sentences; their titles tell them apart where they differ."""
    titles: dict[str, list[str]] = {}
    for card in protocols:
        titles.setdefault(f"{_SPLITS[card.split]}; {_AVERAGES[card.average]}.", []).append(card.title)
    if len(titles) == 1:
        return next(iter(titles))
    return " ".join(f"{', '.join(names)}: {words[0].lower()}{words[1:]}" for words, names in titles.items())


def null_words(null: float, epochs: int) -> str:
    """Return what the null model scores with as many epochs as a run has; "" for a run without epochs.

    >>> null_words(0.6123, 10), null_words(0.33, 1)
    ('null at 10 epochs: .612', '')
    """
    return "" if pd.isna(null) or pd.isna(epochs) or epochs < 2 else f"null at {epochs} epochs: {fraction(null)}"
