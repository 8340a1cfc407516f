import numpy as np
import pandas as pd
import pytest
from scipy import stats

from apexbench.evaluation import metrics
from apexbench.evaluation.intervals import cluster_intervals, draw_subjects, subject_counts, subject_intervals
from apexbench.evaluation.multilabel import bitmask


def predictions(subjects, per_subject, rng, dataset="samm"):
    n = subjects * per_subject
    label = rng.integers(3, size=n)
    scores = rng.random((n, 3)) + 0.6 * np.eye(3)[label]
    frame = pd.DataFrame(scores, columns=["p0", "p1", "p2"])
    return frame.assign(dataset=dataset, subject=np.repeat(np.arange(subjects), per_subject), label=label)


def guess_of(frame):
    return frame[["p0", "p1", "p2"]].to_numpy().argmax(1)


def test_seeded_and_brackets_the_score():
    frame = predictions(68, 7, np.random.default_rng(0))
    intervals = subject_intervals(frame, seed=1)
    assert intervals == subject_intervals(frame, seed=1)
    assert intervals != subject_intervals(frame, seed=2)
    low, high = intervals["uf1"]
    assert low < metrics.uf1(frame["label"], guess_of(frame), 3) < high
    # Binomial error of the accuracy: clips are independent here, so clusters must give about the same width.
    share = metrics.accuracy(frame["label"], guess_of(frame), 3)
    expected = 2 * 1.96 * np.sqrt(share * (1 - share) / len(frame))
    assert np.diff(intervals["acc"])[0] == pytest.approx(expected, rel=0.25)
    assert set(intervals) == set(metrics.METRICS)


def test_agrees_with_scipy():
    values = np.random.default_rng(3).gamma(2.0, size=40)

    def mean(weights):
        return {"mean": weights @ values / weights.sum(axis=1)}

    ours = cluster_intervals(mean, np.zeros(40), seed=0)["mean"]
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=10_000, rng=1).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.03)


def test_clusters_widen_the_interval_and_one_subject_has_none():
    frame = predictions(20, 7, np.random.default_rng(0))
    hard = frame["subject"] < 10
    frame.loc[hard, ["p0", "p1", "p2"]] = np.eye(3)[(frame["label"][hard] + 1) % 3]
    alone = frame.assign(subject=range(len(frame)))
    assert np.diff(subject_intervals(frame, 0)["acc"]) > 1.5 * np.diff(subject_intervals(alone, 0)["acc"])
    assert np.isnan(subject_intervals(frame[frame["subject"] == 1], 0)["uf1"]).all()


def test_all_equal():
    frame = predictions(5, 3, np.random.default_rng(0)).assign(label=0, p0=1.0, p1=0.0, p2=0.0)
    intervals = subject_intervals(frame, 0)
    assert intervals["acc"] == (1.0, 1.0) and intervals["uf1"] == pytest.approx((1 / 3, 1 / 3))


def test_score_at_the_edge_stays_finite():
    frame = predictions(4, 2, np.random.default_rng(0))
    frame[["p0", "p1", "p2"]] = np.eye(3)[frame["label"]]
    frame.loc[0, ["p0", "p1", "p2"]] = np.eye(3)[(frame["label"][0] + 1) % 3]
    for low, high in subject_intervals(frame, 0).values():
        assert 0 <= low <= high <= 1


def test_several_seeds_are_averaged_not_pooled():
    frames = [predictions(30, 5, np.random.default_rng(0)) for _ in range(2)]
    assert subject_intervals(frames, 0) == subject_intervals(frames[:1], 0)
    other = frames[0].copy()
    other[["p0", "p1", "p2"]] = np.random.default_rng(5).random((len(other), 3))
    low, high = subject_intervals([frames[0], other], 0)["acc"]
    ends = [subject_intervals(frame, 0)["acc"] for frame in (frames[0], other)]
    assert ends[1][0] < low < ends[0][0] and ends[1][1] < high < ends[0][1]


def test_parts_are_drawn_apart_and_averaged():
    frames = [predictions(12, 4, np.random.default_rng(seed), name) for seed, name in enumerate(("casme2", "samm"))]
    frame = pd.concat(frames)
    low, high = subject_intervals(frame, 0, parts=[["casme2"], ["samm"]])["acc"]
    mean = np.mean([metrics.accuracy(part["label"], guess_of(part), 3) for part in frames])
    assert low < mean < high
    draws = draw_subjects(np.repeat([0, 1], [12, 9]), 100, 0)
    assert (draws[:, :12].sum(axis=1) == 12).all() and (draws[:, 12:].sum(axis=1) == 9).all()


def test_multilabel():
    rng = np.random.default_rng(0)
    true = rng.random((60, 4)) < 0.4
    frame = pd.DataFrame({"dataset": "samm", "subject": np.repeat(range(12), 5), "label": bitmask(true)})
    frame[["p0", "p1", "p2", "p3"]] = np.where(rng.random(true.shape) < 0.8, true, ~true) * 0.8
    intervals = subject_intervals(frame, 0, multilabel=True)
    assert set(intervals) == {"au_f1", "au_macro_f1"}
    assert 0.5 < intervals["au_f1"][0] < intervals["au_f1"][1] < 0.95


def test_counts_line_up_by_subject_whatever_the_order():
    frame = predictions(6, 3, np.random.default_rng(0))
    counts, subjects, _ = subject_counts([frame, frame.sample(frac=1, random_state=0)])
    assert (counts[0] == counts[1]).all() and counts.shape == (2, 6, 3, 3) and len(subjects) == 6
