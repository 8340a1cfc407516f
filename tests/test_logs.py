"""Logs in the submission format of MEGC2019: out of a run, and in as a run."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from apexbench.cli import main
from apexbench.errors import InputError
from apexbench.evaluation.export_log import export_log
from apexbench.protocols import COLUMNS, read_protocol
from apexbench.stages.import_log import import_log
from apexbench.training.record import Job, Scored, record_of, write_predictions

CLASSES = ("negative", "positive", "surprise")
JOB = Job(0, "p", CLASSES, "mine", "ststnet", {}, 0, "quick", "synthetic", "c0de")


@pytest.fixture
def table(tmp_path):
    """A protocol table of two data sets, and its path."""
    clips = [
        ("casme2", 1, "EP02_01f"),
        ("casme2", 1, "EP03_02"),
        ("casme2", 26, "EP02_01f"),
        ("smic-hs", 1, "s1_ne_01"),
    ]
    rows = [(d, s, c, 10 + n, CLASSES[n % 3], n % 3, CLASSES[n % 3], f"{d}:{s}") for n, (d, s, c) in enumerate(clips)]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(tmp_path / "p.csv", index=False)
    return read_protocol(tmp_path / "p.csv")


def _predictions(table, path, seed=0):
    """Two epochs: the first all right, the last all wrong."""
    right = np.eye(3, dtype=np.float32)[table["label"]]
    job = Job(**{**JOB.__dict__, "seed": seed})
    done = [
        Scored(fold, list(rows), np.stack([right[rows], np.roll(right, 1, axis=1)[rows]]))
        for fold, rows in table.groupby("fold").indices.items()
    ]
    write_predictions(job, table, done, record_of(job, len(done)), str(path))
    return path


def _import(table, tmp_path, log, job=JOB):
    files = {"log": str(log), "protocol": str(tmp_path / "p.csv"), "output": tmp_path / "o.parquet"}
    import_log(job=job.__dict__, folds=list(dict.fromkeys(table["fold"])), **files)
    return pd.read_parquet(tmp_path / "o.parquet")


def test_what_is_exported_comes_back(table, tmp_path):
    path = _predictions(table, tmp_path / "in.parquet")
    assert main(["export-log", str(path), str(tmp_path / "log.txt")]) == 0
    assert (tmp_path / "log.txt").read_text().splitlines() == [
        "casme2 sub01", "EP02_01f 0 1", "EP03_02 1 2", "casme2 sub26", "EP02_01f 2 0", "smic s01", "s01_ne_01 0 1"
    ]  # fmt: skip
    before = pd.read_parquet(path)
    before = before[before["epoch"] == 2].drop(columns=["epoch", "method"])
    after = _import(table, tmp_path, tmp_path / "log.txt").drop(columns=["epoch", "method"])
    order = ["dataset", "subject", "clip"]
    pd.testing.assert_frame_equal(*(part.sort_values(order, ignore_index=True) for part in (before, after)))
    record = json.loads(pyarrow.parquet.read_schema(tmp_path / "o.parquet").metadata[b"apexbench"])
    assert record["folds"] == 3 and record["seconds"] == 0


def test_a_log_is_read_as_a_run_on_given_flow_maps(table, tmp_path):
    path = _predictions(table, tmp_path / "in.parquet")
    main(["export-log", str(path), str(tmp_path / "log.txt")])
    maps = table.assign(dataset=table["dataset"] + "-flow", clip=table["clip"].replace({"s1_ne_01": "s01_ne_01"}))
    maps = maps.assign(fold=maps["dataset"] + ":" + maps["subject"].astype(str))
    maps[list(COLUMNS)].to_csv(tmp_path / "p.csv", index=False)
    after = _import(maps, tmp_path, tmp_path / "log.txt")
    assert sorted(after["clip"]) == sorted(maps["clip"]) and set(after["dataset"]) == {"casme2-flow", "smic-hs-flow"}
    assert (after[["p0", "p1", "p2"]].to_numpy().argmax(axis=1) == (after["label"] + 1) % 3).all(), "as exported"


def test_another_rule(table, tmp_path):
    path = _predictions(table, tmp_path / "in.parquet")
    assert export_log([path], "fold-oracle", None, tmp_path / "log.txt") == 4
    assert "EP02_01f 0 0" in (tmp_path / "log.txt").read_text()
    assert main(["export-log", str(path), str(tmp_path / "log.txt"), "--rule", "fold-oracel"]) == 1


def test_several_seeds(table, tmp_path):
    paths = [_predictions(table, tmp_path / f"{seed}.parquet", seed) for seed in (0, 1)]
    with pytest.raises(InputError, match=r"several values of 'seed' \(0, 1\); give one"):
        export_log(paths, "last", None, tmp_path / "log.txt")
    assert export_log(paths, "last", 1, tmp_path / "log.txt") == 4
    with pytest.raises(InputError, match=r"no predictions of seed 2; there are 0, 1"):
        export_log(paths, "last", 2, tmp_path / "log.txt")


def test_clips_that_a_log_lacks_are_named_and_left_out(table, tmp_path, caplog):
    (tmp_path / "log.txt").write_text("casme2 sub01\nEP02_01f 0 1\n")
    frame = _import(table, tmp_path, tmp_path / "log.txt")
    assert frame[["clip", "label", "p1"]].values.tolist() == [["EP02_01f", 0, 1.0]]
    assert (
        "no prediction for 3 clip(s): casme2/1/EP03_02/11, casme2/26/EP02_01f/12, smic-hs/1/s1_ne_01/13" in caplog.text
    )


def test_a_log_of_other_labels_is_refused(table, tmp_path):
    (tmp_path / "log.txt").write_text("casme2 sub01\nEP02_01f 2 1\n")
    with pytest.raises(
        InputError, match=r"log\.txt: clip EP02_01f of casme2 subject 1 has the label 2; p has 0 \(negative\)"
    ):
        _import(table, tmp_path, tmp_path / "log.txt")


def test_a_log_without_any_of_the_clips(table, tmp_path):
    (tmp_path / "log.txt").write_text("samm 6\n006_1_2 0 1\n")
    assert _import(table, tmp_path, tmp_path / "log.txt").empty
