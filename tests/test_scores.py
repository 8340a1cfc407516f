import json

import numpy as np
import pytest
from predictions import predictions, write

from apexbench.errors import InputError
from apexbench.evaluation import metrics
from apexbench.evaluation.scores import learning_curves, read_predictions, read_scores, score_runs, write_scores


def test_scores_match_the_metrics(tmp_path):
    frame = predictions(epochs=3)
    paths = [
        write(tmp_path / "a.parquet", frame[frame["subject"] < 9]),
        write(tmp_path / "b.parquet", frame[frame["subject"] >= 9], device="gpu"),
    ]
    scores = score_runs({"ststnet": paths}, expected_clips=22).set_index("rule")
    final = frame[frame["epoch"] == 3]
    guess = final[["p0", "p1", "p2"]].to_numpy().argmax(1)
    row = scores.loc["last"]
    assert row["uf1"] == pytest.approx(metrics.uf1(final["label"], guess, 3), abs=1e-12)
    assert row["acc"] == row["k"] / row["n"] and row["n"] == 22
    assert (row["status"], row["seeds"], row["folds"], row["epochs"]) == ("ok", 1, 5, 3)
    assert (row["seconds"], row["device"], row["budget"], row["data_source"]) == (5.0, "cpu + gpu", "quick", "licensed")
    assert row["uf1_low"] <= row["uf1"] <= row["uf1_high"]
    assert np.isnan(row["uf1_sd"])
    assert json.loads(row["confusion"]) == metrics.confusion_matrix(final["label"], guess, 3).tolist()
    leaky = scores.loc["fold-oracle"]
    assert leaky["acc"] >= row["acc"] and leaky["leaking"] and not row["leaking"]
    assert np.isnan(leaky["uf1_low"])


def test_seeds_are_averaged_never_pooled(tmp_path):
    single = [write(tmp_path / f"{seed}.parquet", predictions(seed=seed)) for seed in (0, 1, 2)]
    both = score_runs({"ststnet": single}).query("rule == 'last'").iloc[0]
    each = [score_runs({"ststnet": [path]}).query("rule == 'last'").iloc[0]["uf1"] for path in single]
    assert both["seeds"] == 3 and both["n"] == 22 and both.isna()["k"]
    assert both["uf1"] == pytest.approx(np.mean(each))
    assert both["uf1_sd"] == pytest.approx(np.std(each, ddof=1))


def test_partial_skipped_and_synthetic(tmp_path):
    short = write(tmp_path / "a.parquet", predictions("a", subjects={6: 4}), data_source="synthetic")
    scores = score_runs({"a": [short], "null": []}, expected_clips=22)
    assert scores["status"].tolist() == ["partial", "partial", "skipped", "skipped"]
    assert scores["data_source"].tolist()[:2] == ["synthetic"] * 2
    whole = write(tmp_path / "b.parquet", predictions("a", seed=1))
    assert score_runs({"a": [short, whole]})["status"].tolist() == ["partial"] * 2  # seeds saw different clips
    with pytest.raises(InputError, match=r"the protocol has 3"):
        score_runs({"a": [short]}, expected_clips=3)


def test_csv_round_trip_keeps_a_run_called_null(tmp_path):
    scores = score_runs({"null": [write(tmp_path / "a.parquet", predictions("null"))]})
    write_scores(scores, tmp_path / "scores.csv")
    again = read_scores(tmp_path / "scores.csv")
    assert again["run"].tolist() == ["null", "null"]
    assert again["uf1"].tolist() == pytest.approx(scores["uf1"].tolist(), abs=1e-6)
    numbers = scores.select_dtypes("number").columns
    assert again[numbers].dtypes.equals(scores[numbers].dtypes)
    (tmp_path / "bad.csv").write_text("run,rule\n")
    with pytest.raises(InputError, match=r"bad\.csv: no column 'protocol'"):
        read_scores(tmp_path / "bad.csv")


def test_learning_curve_ends_at_the_last_epoch(tmp_path):
    paths = [write(tmp_path / f"{run}.parquet", predictions(run, epochs=e)) for run, e in (("b", 5), ("a", 1))]
    curves = learning_curves(paths)
    assert curves.groupby("run", sort=False).size().to_dict() == {"b": 5, "a": 1}
    scores = score_runs({"b": paths[:1]})
    assert curves.query("run == 'b'")["uf1"].iloc[-1] == pytest.approx(scores["uf1"].iloc[0])


FRAME = predictions(epochs=2)
HALF = FRAME[FRAME["subject"] < 9]


@pytest.mark.parametrize(
    ("frames", "changes", "message"),
    [
        ([FRAME.drop(columns=["onset", "p2"])], [{}], r"0\.parquet: misses onset, p2"),
        ([FRAME.iloc[:0]], [{}], r"0\.parquet: no predictions"),
        ([FRAME.assign(p1=np.nan)], [{}], r"0\.parquet: .*did it diverge"),
        ([FRAME.assign(label=3)], [{}], r"0\.parquet: .*unknown labels"),
        ([FRAME, FRAME.assign(run="b")], [{}, {"classes": ["x", "y", "z"]}], r"1\.parquet: classes are \['x'"),
        ([FRAME, HALF], [{}, {}], r"0\.parquet and .*1\.parquet: clip samm/6/06_1_0/100 is predicted twice"),
        (
            [FRAME, HALF.assign(seed=1)],
            [{}, {"code_hash": "k1"}],
            r"1\.parquet: other configuration or code than .*0\.",
        ),
        ([FRAME.iloc[:-1]], [{}], r"0\.parquet: clip samm/11/011_1_5/105 has not one fold"),
        ([HALF, HALF.assign(epoch=HALF["epoch"] + 2, fold="x")], [{}, {}], r"clip samm/6/06_1_0/100 has not one fold"),
    ],
)
def test_bad_predictions_are_refused(tmp_path, frames, changes, message):
    paths = [
        write(tmp_path / f"{number}.parquet", frame, **change)
        for number, (frame, change) in enumerate(zip(frames, changes, strict=True))
    ]
    with pytest.raises(InputError, match=message):
        read_predictions(paths)


def test_missing_damaged_and_misplaced_files(tmp_path):
    with pytest.raises(InputError, match=r"gone\.parquet: no such file"):
        read_predictions([tmp_path / "gone.parquet"])
    (tmp_path / "cut.parquet").write_bytes(write(tmp_path / "a.parquet", FRAME).read_bytes()[:300])
    with pytest.raises(InputError, match=r"cut\.parquet: damaged"):
        read_predictions([tmp_path / "cut.parquet"])
    FRAME.to_parquet(tmp_path / "plain.parquet")
    with pytest.raises(InputError, match=r"plain\.parquet: damaged, or not a predictions file"):
        read_predictions([tmp_path / "plain.parquet"])
    with pytest.raises(InputError, match="expected run 'mmnet' of one protocol, found test / samm-3 / ststnet"):
        score_runs({"mmnet": [tmp_path / "a.parquet"]})
