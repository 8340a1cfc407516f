from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from apexbench.evaluation import metrics, multilabel

ROOT = Path(__file__).parent.parent

# STSTNet (FG 2019), Table IV: the predictions behind the printed UF1.
STSTNET = {
    "full": ([[219, 22, 9], [40, 62, 7], [21, 3, 59]], 0.7353, 0.7186, 0.7605),
    "smic": ([[54, 10, 6], [17, 30, 4], [14, 1, 28]], 0.6801, 0.6703, 0.7013),
    "casme2": ([[83, 5, 0], [12, 19, 1], [2, 0, 23]], 0.8382, 0.8190, 0.8686),
    "samm": ([[82, 7, 3], [11, 13, 2], [5, 2, 8]], 0.6588, 0.6415, 0.6810),
}

# CapsuleNet (FG 2019) by its log, of 435 clips, and KFC (ICME 2021) by its workbooks: ACC, UF1, UAR, and the F1 that is
# printed where it is the harmonic mean of macro-precision and macro-recall.
RELEASED = {
    "CapsuleNet, full": ([[192, 30, 24], [33, 65, 11], [25, 9, 46]], 0.6966, 0.6520, 0.6506, None),
    "CapsuleNet, SMIC": ([[35, 12, 19], [14, 31, 6], [12, 3, 25]], 0.5796, 0.5820, 0.5877, None),
    "CapsuleNet, CASME II": ([[70, 16, 2], [8, 24, 0], [6, 5, 14]], 0.7448, 0.7068, 0.7018, None),
    "CapsuleNet, SAMM": ([[87, 2, 3], [11, 10, 5], [7, 1, 7]], 0.7820, 0.6209, 0.5990, None),
    "KFC, CASME II": (
        [[21, 1, 0, 1, 9], [1, 40, 0, 1, 21], [3, 1, 14, 0, 9], [0, 0, 0, 24, 1], [6, 8, 5, 0, 80]],
        0.7276, 0.7310, 0.7156, 0.7375,
    ),
    "KFC, SAMM": (
        [[48, 0, 5, 2, 2], [2, 5, 3, 1, 1], [8, 3, 9, 1, 5], [1, 0, 2, 10, 2], [4, 1, 5, 2, 14]],
        0.6324, 0.5683, 0.5620, 0.5709,
    ),
    "KFC, SMIC": ([[43, 16, 11], [15, 32, 4], [5, 5, 33]], 0.6585, 0.6624, 0.6697, 0.6638),
}  # fmt: skip


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


@pytest.mark.parametrize("part", RELEASED)
def test_released_confusion_matrices(part):
    cm, *wanted = RELEASED[part]
    scores = metrics.from_confusion(cm)
    names = ("acc", "uf1", "uar", "hm_f1") if wanted[-1] else ("acc", "uf1", "uar")
    assert [round(float(scores[name]), 4) for name in names] == wanted[: len(names)]


def test_capsulenet_s_three_data_sets_are_its_composite():
    parts = [np.array(RELEASED[f"CapsuleNet, {name}"][0]) for name in ("SMIC", "CASME II", "SAMM", "full")]
    assert (sum(parts[:3]) == parts[3]).all() and [part.sum() for part in parts] == [157, 145, 133, 435]


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


def test_the_reference_values_follow_from_the_matrices():
    reference = pd.read_csv(ROOT / "config/published/reference.csv")
    matrices = {"composite": "full", "smic": "smic", "casme2": "casme2", "samm": "samm"}
    names = {"acc": "acc", "uf1": "uf1", "uar": "uar", "precision": "macro_precision"}
    part = reference[reference["table"] == "ststnet-confusion"]
    assert len(part) == 16
    for line in part.itertuples():
        scores = metrics.from_confusion(STSTNET[matrices[line.dataset]][0])
        assert scores[names[line.metric]] == pytest.approx(line.value, abs=5e-7)
    log = reference[reference["table"] == "ststnet-torch-log"].set_index("metric")["value"]
    scores = metrics.from_confusion([[195, 39, 16], [36, 68, 5], [12, 7, 64]])
    assert all(scores[names[metric]] == pytest.approx(value, abs=5e-7) for metric, value in log.items())


@pytest.mark.parametrize(
    ("part", "clips"),
    [("composite", [250, 109, 83]), ("smic", [70, 51, 43]), ("casme2", [88, 32, 25]), ("samm", [92, 26, 15])],
)
def test_majority_class(part, clips):
    reference = pd.read_csv(ROOT / "config/published/reference.csv")
    rows = reference[(reference["table"] == "null-majority") & (reference["dataset"] == part)]
    rows = rows[rows["protocol"].str.startswith("megc2019")].set_index("metric")["value"]
    scores = metrics.from_confusion(np.diag(clips) @ np.eye(3)[[0, 0, 0]])
    assert {name: round(float(scores[name]), 6) for name in rows.index} == pytest.approx(rows.to_dict())


def test_printed_columns_of_ststnet():
    scores = {name: float(value) for name, value in metrics.from_confusion(STSTNET["full"][0]).items()}
    assert round(scores["acc"], 4) == 0.7692 and round(scores["hm_f1"], 4) == 0.7389


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_pooled_conventions_agree_with_sklearn(classes):
    rng = np.random.default_rng(classes)
    for n in (1, 3, 20, 442):
        true, predicted = rng.integers(classes, size=(2, n))
        scores = metrics.from_confusion(metrics.confusion_matrix(true, predicted, classes))
        assert abs(scores["f1_present"] - f1_score(true, predicted, average="macro", zero_division=0)) < 1e-12
        precision, recall = (
            score(true, predicted, average="macro", labels=range(classes), zero_division=0)
            for score in (precision_score, recall_score)
        )
        harmonic = 2 * precision * recall / (precision + recall) if precision + recall else 0
        assert abs(scores["hm_f1"] - harmonic) < 1e-12


def test_multilabel_scores_agree_with_sklearn():
    rng = np.random.default_rng(0)
    for n in (1, 5, 60):
        true, guess = rng.random((2, n, 4)) < [0.1, 0.4, 0.7, 0.0]
        label, decided = multilabel.bitmask(true), multilabel.bitmask(guess)
        assert (multilabel.presence(label, 4) == true).all()
        counts = multilabel.grouped_counts(np.zeros(n, int), label, decided, 4)[0]
        scores = multilabel.from_counts(counts)
        assert abs(scores["au_f1"] - f1_score(true, guess, average="macro", zero_division=0)) < 1e-12
        both = [f1_score(true[:, au], guess[:, au], average="macro", labels=[0, 1], zero_division=0) for au in range(4)]
        assert abs(scores["au_macro_f1"] - np.mean(both)) < 1e-12
        assert abs(multilabel.correct_share(counts) - (true == guess).mean()) < 1e-12


def test_multilabel_counts_by_group():
    counts = multilabel.grouped_counts([0, 1, 1], [1, 2, 3], [1, 0, 3], 2)
    assert counts.tolist() == [[[[0, 0], [0, 1]], [[1, 0], [0, 0]]], [[[1, 0], [0, 1]], [[0, 0], [1, 1]]]]
