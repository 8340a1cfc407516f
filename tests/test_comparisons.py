import numpy as np
import pandas as pd
import pytest
from predictions import megc2019, random_predictions
from scipy import stats

from apexbench.evaluation.comparisons import (
    compare_runs,
    holm,
    mcnemar_counts,
    mcnemar_p,
    rank_runs,
)
from apexbench.evaluation.intervals import RESAMPLES
from apexbench.evaluation.multilabel import bitmask

# Demsar (2006), table 6: AUC of C4.5 and three variants on 14 data sets. One tie there is of rounded values.
RUNS = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]
DEMSAR = pd.DataFrame(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9752, 0.9748], [0.957, 0.978, 0.946, 0.970],
    ],
    columns=RUNS,
)  # fmt: skip


def test_ranks_of_demsar():
    ranking = rank_runs(DEMSAR)
    assert ranking.mean_ranks.round(3).to_dict() == {
        "C4.5+m+cf": 1.964, "C4.5+m": 2.0, "C4.5+cf": 2.893, "C4.5": 3.143,
    }  # fmt: skip
    assert round(ranking.statistic, 2) == 3.69
    assert ranking.p == pytest.approx(stats.f.sf(3.69, 3, 39), abs=2e-4)
    assert round(ranking.critical_difference, 2) == 1.25


def test_holm_against_the_best_of_demsar():
    """His own control is C4.5; between it and the best his z is 2.42 and his p .016."""
    table = rank_runs(DEMSAR).holm.set_index("run")
    assert table["z"].round(2).to_dict() == {"C4.5+m": 0.07, "C4.5+cf": 1.9, "C4.5": 2.42}
    assert round(table["p"]["C4.5"], 3) == 0.016
    assert (table["p_holm"] < 0.05).to_dict() == {"C4.5+m": False, "C4.5+cf": False, "C4.5": True}


def test_ranking_of_incomplete_scores():
    scores = DEMSAR.assign(broken=np.nan)
    scores.loc[0, "C4.5"] = np.nan
    scores.loc["empty"] = np.nan
    ranking = rank_runs(scores)
    assert ranking.left_out == ("C4.5", "broken") and len(ranking.protocols) == 14
    single = rank_runs(DEMSAR.iloc[:1])
    assert np.isnan([single.p, single.critical_difference]).all() and single.holm.empty
    assert single.mean_ranks.index[0] == "C4.5+m+cf"
    assert rank_runs(pd.DataFrame({"a": [0.9] * 4, "b": [0.5] * 4})).p == 0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, np.nan]) == pytest.approx([0.03, 0.06, 0.06, np.nan], nan_ok=True)
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0] and holm([]).tolist() == []


def test_mcnemar_by_hand():
    # 1 against 5 discordant clips: 2 (1 + 6) / 2^6
    assert mcnemar_p(1, 5) == pytest.approx(14 / 64)
    assert mcnemar_p(10, 0) == pytest.approx(2 / 2**10)
    assert mcnemar_p(0, 0) == mcnemar_p(3, 3) == 1


def frame_of(guesses, labels, subjects, classes=2):
    frame = pd.DataFrame({"dataset": "samm", "subject": subjects, "label": labels, "onset": 1})
    frame["clip"] = [f"c{number}" for number in range(len(frame))]
    frame[[f"p{c}" for c in range(classes)]] = np.eye(classes)[guesses]
    return frame


def permutation_p(first, second, score=None, permutations=RESAMPLES):
    frames = {"first": first, "second": second}
    return compare_runs(frames, "second", score, resamples=permutations)["p_permutation"].item()


def test_permutation_by_hand():
    # Three subjects of one clip, all right in the first run, all wrong in the second: 2 of 8 swaps are as extreme.
    first, second = frame_of([0, 1, 0], [0, 1, 0], [1, 2, 3]), frame_of([1, 0, 1], [0, 1, 0], [1, 2, 3])
    assert permutation_p([first], [second], "acc") == 0.25
    assert permutation_p([first], [first], "acc") == 1
    # A subject that both predict alike does not change the test.
    more = [frame_of([*g, 1], [0, 1, 0, 0], [1, 2, 3, 4]) for g in ([0, 1, 0], [1, 0, 1])]
    assert permutation_p([more[0]], [more[1]], "acc") == 0.25


def runs(skills, seed=0):
    """Final predictions on the official MEGC2019 list; a skill is added to the score of the true class."""
    table = megc2019()
    frames = {}
    for number, (run, skill) in enumerate(skills.items()):
        frame = random_predictions(table, 1, seed=100 * seed + number)
        frame[["p0", "p1", "p2"]] += skill * np.eye(3)[frame["label"]]
        frames[run] = [frame]
    return frames


def test_permutation_monte_carlo_agrees_with_the_exact_test(monkeypatch):
    frames = runs({"a": 0.5, "b": 0.3})
    part = {run: [frame[0].query("dataset == 'smic-hs' and subject < 9")] for run, frame in frames.items()}
    exact = permutation_p(part["a"], part["b"])
    monkeypatch.setattr("apexbench.evaluation.comparisons.EXACT", 0)
    drawn = permutation_p(part["a"], part["b"], permutations=4000)
    assert drawn == pytest.approx(exact, abs=0.03) and 0 < drawn < 1
    assert drawn == permutation_p(part["a"], part["b"], permutations=4000)
    # Never zero: the data themselves are one of the permutations.
    assert permutation_p(*runs({"a": 2.0, "b": 0.0}).values(), permutations=99) == 0.01


def test_false_alarms_are_rare_when_nothing_differs():
    p_values = [permutation_p(*runs({"a": 0.3, "b": 0.3}, seed).values(), permutations=199) for seed in range(40)]
    assert np.mean(np.array(p_values) <= 0.05) < 0.15 and np.mean(p_values) > 0.35


def test_compare_runs():
    frame = compare_runs(runs({"bad": 0.1, "good": 0.6, "near": 0.58}), resamples=1000)
    assert frame["reference"].unique().tolist() == ["good"] and frame["run"].tolist() == ["near", "bad"]
    bad, near = frame.set_index("run").loc["bad"], frame.set_index("run").loc["near"]
    assert (frame["difference"] < 0).all() and bad["high"] < 0
    assert near["low"] < near["difference"] < near["high"]
    assert bad["p_permutation"] == pytest.approx(1 / 1001) and bad["p_holm"] == pytest.approx(2 / 1001)
    assert bad["p_mcnemar"] < 1e-6 < 0.05 < near["p_mcnemar"]
    assert frame["clips"].tolist() == [442, 442] and frame["subjects"].tolist() == [68, 68]
    assert compare_runs(runs({"only": 0.1})).empty and compare_runs({}).empty
    named = compare_runs(runs({"bad": 0.1, "good": 0.6}), reference="bad", score="acc", resamples=100)
    assert named["run"].tolist() == ["good"] and named["difference"][0] > 0


def test_order_of_rows_does_not_matter():
    frames = runs({"a": 0.5, "b": 0.4})
    mixed = {run: [frame[0].sample(frac=1, random_state=3)] for run, frame in frames.items()}
    assert mcnemar_counts(*(f[0] for f in frames.values())) == mcnemar_counts(*(f[0] for f in mixed.values()))
    pd.testing.assert_frame_equal(compare_runs(frames, resamples=200), compare_runs(mixed, resamples=200))


def test_seeds_are_paired_and_averaged():
    one, two = runs({"a": 0.5, "b": 0.3}), runs({"a": 0.5, "b": 0.3}, seed=1)
    both = {run: [one[run][0], two[run][0]] for run in one}
    row = compare_runs(both, resamples=200).iloc[0]
    single = [compare_runs(frames, reference="a", resamples=200).iloc[0]["difference"] for frames in (one, two)]
    assert row["difference"] == pytest.approx(np.mean(single)) and row["seeds"] == 2


def test_a_run_without_randomness_stands_against_every_seed():
    one, two = runs({"a": 0.5, "b": 0.3}), runs({"a": 0.5, "b": 0.3}, seed=1)
    mixed = {"a": [one["a"][0], two["a"][0]], "b": one["b"]}
    row = compare_runs(mixed, reference="a", resamples=200).iloc[0]
    twice = compare_runs(mixed | {"b": one["b"] * 2}, reference="a", resamples=200).iloc[0]
    pd.testing.assert_series_equal(row, twice)
    assert row["seeds"] == 2 and row["note"] == ""


def test_other_clips_are_not_compared():
    frames = runs({"a": 0.5, "b": 0.3, "c": 0.1})
    frames["b"] = [frames["b"][0].iloc[:-1]]
    frames["c"], frames["a"] = frames["c"] * 2, frames["a"] * 3
    table = compare_runs(frames, resamples=200).set_index("run")
    assert table["note"].tolist() == ["other clips or seeds than the reference: not compared"] * 2
    assert table["p_permutation"].isna().all() and table["p_holm"].isna().all()
    # A part of the clips scores higher, and is no reference.
    whole = frames["a"][0]
    part = whole[whole[["p0", "p1", "p2"]].to_numpy().argmax(1) == whole["label"]]
    assert compare_runs({"a": frames["a"], "part": [part]}, resamples=50)["reference"].tolist() == ["a"]
    other = frames["a"][0].assign(label=0)
    with pytest.raises(ValueError, match="same clips with the same labels"):
        mcnemar_counts(frames["a"][0], other)


def test_parts_are_averaged():
    frames = runs({"a": 0.5, "b": 0.3})
    parts = [["smic-hs"], ["casme2"], ["samm"]]
    row = compare_runs(frames, parts=parts, resamples=200).iloc[0]
    single = [
        compare_runs(
            {run: [frame[0][frame[0]["dataset"].isin(part)]] for run, frame in frames.items()}, "a", resamples=50
        )
        for part in parts
    ]
    assert row["difference"] == pytest.approx(np.mean([part["difference"].iloc[0] for part in single]))


def test_multilabel():
    rng = np.random.default_rng(0)
    true = rng.random((120, 3)) < 0.4
    frames = {}
    for run, error in (("a", 0.1), ("b", 0.4)):
        frame = pd.DataFrame({"dataset": "samm", "subject": np.repeat(range(24), 5), "label": bitmask(true)})
        frame = frame.assign(clip=[f"c{n}" for n in range(120)], onset=1)
        frame[["p0", "p1", "p2"]] = (true ^ (rng.random(true.shape) < error)) * 0.9
        frames[run] = [frame]
    row = compare_runs(frames, multilabel=True, resamples=500).iloc[0]
    assert (row["run"], row["score"]) == ("b", "au_f1") and row["p_permutation"] < 0.01 and row["p_mcnemar"] < 0.01
