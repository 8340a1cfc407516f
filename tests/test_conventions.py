import numpy as np
import pandas as pd
import pytest
from predictions import every_score, megc2019
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from apexbench.evaluation.conventions import OF_FOLDS, from_folds
from apexbench.evaluation.metrics import grouped_confusion


@pytest.fixture(scope="module")
def official():
    return megc2019()


def test_one_imperfect_classifier(official):
    """35 % of the labels redrawn from the class prior: the same predictions, aggregated in every way."""
    labels, folds = official["label"].to_numpy(), pd.factorize(official["fold"])[0]
    prior = np.bincount(labels) / len(labels)
    rng = np.random.default_rng(1)
    cms = []
    for _ in range(400):
        redrawn = rng.random(len(labels)) < 0.35
        guess = np.where(redrawn, rng.choice(3, size=len(labels), p=prior), labels)
        cms.append(grouped_confusion(folds, labels, guess, 3))
    expected = {
        "uf1": 0.767, "uar": 0.766, "acc": 0.796, "weighted_f1": 0.796, "hm_f1": 0.767,
        "mean_fold_f1_present": 0.709, "mean_fold_f1_absent_zero": 0.487, "mean_fold_f1_absent_one": 0.748,
    }  # fmt: skip
    scores = from_folds(np.stack(cms))
    for name, value in expected.items():
        noise = scores[name].std() * np.sqrt(1 / 200 + 1 / 400)
        assert abs(scores[name].mean() - value) < 3.5 * noise + 0.0005, name


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_folds_agree_with_sklearn():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"fold": rng.integers(12, size=80).astype(str), "label": rng.integers(4, size=80)})
    frame[["p0", "p1", "p2", "p3"]] = rng.random((80, 4))
    guess = frame[["p0", "p1", "p2", "p3"]].to_numpy().argmax(axis=1)
    folds = [(part["label"], guess[part.index]) for _, part in frame.groupby("fold", sort=False)]
    absent = [[c for c in range(4) if c not in {*true, *predicted}] for true, predicted in folds]
    fixed = {"labels": range(4), "zero_division": 0, "average": "macro"}
    zero = [f1_score(*fold, **fixed) for fold in folds]
    expected = {
        "mean_fold_acc": [accuracy_score(*fold) for fold in folds],
        "mean_fold_f1_present": [f1_score(*fold, average="macro", zero_division=0) for fold in folds],
        "mean_fold_f1_absent_zero": zero,
        "mean_fold_f1_absent_one": [value + len(classes) / 4 for value, classes in zip(zero, absent, strict=True)],
        "mean_fold_uar_present": [balanced_accuracy_score(*fold) for fold in folds],
        "cumulative_acc": [
            accuracy_score(*(np.concatenate(part) for part in zip(*folds[: end + 1], strict=True)))
            for end in range(len(folds))
        ],
    }
    found = every_score(frame)
    for name, values in expected.items():
        assert found[name] == pytest.approx(np.mean(values), abs=1e-12), name


def test_absent_classes_by_hand():
    folds = np.array([[[2, 0, 0], [0, 0, 0], [0, 0, 0]], [[1, 1, 0], [0, 0, 0], [0, 0, 0]]])
    scores = {name: float(function(folds)) for name, function in OF_FOLDS.items()}
    assert scores == pytest.approx({
        "mean_fold_acc": 0.75,
        "mean_fold_f1_present": (1 + 1 / 3) / 2,
        "mean_fold_f1_absent_zero": (1 / 3 + 2 / 9) / 2,
        "mean_fold_f1_absent_one": (1 + 5 / 9) / 2,
        "mean_fold_uar_present": (1 + 1 / 2) / 2,
        "mean_fold_f1_to_highest": (1 + 1 / 3) / 2,
        "mean_fold_uar_to_highest": (1 + 1 / 4) / 2,
        "cumulative_acc": (1 + 3 / 4) / 2,
    })  # fmt: skip


def test_up_to_the_highest_class_that_occurs():
    # Only class 1 occurs and one clip of two is right: class 0 counts 0, class 2 does not count.
    wrong_high = np.array([[[0, 0, 0], [0, 1, 1], [0, 0, 0]]])
    right = np.array([[[0, 0, 0], [0, 2, 0], [0, 0, 0]]])
    assert OF_FOLDS["mean_fold_f1_to_highest"](wrong_high) == pytest.approx(2 / 3 / 3)
    # All right: 1, although class 0 is absent below.
    assert OF_FOLDS["mean_fold_f1_to_highest"](right) == OF_FOLDS["mean_fold_uar_to_highest"](right) == 1


def test_cumulative_accuracy_depends_on_the_order():
    folds = np.array([[[3, 0], [0, 0]], [[0, 1], [0, 0]]])
    assert OF_FOLDS["cumulative_acc"](folds) == (1 + 3 / 4) / 2
    assert OF_FOLDS["cumulative_acc"](folds[::-1]) == (0 + 3 / 4) / 2
