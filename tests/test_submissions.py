"""Predictions made by others: their card, what scoring them checks, and their row beside those that are run here."""

import json
import logging
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_study
import yaml

from apexbench.cli import main, make_parser
from apexbench.config.submissions import SubmissionCard
from apexbench.errors import InputError
from apexbench.score.predictions import decided
from apexbench.score.reading import read
from apexbench.score.submissions import submitted
from apexbench.stages.import_log import import_log
from apexbench.study import Study
from apexbench.training.record import Job

ROOT = Path(__file__).parent.parent
CARD = {
    "title": "Their network",
    "contact": "someone@example.org",
    "method": "A small network on flow, trained for 30 epochs; the last one counts.",
    "tuned": "the learning rate, on CASME II",
    "protocol": "samm-3",
    "code": "https://example.org/code",
    "year": 2026,
}
CLASSES = ["negative", "positive", "surprise"]


@pytest.fixture(scope="module")
def table():
    """The clips that the predictions are of."""
    return small_study.clips("samm", CLASSES)


def _rows(table, epochs=0):
    """A row for each clip (and epoch), half of them right, classes by name."""
    frame = table[["dataset", "subject", "clip"]].assign(truth=table["class"])
    frame["prediction"] = np.where(np.arange(len(table)) % 2, "surprise", table["class"])
    return pd.concat([frame.assign(epoch=epoch + 1) for epoch in range(epochs)]) if epochs else frame


def _submit(root, rows, name="theirs", file="predictions.csv", **changes):
    """Write a submission; a change to None leaves the field out."""
    folder = root / "submissions" / name
    folder.mkdir(parents=True, exist_ok=True)
    card = {key: value for key, value in (CARD | changes).items() if value is not None}
    (folder / "submission.yaml").write_text(yaml.safe_dump(card))
    (folder / file).write_text(rows if isinstance(rows, str) else rows.to_csv(index=False))
    return folder


# scored alone


def test_a_submission_is_scored_by_its_card(tmp_path, table, capsys):
    assert main(["score", str(_submit(tmp_path, _rows(table)))]) == 0
    said = capsys.readouterr().out
    assert "Their network" in said and "Protocol samm-3 (as asked for)" in said
    assert "submission of 2026 by someone@example.org; tuned: the learning rate, on CASME II" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contact": None}, "submission.yaml: field 'contact': missing"),
        ({"contact": "me"}, "submission.yaml: field 'contact': an address of mail, or of a page"),
        ({"tuned": ""}, "submission.yaml: field 'tuned': String should have at least 1 character"),
        ({"method": "a CNN"}, "submission.yaml: field 'method': String should have at least 20 characters"),
        (
            {"code": "on request"},
            "submission.yaml: field 'code': an address that begins with https://",
        ),
        ({"year": "soon"}, "submission.yaml: field 'year': Input should be a valid integer"),
        ({"protocol": "sam-3"}, "submission.yaml: field 'protocol': unknown name 'sam-3'; did you mean 'samm-3'"),
        ({"protocol": "samm-5"}, "predictions.csv, field 'classes' of submission.yaml: class 'negative'; samm-5"),
        ({"titel": "x"}, "submission.yaml: field 'titel': unknown key; did you mean 'title'?"),
        ({"predictions": "../x.csv"}, "submission.yaml: field 'predictions': the name of a file beside the card"),
        (
            {"predictions": "x.csv"},
            "submission.yaml: field 'predictions': no file 'x.csv' beside it; Known",
        ),
        ({"title": "two\nlines"}, "submission.yaml: field 'title': one line of letters, digits and signs"),
        ({"title": "red\x1b[31m"}, "submission.yaml: field 'title': one line of letters, digits and signs"),
        ({"title": "  "}, "submission.yaml: field 'title': one line of letters, digits and signs"),
        ({"classes": ["a", "A", "b"]}, "submission.yaml: field 'classes': two names or more, all different"),
        ({"classes": ["a", "b"]}, "field 'prediction': 'positive'; expected one of the classes a, b"),
    ],
)
def test_a_card_is_checked_field_by_field(tmp_path, table, capsys, changes, message):
    assert main(["score", str(_submit(tmp_path, _rows(table), **changes))]) == 1
    said = capsys.readouterr().err
    assert "submissions/theirs/" in said and message in said, said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop(columns="subject"), "predictions.csv, field 'subject': not there"),
        (lambda rows: pd.concat([rows, rows[:1]]), "field 'clip': samm 6 06_1_0 (lines 2, 24) stands twice"),
        (lambda rows: rows.replace({"prediction": "surprise"}, ""), "line 3, field 'prediction': ''; expected a value"),
        (lambda rows: "", "empty; expected a MEGC2019 log"),
    ],
)
def test_its_predictions_are_checked_by_line_and_field(tmp_path, table, capsys, change, message):
    assert main(["score", str(_submit(tmp_path, change(_rows(table))))]) == 1
    assert message in capsys.readouterr().err


def test_a_class_that_never_occurs_is_the_protocol_s(tmp_path, table, capsys):
    few = table["class"] != "surprise"
    rows = table.loc[few, ["subject", "clip"]].assign(truth=table["class"], prediction="negative")
    assert main(["score", str(_submit(tmp_path, rows)), "--json"]) == 0
    (system,) = json.loads(capsys.readouterr().out)["systems"]
    assert system["classes"] == CLASSES and not any("--classes" in remark for remark in system["remarks"])
    assert system["numbers"]["parts"]["all"]["k"] == (rows["truth"] == "negative").sum()
    log = "casme2 sub01\nEP02_01f 1 0\n"
    card = {"protocol": "megc2019", "classes": ["a", "b", "c"], "file": "log.txt"}
    assert main(["score", str(_submit(tmp_path, log, "logged", **card))]) == 1
    said = capsys.readouterr().err
    assert "submission.yaml: field 'classes': those of" in said and "leave the field out" in said


def test_labels_are_those_of_the_official_list(tmp_path, capsys):
    log = "casme2 sub01\nEP02_01f {} 0\n"
    card = {"protocol": "megc2019", "file": "log.txt"}
    right = next(n for n in (0, 1) if main(["score", str(_submit(tmp_path, log.format(n), **card))]) == 0)
    assert main(["score", str(_submit(tmp_path, log.format(2), **card))]) == 1
    assert "log.txt, field 'label': casme2 1 EP02_01f (line 2): surprise, the list has" in capsys.readouterr().err
    assert main(["score", str(_submit(tmp_path, log.replace("EP02_01f", "EP99").format(1), **card))]) == 1
    assert "log.txt, field 'clip': no clip has a name of the list of megc2019" in capsys.readouterr().err
    both = f"casme2 sub01\nEP02_01f {right} 0\nEP99 1 0\n"
    assert main(["score", str(_submit(tmp_path, both, **card))]) == 1
    assert "log.txt, field 'clip': casme2 1 EP99 is not on the list of megc2019" in capsys.readouterr().err


def test_a_card_without_a_file_and_one_with_two(tmp_path, table, capsys):
    folder = _submit(tmp_path, _rows(table))
    (folder / "notes.txt").write_text("x")
    assert main(["score", str(folder)]) == 1
    assert "name the file beside the card that holds them; found notes.txt, predictions.csv" in capsys.readouterr().err
    for path in folder.glob("[np]*"):
        path.unlink()
    assert main(["score", str(folder)]) == 1
    assert "found no other file" in capsys.readouterr().err


# in a study


def test_a_submission_has_a_row_beside_those_that_are_run_here(root, table):
    _submit(root, _rows(table, epochs=2))
    study = small_study.make(root, submissions=["theirs"], tables=["leaderboard", "comparisons"])
    assert study.runs["theirs"].note.startswith("Submitted by someone@example.org. A small network")
    page = (root / "results/small/tables/leaderboard.md").read_text()
    assert "| Their network <sub>submitted, predictions verified</sub> |" in page
    assert "| flow pixels + RBF SVM <sub>run here</sub> |" in page and "| null model" in page
    assert "submitted, predictions verified" in (root / "results/small/tables/comparisons.md").read_text()
    short = (root / "results/small/tables/short/leaderboard.md").read_text()
    assert "Their network <sub>submitted, predictions verified</sub>" in short
    scores = pd.read_csv(root / "results/small/scores/samm-3.csv").set_index(["run", "rule"])
    right = (_rows(table)["prediction"] == _rows(table)["truth"]).sum()
    assert scores.loc[("theirs", "last"), "k"] == right and scores.loc[("theirs", "last"), "epochs"] == 2
    assert main(["bundle", "small"]) == 0 and main(["verify", "small.zip"]) == 0


def test_which_submissions_a_study_has(root, table):
    settings = yaml.safe_load((root / "config/config.yaml").read_text())
    for name in ("a", "b"):
        _submit(root, _rows(table), name)
    assert not set(Study(settings, root).runs) & {"a", "b"}, "none, unless the study names them"
    study = Study(settings | {"submissions": "all"}, root)
    assert {"a", "b"} < set(study.runs) and study.trained_on("a") == ["samm-3"]
    assert study.why_not("smic-3", "a") == "its card is for samm-3 only"
    with pytest.raises(InputError, match="field 'submissions': unknown name 'c'"):
        Study(settings | {"submissions": ["c"]}, root)
    _submit(root, _rows(table), "ststnet")
    with pytest.raises(InputError, match="submissions/ststnet/: 'ststnet' is a card of config/methods too; rename"):
        Study(settings | {"submissions": ["ststnet"]}, root)


def _imported(tmp_path, table, rows, **params):
    """What a study makes of predictions: dataset, subject, clip and p0 .. p2 of each row."""
    table.to_csv(tmp_path / "p.csv", index=False)
    rows.to_csv(tmp_path / "predictions.csv", index=False)
    job = Job(0, "samm-3", tuple(CLASSES), "theirs", "imported", params, 0, "quick", "synthetic", "c0de")
    paths = {"log": str(tmp_path / "predictions.csv"), "protocol": str(tmp_path / "p.csv")}
    import_log(job=asdict(job), folds=list(dict.fromkeys(table["fold"])), output=tmp_path / "o.parquet", **paths)
    return pd.read_parquet(tmp_path / "o.parquet")


def _guesses(frame):
    return frame[["p0", "p1", "p2"]].to_numpy().argmax(axis=1).tolist()


def test_classes_are_found_by_name_whatever_their_order(tmp_path, table):
    rows = table[["dataset", "subject", "clip"]].assign(truth=table["class"])
    rows["p_surprise"], rows["p_negative"], rows["p_positive"] = 0.5, 0.2, 0.3
    frame = _imported(tmp_path, table, rows)
    assert frame[["p0", "p1", "p2"]].iloc[0].tolist() == pytest.approx([0.2, 0.3, 0.5])
    assert frame["label"].tolist() == table["label"].tolist()


def test_numbers_one_data_set_and_a_class_that_is_never_predicted(tmp_path, table):
    rows = table[["subject", "clip"]].assign(label=table["label"], prediction=0)
    frame = _imported(tmp_path, table, rows)
    assert _guesses(frame) == [0] * len(table)
    few = rows[rows["label"] < 2]  # two classes occur
    frame = _imported(tmp_path, table, few)
    assert _guesses(frame) == [0] * len(few) and frame["label"].max() == 1
    named = rows.assign(label=table["class"], prediction=2)
    with pytest.raises(InputError, match="class '2'; the truth has negative, positive, surprise, the prediction 2; "):
        _imported(tmp_path, table, named)
    assert _guesses(_imported(tmp_path, table, rows.assign(prediction=2), classes=CLASSES)) == [2] * len(table)


def test_clips_that_it_lacks_are_named(tmp_path, table, caplog):
    with caplog.at_level(logging.WARNING):
        frame = _imported(tmp_path, table, _rows(table)[2:])
    assert "has no prediction for 2 clip(s): samm/6/06_1_0/100, samm/6/06_1_1/101" in caplog.text
    assert len(frame) == len(table) - 2


def test_a_study_decides_as_the_file_does(tmp_path, table):
    """Single precision has no .500000001: the class would be another than `apexbench score` finds."""
    rows = table[["subject", "clip"]].assign(label=table["label"])
    rows[["p0", "p1", "p2"]] = 0.5 + 1e-9 * np.eye(3)[table["label"]]
    frame = _imported(tmp_path, table, rows)
    assert _guesses(frame) == frame["label"].tolist()
    rows[["p0", "p1", "p2"]] = 1e300 * np.eye(3)[table["label"]]
    assert _guesses(_imported(tmp_path, table, rows)) == frame["label"].tolist()
    ties = table[["subject", "clip"]].assign(truth=table["class"], p_surprise=0.5, p_negative=0.5, p_positive=0.5)
    assert _guesses(_imported(tmp_path, table, ties)) == [2] * len(table), "the first of the file's classes"
    found = submitted(read(tmp_path / "predictions.csv")[0][0], SubmissionCard(**CARD), tmp_path / "predictions.csv")
    assert found.classes == tuple(CLASSES) and set(decided(found.frame)) == {2}


def test_expressions_of_one_video_are_told_apart_by_the_onset(tmp_path, table, caplog):
    table = table.copy()
    table.loc[1, "clip"] = table.loc[0, "clip"]
    table.loc[[0, 1], "label"], table.loc[[0, 1], "class"] = [0, 1], ["negative", "positive"]
    rows = table[["dataset", "subject", "clip", "onset"]].assign(label=table["label"], prediction=table["label"])
    frame = _imported(tmp_path, table, rows)
    assert len(frame) == len(table) and _guesses(frame) == frame["label"].tolist()
    with pytest.raises(InputError, match=r"s\.csv: samm-3 has several expressions of samm subject 6 in 06_1_0; expec"):
        _imported(tmp_path, table, rows.drop(index=1).drop(columns="onset"))
    assert len(_imported(tmp_path, table, rows[2:].drop(columns="onset"))) == len(table) - 2
    caplog.clear()
    assert len(_imported(tmp_path, table, rows.assign(onset=rows["onset"].replace(100, 7)))) == len(table) - 1
    assert "has 1 clip(s) that samm-3 has not: samm/6/06_1_0/7" in caplog.text


def test_clips_that_the_protocol_lacks_are_counted(tmp_path, table, caplog):
    rows = _rows(table)
    more = rows.assign(clip="x" + rows["clip"])
    assert len(_imported(tmp_path, table, pd.concat([rows, more]))) == len(table)
    assert "has 22 clip(s) that samm-3 has not: samm/6/x06_1_0/0, " in caplog.text and ", ..." in caplog.text


def test_epochs_are_those_of_the_whole_file(tmp_path, table):
    rows = _rows(table, epochs=2)
    early = rows[(rows["epoch"] == 1) | (rows["subject"] != 7)]
    frame = _imported(tmp_path, table, early)
    assert frame.groupby("subject")["epoch"].max().to_dict() == {6: 2, 7: 1, 9: 2, 10: 2, 11: 2}
    later = rows.assign(epoch=rows["epoch"].where(rows["subject"] != 7, rows["epoch"] + 5))
    with pytest.raises(InputError, match=r"predictions\.csv: fold samm:7 has other epochs than 1, 2, the file's first"):
        _imported(tmp_path, table, later)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.assign(truth="negative"), "has the label 0; samm-3 has"),
        (lambda rows: pd.concat([rows, rows[:1]]), "predictions.csv, line 24: clip samm/6/06_1_0/100 stands twice"),
        (lambda rows: rows.replace("surprise", "fear"), "class 'fear'; expected negative, positive, surprise, or"),
        (lambda rows: rows.drop(columns="clip"), "no column 'clip'; each row needs data set, subject and clip"),
    ],
)
def test_a_study_refuses_what_its_protocol_does_not_have(tmp_path, table, change, message):
    with pytest.raises(InputError, match=r"predictions\.csv") as caught:
        _imported(tmp_path, table, change(_rows(table)))
    assert message in str(caught.value)


# the page


def test_the_card_of_the_page_is_one_and_its_commands_are_known(tmp_path, table, capsys):
    page = (ROOT / "docs/submissions.md").read_text()
    card = yaml.safe_load(
        re.search(r"```yaml\n# submissions/our-network/submission.yaml\n(.*?)```", page, re.DOTALL)[1]
    )
    folder = _submit(tmp_path, _rows(table), "our-network", **card | {"protocol": "samm-3"})
    assert main(["score", str(folder)]) == 0 and "Our network" in capsys.readouterr().out
    for page in ("docs/submissions.md", "docs/sharing.md"):
        commands = re.findall(r"^apexbench ([^#\n]+)", (ROOT / page).read_text(), re.MULTILINE)
        assert commands and all(make_parser().parse_args(command.split()) for command in commands)
