import json

import numpy as np
import pandas as pd
import pytest
from predictions import card, every_score, megc2019, predictions, random_predictions, table_of, write

from apexbench.errors import InputError
from apexbench.evaluation import metrics
from apexbench.evaluation.conventions import OF_FOLDS
from apexbench.evaluation.intervals import subject_intervals
from apexbench.evaluation.multilabel import bitmask
from apexbench.evaluation.predictions import read_predictions
from apexbench.evaluation.score_files import COLUMNS, read_curves, read_scores, write_scores
from apexbench.evaluation.scores import compare_predictions, learning_curves, score_runs
from apexbench.evaluation.selection import LEAKING, RULES, select
from apexbench.stages.scores import score_protocol

CARD = card()
FRAME = predictions(epochs=2)
HALF = FRAME[FRAME["subject"] < 9]
TABLE = table_of(FRAME)
MEGC = ["smic-hs", "casme2", "samm"]
MEGC_CARD = card(datasets=MEGC, slices={f"megc2019-{name}": [name] for name in MEGC})


def scored(paths_by_run, **changes):
    return score_runs(paths_by_run, **{"card": CARD, "table": TABLE, **changes})


def of_run(scores, run="ststnet", part=""):
    return scores[(scores["run"] == run) & (scores["slice"] == part)].set_index("rule")


def test_scores_match_the_metrics(tmp_path):
    frame = predictions(epochs=3)
    paths = [
        write(tmp_path / "a.parquet", frame[frame["subject"] < 9]),
        write(tmp_path / "b.parquet", frame[frame["subject"] >= 9], device="gpu"),
    ]
    scores = of_run(scored({"ststnet": paths}))
    assert set(scores.index) == set(RULES) - {"inner"} and set(scores.index[scores["leaking"]]) == LEAKING
    final = frame[frame["epoch"] == 3]
    guess = final[["p0", "p1", "p2"]].to_numpy().argmax(1)
    row = scores.loc["last"]
    assert row["uf1"] == pytest.approx(metrics.uf1(final["label"], guess, 3), abs=1e-12)
    assert row["acc"] == row["k"] / row["n"] and row["n"] == 22
    assert (row["status"], row["seeds"], row["folds"], row["epochs"]) == ("ok", 1, 5, 3)
    assert (row["seconds"], row["device"], row["budget"], row["data_source"]) == (5.0, "cpu + gpu", "quick", "licensed")
    assert row["protocol"] == "samm-3" and row["note"] == ""
    assert row["uf1_low"] <= row["uf1"] <= row["uf1_high"]
    assert np.isnan(row["uf1_sd"])
    assert json.loads(row["confusion"]) == metrics.confusion_matrix(final["label"], guess, 3).tolist()
    for rule in scores.index:
        expected = every_score(select(frame, rule))
        assert {name: scores.loc[rule, name] for name in expected} == pytest.approx(expected), rule
    leaky = scores.loc["fold-oracle"]
    assert leaky["acc"] >= row["acc"] and np.isnan(leaky["uf1_low"])


def test_folds_count_in_the_order_of_the_table(tmp_path):
    path = write(tmp_path / "a.parquet", FRAME)
    one = of_run(scored({"ststnet": [path]})).loc["last"]
    other = of_run(scored({"ststnet": [path]}, table=TABLE[::-1])).loc["last"]
    assert one["cumulative_acc"] != other["cumulative_acc"] and one["uf1"] == other["uf1"]
    folds = [part for _, part in select(FRAME, "last").groupby("subject", sort=False)]
    assert other["cumulative_acc"] == pytest.approx(every_score(pd.concat(folds[::-1]))["cumulative_acc"])


def test_seeds_are_averaged_never_pooled(tmp_path):
    single = [write(tmp_path / f"{seed}.parquet", predictions(seed=seed, epochs=2)) for seed in (0, 1, 2)]
    both = of_run(scored({"ststnet": single})).loc["last"]
    each = [of_run(scored({"ststnet": [path]})).loc["last"] for path in single]
    assert both["seeds"] == 3 and both["n"] == 22 and both.isna()["k"]
    assert both["uf1"] == pytest.approx(np.mean([row["uf1"] for row in each]))
    assert both["uf1_sd"] == pytest.approx(np.std([row["uf1"] for row in each], ddof=1))
    last = [select(predictions(seed=seed, epochs=2), "last") for seed in (0, 1, 2)]
    assert (both["acc_low"], both["acc_high"]) == pytest.approx(subject_intervals(last, 0)["acc"])


def test_partial_skipped_and_synthetic(tmp_path):
    short = write(tmp_path / "a.parquet", predictions("a", subjects={6: 4}), data_source="synthetic")
    scores = scored({"a": [short], "b": []}, reasons={"b": "needs a GPU"})
    assert of_run(scores, "a")["status"].unique() == ["partial"]
    skipped = of_run(scores, "b")
    assert skipped["status"].unique() == ["skipped"] and skipped["note"].unique() == ["needs a GPU"]
    assert set(scores.loc[scores["run"] != "b", "data_source"]) == {"synthetic"}
    assert of_run(scored({"b": []}), "b")["note"].unique() == ["no predictions files"]
    whole = write(tmp_path / "b.parquet", predictions("a", seed=1))
    row = of_run(scored({"a": [short, whole]}), "a").loc["last"]  # seeds saw different clips
    assert row["status"] == "partial" and row["n"] == 4


def test_csv_round_trip_keeps_a_run_called_null(tmp_path):
    scores = scored({"null": [write(tmp_path / "a.parquet", predictions("null", epochs=2))]})
    write_scores(scores, tmp_path / "scores.csv")
    again = read_scores(tmp_path / "scores.csv")
    assert again.columns.tolist() == COLUMNS and set(again["run"]) == {"null", "null-model"}
    assert again["uf1"].tolist() == pytest.approx(scores["uf1"].tolist(), abs=1e-6)
    assert again["slice"].unique().tolist() == [""] and again["note"][0] == ""
    numbers = scores.select_dtypes("number").columns
    assert again[numbers].dtypes.equals(scores[numbers].dtypes)
    (tmp_path / "bad.csv").write_text("run,rule\n")
    with pytest.raises(InputError, match=r"bad\.csv: no column 'protocol'"):
        read_scores(tmp_path / "bad.csv")


# slices, parts, null model


@pytest.fixture(scope="module")
def random_scores(tmp_path_factory):
    """Scores of a run that knows nothing, on the official list of MEGC2019, end to end."""
    table = megc2019()
    path = write(tmp_path_factory.mktemp("random") / "a.parquet", random_predictions(table, 100))
    return score_runs({"ststnet": [path]}, MEGC_CARD, table)


def test_random_scores_inflate_as_published(random_scores):
    """Uniform draws, best of 100 epochs on each test subject: UF1 .721, sd .0125; after the last epoch .315."""
    scores = of_run(random_scores)
    assert abs(scores.loc["fold-oracle", "uf1"] - 0.7209) < 4 * 0.0125
    assert abs(scores.loc["fold-oracle", "acc"] - 0.7465) < 4 * 0.0109
    assert abs(scores.loc["last", "uf1"] - 0.3147) < 4 * 0.0223
    assert scores.loc["last", "uf1_low"] < 1 / 3 < scores.loc["last", "uf1_high"]
    assert scores.loc["last", "uf1"] < scores.loc["global-oracle", "uf1"] < 0.45


def test_the_null_model_stands_beside_every_row(random_scores):
    null = random_scores[random_scores["run"] == "null-model"]
    assert set(zip(null["slice"], null["rule"], strict=True)) == {
        (part, rule) for part in ["", *MEGC_CARD.slices] for rule in RULES
    }
    rows = null[null["slice"] == ""].set_index("rule")
    assert (rows["epochs"] == 100).all() and (rows["n"] == 442).all() and (rows["folds"] == 68).all()
    assert abs(rows.loc["fold-oracle", "uf1"] - 0.7439) < 4 * 0.0132 / np.sqrt(40)
    assert rows.loc["fold-oracle", "uf1_sd"] == pytest.approx(0.0132, rel=0.5)
    assert abs(rows.loc["last", "uf1"] - 0.3346) < 4 * 0.0223 / np.sqrt(40)
    assert rows["status"].eq("ok").all() and rows.loc["last", "note"] == "mean and sd of 40 repeats"
    assert rows.loc["last", ["uf1_low", "seeds"]].isna().all()


def test_epochs_of_the_null_model(tmp_path):
    one_shot = write(tmp_path / "a.parquet", predictions("a", epochs=1))
    longer = write(tmp_path / "b.parquet", predictions("b", epochs=7))
    assert set(of_run(scored({"a": [one_shot]}), "null-model")["epochs"]) == {100}
    shorter = write(tmp_path / "c.parquet", predictions("c", epochs=3))
    scores = scored({"a": [one_shot], "b": [longer], "c": [shorter]})
    assert set(of_run(scores, "null-model")["epochs"]) == {7} and set(of_run(scores, "null-model-3")["epochs"]) == {3}
    assert not len(scores[scores["run"] == "null-model-1"]), "without epochs there is nothing to pick"
    oracle = {run: of_run(scores, run).loc["fold-oracle", "acc"] for run in ("null-model", "null-model-3")}
    assert of_run(scores, "null-model").loc["last", "acc"] < oracle["null-model-3"] < oracle["null-model"]
    assert of_run(scores, "null-model").equals(of_run(scored({"b": [longer]}), "null-model")), "shorter runs add only"
    alone = of_run(scored({"a": []}), "null-model")
    assert set(alone["epochs"]) == {100} and alone.loc["last", "uf1"] > 0


def test_slices_are_parts_of_the_same_predictions(random_scores):
    whole = of_run(random_scores)
    parts = [of_run(random_scores, part=name) for name in MEGC_CARD.slices]
    assert [part.loc["last", "n"] for part in parts] == [164, 145, 133]
    for rule in ("last", "fold-oracle", "global-oracle"):
        assert sum(part.loc[rule, "k"] for part in parts) == whole.loc[rule, "k"]
        pooled = sum(np.array(json.loads(part.loc[rule, "confusion"])) for part in parts)
        assert pooled.tolist() == json.loads(whole.loc[rule, "confusion"])
        folds = sum(part.loc[rule, "mean_fold_acc"] * part.loc[rule, "folds"] for part in parts)
        assert whole.loc[rule, "mean_fold_acc"] == pytest.approx(folds / 68)


def test_average_over_data_sets(tmp_path):
    table = megc2019()
    table["fold"] = table["dataset"]
    path = write(tmp_path / "a.parquet", random_predictions(table, 3))
    of_each = {"average": "datasets", "split": "leave-one-dataset-out", "slices": MEGC_CARD.slices}
    scores = score_runs({"ststnet": [path]}, card(datasets=MEGC, **of_each), table)
    whole = of_run(scores)
    for run in ("ststnet", "null-model"):
        parts = [of_run(scores, run, name) for name in MEGC_CARD.slices]
        for score in ("uf1", "acc", "hm_f1"):
            mean = np.mean([part.loc["last", score] for part in parts])
            assert of_run(scores, run).loc["last", score] == pytest.approx(mean), (run, score)
    assert whole.loc["last", "uf1_low"] < whole.loc["last", "uf1"] < whole.loc["last", "uf1_high"]
    assert whole.isna()["k"].all() and of_run(scores, part="megc2019-samm")["k"].notna().all()


def test_a_part_without_clips_does_not_shrink_a_mean(tmp_path):
    table = megc2019()
    frame = random_predictions(table, 2)
    path = write(tmp_path / "a.parquet", frame[frame["dataset"] != "samm"])
    averaged = card(datasets=MEGC, average="datasets", slices=MEGC_CARD.slices)
    scores = score_runs({"ststnet": [path]}, averaged, table)
    row = of_run(scores).loc["last"]
    assert row["status"] == "partial" and np.isnan(row["uf1"]) and row["note"] == "no clips of samm"
    assert of_run(scores, part="megc2019-casme2").loc["last", "status"] == "ok"
    empty = of_run(scores, part="megc2019-samm").loc["last"]
    assert (empty["status"], empty["n"], empty["expected"]) == ("partial", 0, 133)


# inner


def inner_of(frame, skill_at):
    """Inner predictions of every fold: all clips of other folds, right at one epoch."""
    parts = []
    for fold in frame["fold"].unique():
        part = frame[frame["fold"] != fold].copy()
        wrong = part["epoch"].to_numpy() != skill_at
        part[["p0", "p1", "p2"]] = np.eye(3)[(part["label"].to_numpy() + wrong) % 3]
        parts.append(part.assign(fold=fold))
    return pd.concat(parts)


def test_inner_rows(tmp_path):
    frame = predictions(epochs=4)
    path = write(tmp_path / "a.parquet", frame)
    inner = write(tmp_path / "inner.parquet", inner_of(frame, skill_at=2), seconds=10)
    scores = of_run(scored({"ststnet": [path]}, inner_by_run={"ststnet": [inner]}))
    row = scores.loc["inner"]
    expected = every_score(frame[frame["epoch"] == 2])
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert not row["leaking"] and row["uf1_low"] <= row["uf1"] <= row["uf1_high"]
    assert row["seconds"] == 12.5 and scores.loc["last", "seconds"] == 2.5
    assert "inner" not in of_run(scored({"ststnet": [path]}, inner_by_run={"ststnet": []})).index


def test_incomplete_inner_predictions_are_said(tmp_path):
    frame = predictions(epochs=2)
    path = write(tmp_path / "a.parquet", frame)
    part = inner_of(frame, 1)
    inner = write(tmp_path / "inner.parquet", part[part["fold"] != "samm:9"])
    row = of_run(scored({"ststnet": [path]}, inner_by_run={"ststnet": [inner]})).loc["inner"]
    assert row["status"] == "skipped" and row["note"] == "no inner predictions for seed 0, fold samm:9"
    assert np.isnan(row["uf1"])


def test_inner_predictions_of_the_test_clips_are_refused(tmp_path):
    path = write(tmp_path / "a.parquet", FRAME)
    with pytest.raises(InputError, match="validates fold 'samm:6', which tests it"):
        scored({"ststnet": [path]}, inner_by_run={"ststnet": [path]})
    stale = write(tmp_path / "b.parquet", HALF.assign(fold="samm:99"))
    with pytest.raises(InputError, match="a fold that the protocol does not have"):
        scored({"ststnet": [path]}, inner_by_run={"ststnet": [stale]})


# multi-label


def several(epochs=3):
    rng = np.random.default_rng(0)
    frame = predictions(epochs=epochs)
    true = rng.random((len(TABLE), 3)) < 0.5
    labels = dict(zip(TABLE["clip"], bitmask(true), strict=True))
    frame["label"] = frame["clip"].map(labels)
    present = frame["label"].to_numpy()[:, None] >> np.arange(3) & 1
    frame[["p0", "p1", "p2"]] = np.where(rng.random(present.shape) < 0.7, present, 1 - present) * 0.8
    return frame


def test_multilabel_scores(tmp_path):
    frame = several()
    path = write(tmp_path / "a.parquet", frame, multilabel=True)
    scores = scored({"ststnet": [path]}, card=card(target="aus"), table=table_of(frame))
    mine = of_run(scores)
    assert mine.loc["last", "au_f1_low"] < mine.loc["last", "au_f1"] < mine.loc["last", "au_f1_high"]
    assert mine.loc["fold-oracle", "au_f1"] > mine.loc["last", "au_f1"]
    assert mine[["acc", "uf1", *OF_FOLDS, "k"]].isna().all(axis=None)
    assert np.array(json.loads(mine.loc["last", "confusion"])).shape == (3, 2, 2)
    null = of_run(scores, "null-model")
    assert null.loc["last", "au_f1"] < null.loc["fold-oracle", "au_f1"]
    curves = learning_curves([path])
    assert curves["uf1"].iloc[-1] == pytest.approx(mine.loc["last", "au_f1"])


# curves, comparisons


def test_learning_curve_ends_at_the_last_epoch(tmp_path):
    paths = [write(tmp_path / f"{run}.parquet", predictions(run, epochs=e)) for run, e in (("b", 5), ("a", 1))]
    curves = learning_curves(paths)
    assert curves.groupby("run", sort=False).size().to_dict() == {"b": 5, "a": 1}
    assert curves.query("run == 'b'")["uf1"].iloc[-1] == pytest.approx(
        of_run(scored({"b": paths[:1]}), "b").loc["last", "uf1"]
    )


def test_comparisons_of_files(tmp_path):
    paths = {
        run: [write(tmp_path / f"{run}{seed}.parquet", predictions(run, seed=seed, skill=skill)) for seed in (0, 1)]
        for run, skill in (("weak", 0.0), ("strong", 0.9))
    }
    table = compare_predictions({**paths, "skipped": []}, CARD)
    row = table.iloc[0]
    scores = scored(paths)
    difference = of_run(scores, "weak").loc["last", "uf1"] - of_run(scores, "strong").loc["last", "uf1"]
    assert (row["run"], row["reference"], row["seeds"]) == ("weak", "strong", 2) and len(table) == 1
    assert row["difference"] == pytest.approx(difference)
    write_scores(table, tmp_path / "comparisons.csv")
    assert pd.read_csv(tmp_path / "comparisons.csv").columns.tolist() == table.columns.tolist()


# bad input


@pytest.mark.parametrize(
    ("frames", "changes", "message"),
    [
        ([FRAME.drop(columns=["onset", "p2"])], [{}], r"0\.parquet: misses onset, p2"),
        ([FRAME.iloc[:0]], [{}], r"0\.parquet: no predictions"),
        ([FRAME.assign(p1=np.nan)], [{}], r"0\.parquet: .*did it diverge"),
        ([FRAME.assign(label=3)], [{}], r"0\.parquet: .*unknown labels"),
        ([FRAME.assign(label=8)], [{"multilabel": True}], r"0\.parquet: .*unknown labels"),
        ([FRAME, FRAME.assign(run="b")], [{}, {"classes": ["x", "y", "z"]}], r"1\.parquet: classes are \['x'"),
        ([FRAME, FRAME.assign(run="b")], [{}, {"multilabel": True}], r"1\.parquet: multilabel are True"),
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
    with pytest.raises(InputError, match="expected run 'mmnet' of one protocol, found samm-3 / ststnet"):
        scored({"mmnet": [tmp_path / "a.parquet"]})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE[TABLE["subject"] < 9], r"a\.parquet .*: clip samm/9/09_1_0/100 is not in the protocol's table"),
        (TABLE.assign(label=2), r"a\.parquet .* has another label in the protocol's table"),
        (TABLE.assign(fold="samm:1"), r"a\.parquet .* is of another fold in the protocol's table"),
    ],
)
def test_predictions_of_another_protocol_are_refused(tmp_path, table, message):
    path = write(tmp_path / "a.parquet", FRAME)
    with pytest.raises(InputError, match=message):
        scored({"ststnet": [path]}, table=table)


def test_classes_must_be_those_of_the_protocol(tmp_path):
    path = write(tmp_path / "a.parquet", FRAME)
    with pytest.raises(InputError, match=r"classes \['negative'.*the protocol has \['a', 'b', 'c'\]"):
        scored({"ststnet": [path]}, card=card(classes=["a", "b", "c"]))
    with pytest.raises(InputError, match=r"multilabel False; the protocol has .* True"):
        scored({"ststnet": [path]}, card=card(target="aus"))


@pytest.mark.parametrize(
    ("compared", "pairs"),
    [
        ({"": ["good", "bad"]}, [("bad", "good", "")]),
        ({"": ["bad"]}, []),
        ({"": []}, []),
        ({"": ["good", "bad"], "t": ["bad", "best"]}, [("bad", "good", ""), ("best", "bad", "t")]),
        ({"": [], "t": ["bad", "good"], "absent": ["none", "good"]}, [("good", "bad", "t")]),
    ],
)
def test_runs_that_are_not_compared_are_scored_all_the_same(tmp_path, compared, pairs):
    skill = {"bad": 0.1, "good": 0.4, "best": 9.0}
    runs = {run: [write(tmp_path / run, predictions(run, epochs=1, skill=s))] for run, s in skill.items()}
    runs["none"] = []
    TABLE.assign(emotion="", **{"class": ""}).to_csv(tmp_path / "table.csv", index=False)
    paths = {name: tmp_path / f"{name}.csv" for name in ("scores", "comparisons", "curves")}
    known = {"by_epoch": ["best", "none"], "card": CARD.model_dump(), "protocol": tmp_path / "table.csv", "seed": 0}
    score_protocol(runs=runs, inner={}, skipped={}, compared=compared, **known, **paths)
    assert set(read_scores(paths["scores"])["run"]) == {*runs, "null-model"}
    found = pd.read_csv(paths["comparisons"], keep_default_na=False)
    assert list(zip(found["run"], found["reference"], found["table"], strict=True)) == pairs
    assert read_curves(paths["curves"])["run"].tolist() == ["best"], "the other has no files"


# files that no training of ours wrote


def test_a_clip_of_other_epochs_is_refused(tmp_path):
    """As many epochs are not the same: under the rule `last` the clip would be left out, and nothing would say so."""
    frame = predictions(epochs=3)
    moved = (frame["clip"] == frame["clip"].iloc[0]) & (frame["epoch"] == 3)
    path = write(tmp_path / "a.parquet", frame.assign(epoch=frame["epoch"].mask(moved, 9)))
    with pytest.raises(InputError, match="every epoch of its fold"):
        read_predictions([path])


def test_few_bytes_do_not_become_many(tmp_path, monkeypatch):
    frame = predictions(epochs=1)
    whole = write(tmp_path / "a.parquet", frame.assign(other="x" * 5000))
    assert len(read_predictions([whole])[0]) == len(frame), "a column that is not wanted is not read"
    long = write(tmp_path / "b.parquet", frame.assign(clip="x" * 5000))
    with pytest.raises(InputError, match=r"b\.parquet: .*column 'clip': a text of 5000 bytes; at most 1000 are read"):
        read_predictions([long])
    none = write(tmp_path / "c.parquet", frame.assign(method=[None, *frame["method"][1:]]))
    with pytest.raises(InputError, match=r"c\.parquet: column 'method': a row without a value"):
        read_predictions([none])
    monkeypatch.setattr("apexbench.store.parquet._TEXTS", 50)
    with pytest.raises(InputError, match="at most 0 are read"):
        read_predictions([whole])
    monkeypatch.setattr("apexbench.store.parquet.ROWS", 10)
    with pytest.raises(InputError, match="22 rows, 0 MB; at most 10 rows"):
        read_predictions([whole])
