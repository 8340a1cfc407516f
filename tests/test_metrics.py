import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from apexbench.evaluation import metrics
from apexbench.evaluation.intervals import subject_intervals

# STSTNet (FG 2019), Table IV: the predictions behind the printed UF1.
STSTNET = {
    "full": ([[219, 22, 9], [40, 62, 7], [21, 3, 59]], 0.7353, 0.7186, 0.7605),
    "smic": ([[54, 10, 6], [17, 30, 4], [14, 1, 28]], 0.6801, 0.6703, 0.7013),
    "casme2": ([[83, 5, 0], [12, 19, 1], [2, 0, 23]], 0.8382, 0.8190, 0.8686),
    "samm": ([[82, 7, 3], [11, 13, 2], [5, 2, 8]], 0.6588, 0.6415, 0.6810),
}


def labels_of(cm):
    true, predicted = np.nonzero(np.array(cm) >= 0)
    counts = np.ravel(cm)
    return np.repeat(true, counts), np.repeat(predicted, counts)


@pytest.mark.parametrize("part", STSTNET)
def test_ststnet_golden(part):
    cm, uf1, uar, precision = STSTNET[part]
    true, predicted = labels_of(cm)
    assert metrics.confusion_matrix(true, predicted, 3).tolist() == cm
    assert round(metrics.uf1(true, predicted, 3), 4) == uf1
    assert round(metrics.uar(true, predicted, 3), 4) == uar
    assert round(metrics.macro_precision(true, predicted, 3), 4) == precision


def test_always_negative_on_megc2019():
    true, predicted = labels_of([[250, 0, 0], [109, 0, 0], [83, 0, 0]])
    assert round(metrics.accuracy(true, predicted, 3), 4) == 0.5656
    assert round(metrics.uf1(true, predicted, 3), 3) == 0.241
    assert round(metrics.uar(true, predicted, 3), 3) == 0.333


@pytest.mark.parametrize("classes", [2, 3, 5, 7])
def test_agrees_with_sklearn(classes):
    rng = np.random.default_rng(classes)
    for n in (1, 3, 20, 442):  # with few clips, some classes are absent
        true, predicted = rng.integers(classes, size=(2, n))
        fixed = {"labels": range(classes), "zero_division": 0}
        expected = {
            "accuracy": accuracy_score(true, predicted),
            "uf1": f1_score(true, predicted, average="macro", **fixed),
            "uar": recall_score(true, predicted, average="macro", **fixed),
            "weighted_f1": f1_score(true, predicted, average="weighted", **fixed),
            "macro_precision": precision_score(true, predicted, average="macro", **fixed),
        }
        for name, value in expected.items():
            assert abs(getattr(metrics, name)(true, predicted, classes) - value) < 1e-12


def test_absent_class_counts_as_zero():
    assert metrics.uar([0, 0, 1], [0, 0, 1], 4) == 0.5
    assert metrics.uf1([0, 0, 1], [0, 0, 1], 4) == 0.5


def test_labels_may_be_names():
    names = ["negative", "positive", "surprise"]
    assert metrics.uf1(["negative", "surprise"], ["negative", "negative"], names) == metrics.uf1([0, 2], [0, 0], 3)


@pytest.mark.parametrize(
    ("true", "predicted", "classes", "message"),
    [
        ([0, 3], [0, 1], 3, "unknown label 3"),
        ([0, 1], [0, -1], 3, "y_pred holds the unknown label -1"),
        ([0, 1], [0], 3, "2 labels, y_pred has 1"),
        ([], [], 3, "empty"),
        ([[0, 1]], [[0, 1]], 3, "one dimension"),
        ([0], [0], [0, 0], "without repeats"),
        ([0], [0], 0, "count from 1 up"),
    ],
)
def test_errors(true, predicted, classes, message):
    with pytest.raises(ValueError, match=message):
        metrics.uf1(true, predicted, classes)


def predictions(subjects, per_subject, rng):
    n = subjects * per_subject
    label = rng.integers(3, size=n)
    scores = rng.random((n, 3)) + 0.6 * np.eye(3)[label]
    frame = pd.DataFrame(scores, columns=["p0", "p1", "p2"])
    return frame.assign(dataset="samm", subject=np.repeat(np.arange(subjects), per_subject), label=label)


def test_bootstrap_is_seeded_fast_and_brackets_the_score():
    frame = predictions(68, 7, np.random.default_rng(0))
    start = time.perf_counter()
    intervals = subject_intervals(frame, seed=1)
    assert time.perf_counter() - start < 2
    assert intervals == subject_intervals(frame, seed=1) != subject_intervals(frame, seed=2)
    guess = frame[["p0", "p1", "p2"]].to_numpy().argmax(1)
    low, high = intervals["uf1"]
    assert low < metrics.uf1(frame["label"], guess, 3) < high
    # Binomial error of the accuracy: clips are independent here, so clusters must give about the same width.
    share = metrics.accuracy(frame["label"], guess, 3)
    expected = 2 * 1.96 * np.sqrt(share * (1 - share) / len(frame))
    assert np.diff(intervals["acc"])[0] == pytest.approx(expected, rel=0.25)


def test_clusters_widen_the_interval_and_one_subject_has_none():
    frame = predictions(20, 7, np.random.default_rng(0))
    hard = frame["subject"] < 10
    frame.loc[hard, ["p0", "p1", "p2"]] = np.eye(3)[(frame["label"][hard] + 1) % 3]
    alone = frame.assign(subject=range(len(frame)))
    assert np.diff(subject_intervals(frame, 0)["acc"]) > 1.5 * np.diff(subject_intervals(alone, 0)["acc"])
    assert np.isnan(subject_intervals(frame[frame["subject"] == 1], 0)["uf1"]).all()
