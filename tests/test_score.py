"""`apexbench score`: every format read back, conventions of printed numbers, protocols, pairs, and what it refuses."""

import json
import re
import subprocess
import sys
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest
from predictions import CLASSES, megc2019, predictions, random_predictions, write

from apexbench.cli import main
from apexbench.errors import InputError
from apexbench.evaluation.metrics import confusion_matrix
from apexbench.evaluation.selection import select
from apexbench.score import official
from apexbench.score.reading import read

LOG = "casme2 sub01\nEP02_01f 1 0\nEP03_02 0 2\nsmic s20\ns20_sur_05 2 2\nsamm 6\n006_1_2 0 0\n"
ROWS = [("casme2", "1", 1, 0), ("casme2", "1", 0, 2), ("smic-hs", "20", 2, 2), ("samm", "6", 0, 0)]
KFC = [[21, 1, 0, 1, 9], [1, 40, 0, 1, 21], [3, 1, 14, 0, 9], [0, 0, 0, 24, 1], [6, 8, 5, 0, 80]]
KFC_SMIC = [[43, 16, 11], [15, 32, 4], [5, 5, 33]]
STSTNET = [[219, 22, 9], [40, 62, 7], [21, 3, 59]]
NAMES = ["happiness", "disgust", "repression", "surprise", "others"]


def _file(tmp_path, content, name="anything"):
    """Write a file whose name says nothing."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _rows(path, **options):
    (found, _), *others = read(path, **options)
    assert not others
    scores = found.frame[[f"p{number}" for number in range(len(found.classes))]].to_numpy()
    columns = found.frame[["dataset", "subject", "label"]].itertuples(index=False)
    return [(*row, int(guess)) for row, guess in zip(columns, scores.argmax(axis=1), strict=True)], found


def _scored(capsys, *arguments):
    assert main(["score", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def _csv(matrix, names):
    lines = [f"{name},{','.join(map(str, row))}" for name, row in zip(names, matrix, strict=True)]
    return "\n".join([",".join(["", *names]), *lines])


# formats


@pytest.mark.parametrize(
    "text",
    [
        LOG,
        LOG.replace("smic s20", "smic 20"),
        LOG.replace("EP03", "casme2 sub01\nEP03").replace("\n", "\r\n"),
        "dataset,subject,clip,label,prediction\ncasme2,sub01,a,1,0\ncasme2,sub01,b,0,2\nSMIC,s20,c,2,2\nsamm,006,d,0,0\n",
        "Subject;Database;Ground Truth;y_pred\n1;CASME II;1.0;0\n1;CASME II;0;2\n20;SMIC-HS;2;2\n6;SAMM;0;0\n",
        "dataset,subject,gt,p0,p1,p2\ncasme2,1,1,.9,.1,0\ncasme2,1,0,0,.1,.9\nsmic,20,2,0,0,1\nsamm,6,0,1,0,0\n",
        "casme2 sub01\n[0, 2]\n[1, 0]\nsmic s20\n[2]\n[2]\nsamm 6\n[0]\n[0]\n",
        "casme2 sub01\nTruth: [1 0]\nPredicted: [0\n 2]\nsmic s20\n[2]\n[2]\nsamm 6\n[0]\n[0]\n",
    ],
)
def test_texts_are_known_by_what_they_hold(tmp_path, text):
    rows, found = _rows(_file(tmp_path, text))
    assert rows == ROWS and len(found.classes) == 3


def test_unnamed_lists_say_what_was_assumed(tmp_path):
    rows, found = _rows(_file(tmp_path, "[0, 1]\n[0, 0]\n\n[1]\n[1]\n"))
    assert rows == [("", "1", 0, 0), ("", "1", 0, 1), ("", "2", 1, 1)]
    assert any("predictions, the second for the truth" in remark for remark in found.remarks)


def test_named_classes_need_not_occur(tmp_path):
    for text in ("[0, 1]\n[0, 0]\n", "truth,pred\n0,0\nn,p\n"):
        rows, found = _rows(_file(tmp_path, text), classes=("n", "p", "s"))
        assert [row[2:] for row in rows] == [(0, 0), (0, 1)] and found.classes == ("n", "p", "s")


def test_ranked_lists_count_by_their_first_class(tmp_path):
    text = "name,truth,prediction\na.jpg,disgust,\"['others', 'disgust']\"\nb.jpg,others,\"others, disgust\"\n"
    rows, found = _rows(_file(tmp_path, text))
    assert rows == [("", "", 0, 1), ("", "", 1, 1)] and found.classes == ("disgust", "others")
    assert "the first of the ranked classes is the prediction" in found.remarks


def _workbook(tmp_path, matrix, names, totals=False):
    book = openpyxl.Workbook()
    for row in [["", *names], *([name, *row] for name, row in zip(names, matrix, strict=True))]:
        book.active.append(row)
    if totals:
        book.active.append(["total", *np.sum(matrix, axis=0).tolist()])
    book.save(tmp_path / "m")
    return tmp_path / "m"


def test_matrices_in_every_dress(tmp_path):
    bare = "\n".join(" ".join(map(str, row)) for row in KFC)
    paths = [
        _workbook(tmp_path, KFC, NAMES),
        _file(tmp_path, _csv(KFC, NAMES), "a"),
        _file(tmp_path, bare, "b"),
        _file(tmp_path, bare.replace(" ", ","), "c"),
        _file(tmp_path, _csv(np.transpose(KFC).tolist(), NAMES).replace(",", "pred\\true,", 1), "d"),
        _file(tmp_path, _csv(KFC, ["1", "2", "3", "4", "5"]), "e"),
        _workbook(tmp_path, KFC, NAMES, totals=True),
    ]
    for path in paths:
        rows, _ = _rows(path)
        assert confusion_matrix([r[2] for r in rows], [r[3] for r in rows], 5).tolist() == KFC, path
    (found, _), *_ = read(paths[2], transposed=True)
    assert found.taken_for.endswith("rows = prediction, columns the truth")


def test_ours_and_anyones_parquet(tmp_path, capsys):
    frame = predictions(epochs=3)
    ours = write(tmp_path / "folds0-4.parquet", frame)
    frame.drop(columns=["seed", "run", "method", "protocol"]).to_parquet(tmp_path / "theirs")
    for path in (ours, tmp_path, tmp_path / "theirs"):
        (system,) = _scored(capsys, path, "--rule", "fold-oracle")["systems"]
        chosen = select(frame, "fold-oracle")
        right = (chosen[["p0", "p1", "p2"]].to_numpy().argmax(axis=1) == chosen["label"]).sum()
        assert system["numbers"]["parts"]["all"]["k"] == right and system["numbers"]["epochs"] == 3


# numbers


@pytest.mark.parametrize(
    ("matrix", "printed", "score"),
    [(KFC, ".7375", "hm_f1"), (KFC_SMIC, ".6638", "hm_f1"), (STSTNET, "0.7389", "hm_f1"), (STSTNET, ".7353", "uf1")],
)
def test_the_convention_of_a_printed_number_is_found(tmp_path, capsys, matrix, printed, score):
    path = _file(tmp_path, "\n".join(",".join(map(str, row)) for row in matrix))
    (system,) = _scored(capsys, path, "--printed", f"F1={printed}", "--printed", "UAR=.111")["systems"]
    found, none = system["printed"]
    assert {hit["score"] for hit in found["gives"]} - {"f1_present"} == {score}
    assert none["gives"] == [] and none["nearest"]["value"] > 0.5


def test_selection_stands_beside_the_null_model(tmp_path, capsys):
    """Scores that know nothing: all that the best test epoch adds is what it adds to a draw of lots."""
    path = write(tmp_path / "x", random_predictions(megc2019(), 30))
    (system,) = _scored(capsys, path)["systems"]
    rules, null = system["numbers"]["rules"], system["numbers"]["null"]["all"]
    assert rules["fold-oracle"]["all"]["uf1"] > rules["global-oracle"]["all"]["uf1"] > rules["last"]["all"]["uf1"]
    assert null["fold-oracle"] == pytest.approx(rules["fold-oracle"]["all"]["uf1"], abs=0.06)
    assert system["check"]["protocol"] == "megc2019" and "442 clips, as expected" in system["check"]["lines"]
    assert set(system["numbers"]["parts"]) == {"all", "smic-hs", "casme2", "samm"}
    low, high = system["numbers"]["parts"]["all"]["intervals"]["uf1"]
    assert low < rules["last"]["all"]["uf1"] < high


# protocols


def test_the_shipped_list_has_the_clips_that_are_known():
    table = official._list()
    assert len(table) == 442 and table["in_second_list"].sum() == 441
    assert table.groupby("dataset").size().to_dict() == {"casme2": 145, "samm": 133, "smic": 164}
    (only,) = table[table["in_second_list"] == 0]["clip_hash"]
    assert only == official.hashed("samm", 32, "032_3_1")
    rows = table[table["clip_hash"] == official.hashed("casme2", 1, "EP02_01f")]
    assert rows["label_hash"].tolist() == [official.hashed("casme2", 1, "EP02_01f", 1)]


@pytest.fixture
def small_list(monkeypatch):
    """An official list of four clips, the last of which the second list lacks."""
    clips = [("casme2", 1, "EP02_01f", 1), ("casme2", 1, "EP03_02", 0), ("smic", 20, "s20_sur_05", 2)]
    clips += [("samm", 32, "032_3_1", 0)]
    rows = [(d, s, official.hashed(d, s, c), official.hashed(d, s, c, label)) for d, s, c, label in clips]
    table = pd.DataFrame(rows, columns=["dataset", "subject", "clip_hash", "label_hash"])
    monkeypatch.setattr(official, "_list", lambda: table.assign(in_second_list=[1, 1, 1, 0]))


def test_a_log_is_compared_with_the_list_clip_by_clip(tmp_path, capsys, small_list):
    log = LOG.replace("EP03_02 0 2", "EP03_02 2 2\nEP03_02 2 2")
    (system,) = _scored(capsys, _file(tmp_path, log))["systems"]
    facts = system["check"]["facts"]
    assert facts["missing"] == 1 and facts["surplus"] == ["samm 6 006_1_2"]
    assert facts["labels_differ"] == [f"casme2 1 EP03_02 (line {n}): surprise, the list has negative" for n in (3, 4)]
    assert facts["doubled"] == ["casme2 1 EP03_02 (lines 3, 4)"]
    assert system["numbers"]["parts"]["all"]["k"] == 4
    (system,) = _scored(capsys, _file(tmp_path, log), "--labels", "protocol")["systems"]
    assert system["numbers"]["parts"]["all"]["k"] == 2


@pytest.mark.parametrize(("more", "says"), [("samm 32\n032_3_1 0 0\n", "list of 442"), ("", "second list")])
def test_which_of_the_two_lists_is_said(tmp_path, capsys, small_list, more, says):
    log = LOG[: LOG.index("samm")] + more
    (system,) = _scored(capsys, _file(tmp_path, log))["systems"]
    assert any(line.startswith("all clips of the") and says in line for line in system["check"]["lines"])


# two systems


def test_two_systems_by_clip_and_by_subject(tmp_path, capsys):
    frame = pd.concat([megc2019()])
    guesses = np.random.default_rng(0).integers(3, size=(2, len(frame)))
    right = np.random.default_rng(1).random((2, len(frame))) < [[0.75], [0.6]]
    paths = []
    for number in range(2):
        own = frame.assign(pred=np.where(right[number], frame["label"], guesses[number]))
        own = own[number * 7 :].drop(columns=["fold", "onset"])  # the second lacks seven clips
        own.to_csv(tmp_path / f"{number}.csv", index=False)
        paths.append(tmp_path / f"{number}.csv")
    (pair,) = _scored(capsys, *paths)["pairs"]
    assert (pair["clips"], pair["only_in_first"], pair["only_in_second"], pair["subjects"]) == (435, 7, 0, 67)
    one, other = (np.where(right[n], True, guesses[n] == frame["label"])[7:] for n in range(2))
    assert (pair["only_first_right"], pair["only_second_right"]) == ((one & ~other).sum(), (other & ~one).sum())
    low, high = pair["interval"]["uf1"]
    assert 0 < low < pair["difference"]["uf1"] < high and pair["p_mcnemar"] < 0.01 and pair["p_permutation"] < 0.05
    assert pair["words"].startswith("0.csv is ahead of 1.csv by") and "both by clip" in pair["words"]


# output


def test_forms_of_output(tmp_path, capsys):
    path = _file(tmp_path, LOG, "a_b&<i>.txt")
    texts = {}
    for form in ("--md", "--tex", "--html"):
        assert main(["score", str(path), form, "--printed", "UF1=.5"]) == 0
        texts[form] = capsys.readouterr().out
    assert main(["score", str(path)]) == 0
    text = capsys.readouterr().out
    assert "taken for: MEGC2019 log\n" in text and "2/4" in text and "casme2 1 0/2" in text
    assert "| all | 2/4 | .5000" in texts["--md"] and "## a_b&<i>.txt" in texts["--md"]
    assert r"a\_b\&<i>.txt & all & 2/4 & .5000" in texts["--tex"]
    assert "<h2>a_b&amp;&lt;i&gt;.txt</h2>" in texts["--html"] and "<i>" not in texts["--html"]


def test_starts_without_what_is_heavy(tmp_path):
    code = f"""
import sys
from apexbench.cli import main
assert main(["score", {str(_file(tmp_path, LOG))!r}, "--printed", "UF1=.5"]) == 0
print(*sorted({{"torch", "snakemake", "cv2", "sklearn", "matplotlib", "numba", "scipy"}} & set(sys.modules)), "END")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["END"]


# bad input

HEAD = "dataset,subject,clip,label,pred\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        (LOG.encode("utf-16"), "line 1: text in UTF-16"),
        (LOG.replace("EP03_02", "EP03_\xfc").encode("latin-1"), "line 3: byte 0xfc is not UTF-8"),
        (LOG.replace("EP03_02", "EP\0"), "line 3: a zero byte"),
        (LOG.replace("sub01", "sub99"), "line 2, field subject: MEGC2019 has no subject 99"),
        (LOG.replace("sub01", "anna"), "line 1: 'anna' is no subject"),
        (LOG.replace("casme2", "casme9"), "line 1: unknown data set 'casme9'"),
        (LOG.replace("EP03_02 0 2", "EP03_02 0 3"), "line 3, field prediction: '3'"),
        (LOG.replace("EP03_02 0 2", "EP03_02 neg 2"), "line 3, field label: 'neg'"),
        (LOG[LOG.index("EP02") :], "line 1: a clip before any header"),
        (LOG.replace("EP03_02 0 2", "[0, 1]"), "line 3: '[0, 1]' is a list or CSV, but the file began as a MEGC"),
        (LOG * 15_000, "line 100001: 105000 lines, too many for a log"),
        ("[0, 1]\n[0, 1]\nEP03_02 0 2\n", "line 3: 'EP03_02 0 2' is no list, but the file began as lists"),
        ("[0, 1]\n[0]\n", "line 2: 1 labels and 2 predictions"),
        ("[0, 1]\n[0, x]\n", "line 2, field 2 of the list: 'x'"),
        ("[0, 1]\n[0, 1]\n[1]\n", "line 3: a list without its second"),
        ("[0, 1]\n[0, 1\n", "line 2: a list without its end"),
        (HEAD + "samm,6,a,0,0\nsamm,6,b,0\n", "line 3: 4 fields, but the header has 5"),
        (HEAD + "samm,6,a,0,0\n\nEP03_02 0 2\n", "line 4: 1 fields, but the header has 5"),
        (HEAD + "samm,6,a,0,0\nsamm,6,b,,1\n", "line 3, field 'label': ''; expected a value"),
        (HEAD, "a header and no rows"),
        ("label,truth,pred\n0,0,0\n", "columns 'label' and 'truth' could both be the truth"),
        ("clip,label,result\na,0,0\n", "line 1: not recognised"),
        ("label,p0,p1\n0,.1,.9\n1,.1,nan\n", "line 3, field 'p1': 'nan'; expected a number"),
        ("label,p0,p1\n0,.1,.9\n2,.1,.9\n", "line 3, field 'label': '2'; expected one of the classes 0, 1"),
        ("label,pred,epoch\n0,0,1\n0,1,2\n", "several epochs and no column of clips"),
        ("clip,label,pred,epoch\na,0,1,1\nb,1,1,1\na,0,0,2\n", "line 3, field 'clip': 'b'; expected a row for every"),
        ("label,pred\n0,0\n0,0\n", "one class only"),
        ("1,2,3\n4,5,6\n", "2 rows and 3 columns of counts; a confusion matrix is square"),
        ("1,2,3\n4,5\n7,8,9\n", "line 2: 2 counts, but the first row has 3"),
        ("a,b\n", "line 1: not recognised"),
        (_csv([[1, 0.5], [0, 2]], "ab"), "line 2, field 3: '0.5'; a confusion matrix holds counts"),
        (",a,b\na,1,2\nc,3,4\n", "line 3, field 1: row 'c', but column 'b'"),
        (",a,b,total\na,1,2,3\nb,3,4,8\n", "line 3: the sum of a row is given as 8, but its counts sum to 7"),
        (",a,b\na,1,2\nb,3,4\ntotal,4,7\n", "line 4, field 3: the sum of a column is given as 7, but"),
        ("0,0\n0,0\n", "the counts sum to 0"),
        (b"PK\x03\x04 no workbook", "no xlsx workbook"),
        (b"PAR1 cut short", "a damaged parquet file"),
        (b"\xd0\xcf\x11\xe0 old", "an old Excel file"),
    ],
)  # fmt: skip
def test_bad_files_are_named_with_line_and_field(tmp_path, capsys, content, says):
    path = _file(tmp_path, content)
    assert main(["score", str(path)]) == 1
    error = capsys.readouterr().err
    assert str(path.name) in error and says in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--printed", "UF1"], "expected a column and its number"),
        (["--printed", "UFI=.5"], "did you mean 'uf1'"),
        (["--printed", "UF1=652"], "not a share"),
        (["--protocol", "megc"], "unknown protocol 'megc'"),
        (["--protocol", "casme2-5"], "its classes are others"),
        (["--rule", "fold-oracle"], "holds one epoch"),
        (["--epochs", "1"], "2 or more"),
        (["--epochs", "10000000"], "--epochs 10000000: at most 10000"),
        (["--transposed"], "is no confusion matrix"),
        (["--classes", "a,a"], "two names or more, all different"),
        (["--classes", "positive,negative,surprise"], "are negative, positive, surprise; leave --classes out"),
    ],
)
def test_bad_options_are_named(tmp_path, capsys, options, says):
    assert main(["score", str(_file(tmp_path, LOG)), *options]) == 1
    assert says in capsys.readouterr().err


def test_pairs_that_are_none(tmp_path, capsys):
    log = _file(tmp_path, LOG)
    for other, says in [
        (_file(tmp_path, LOG.replace("EP", "X").replace("_sur", "_ne").replace("006", "7"), "b"), "no clip in common"),
        (_file(tmp_path, LOG + "samm 7\n007_1 0 0\n007_1 0 0\n", "c"), "stands twice"),
        (_file(tmp_path, "1,2,3\n4,5,6\n7,8,9\n", "d"), "no clip, subject of each row"),
    ]:
        assert main(["score", str(log), str(other)]) == 1
        assert says in capsys.readouterr().err


def test_seeds_are_never_mixed(tmp_path, capsys):
    frame = pd.concat([predictions(seed=0), predictions(seed=1)], ignore_index=True)
    path = write(tmp_path / "x.parquet", frame)
    assert main(["score", str(path)]) == 1 and "seeds 0, 1; choose one" in capsys.readouterr().err
    (system,) = _scored(capsys, path, "--seed", 1)["systems"]
    assert system["numbers"]["parts"]["all"]["n"] == 22 and system["classes"] == CLASSES
    with pytest.raises(InputError, match="no predictions"):
        read(tmp_path)


# what would be scored wrongly


@pytest.mark.parametrize(
    ("text", "rows", "classes"),
    [
        ("label,pred\nNegative,negative\npositive,Positive\n", [(0, 0), (1, 1)], ("Negative", "positive")),
        ("label;pred\nanger, fear;anger, fear\nhappy;happy\n", [(0, 0), (1, 1)], ("anger, fear", "happy")),
        ('label,pred\nhappy|x,happy|x\nz>,"z>"\n', [(0, 0), (1, 1)], ("happy|x", "z>")),
        ("label,prob_happiness,prob_fear\nfear,.1,.9\nhappiness,.8,.2\n", [(1, 1), (0, 0)], ("happiness", "fear")),
        ("label,p0,p1,phase\n0,.9,.1,3\n1,.8,.2,4\n", [(0, 0), (1, 0)], ("0", "1")),
        ("label,p0,p\u00b2\n0,1,2\n1,2,3\n", None, "line 3: 2 rows and 3 columns of counts; a confusion matrix"),
        ("label,pred\nnegative,0\npositive,1\n", None, "class '0'; the truth has negative, positive, the prediction"),
        ("label,pred\nnegative,nan\npositive,positive\n", None, "line 2, field 'pred': 'nan'; expected a class"),
        ("label,pred\n-1,0\n0,0\n1,1\n", None, "line 2, field 'label': '-1'; expected a class"),
    ],
)
def test_classes_are_what_they_mean(tmp_path, text, rows, classes):
    path = _file(tmp_path, text)
    if rows is None:
        with pytest.raises(InputError) as caught:
            read(path)
        assert classes in str(caught.value)
        return
    got, found = _rows(path)
    assert [row[2:] for row in got] == rows and found.classes == classes


def test_scores_by_name_stand_in_the_order_of_the_classes(tmp_path):
    path = _file(tmp_path, "label,p_surprise,p_negative\nnegative,.1,.9\nsurprise,.8,.2\n")
    rows, found = _rows(path, classes=("negative", "surprise"))
    assert [row[2:] for row in rows] == [(0, 0), (1, 1)] and found.classes == ("negative", "surprise")
    with pytest.raises(InputError, match="no column of scores of class 'positive'; found p_surprise, p_negative"):
        read(path, classes=("negative", "positive"))


def test_subjects_spelt_unlike_are_one_only_beside_a_data_set(tmp_path):
    text = "subject,clip,label,pred\nsub01,a,0,0\ns01,b,1,1\n1,c,0,1\nsub02,d,0,0\n"
    rows, found = _rows(_file(tmp_path, text))
    assert [row[1] for row in rows] == ["sub01", "s01", "1", "sub02"]
    assert any(remark.endswith("subjects spelt unlike are not one: sub01, s01, 1") for remark in found.remarks)
    named = "\n".join(f"samm,{line}" for line in text.splitlines()).replace("samm,", "dataset,", 1)
    assert [row[1] for row in _rows(_file(tmp_path, named))[0]] == ["1", "1", "1", "2"]


def _epochs(of):
    """A CSV of {subject: {clip: epochs}}; the label is the clip's place, the prediction right in even epochs."""
    lines = ["subject,clip,epoch,label,pred"]
    for subject, clips in of.items():
        for place, (clip, epochs) in enumerate(clips.items()):
            lines += [f"{subject},{clip},{epoch},{place},{place if epoch % 2 == 0 else 0}" for epoch in epochs]
    return "\n".join(lines) + "\n"


def test_a_clip_of_other_epochs_than_its_fold_is_refused(tmp_path):
    path = _file(tmp_path, _epochs({1: {"a": (1, 2), "b": (1, 3), "c": (2, 3)}, 2: {"d": (1, 2, 3)}}))
    with pytest.raises(InputError, match="line 2, field 'clip': 'a'; expected a row for every epoch that the other"):
        read(path)
    # two spellings of one subject are one fold
    lines = _epochs({"sub01": {"a": (1, 2)}, "1": {"b": (1, 2, 3)}}).splitlines()
    text = "\n".join(["dataset," + lines[0], *(f"samm,{line}" for line in lines[1:])])
    with pytest.raises(InputError, match="line 2, field 'clip': 'a'; expected a row for every epoch"):
        read(_file(tmp_path, text))


def test_folds_that_stop_early_count_by_their_last_epoch(tmp_path, capsys):
    path = _file(tmp_path, _epochs({1: {"a": (1, 2), "b": (1, 2)}, 2: {"c": (1, 2, 3), "d": (1, 2, 3)}}))
    (system,) = _scored(capsys, path)["systems"]
    assert system["numbers"]["parts"]["all"]["n"] == 4 and system["numbers"]["parts"]["all"]["k"] == 3
    assert system["numbers"]["null_epochs"] == 3 and "global-oracle" in system["numbers"]["rules"]
    (found, _), *_ = read(path)
    assert len(found.clips) == 4 and not found.clips.duplicated("clip").any()
    path = _file(tmp_path, _epochs({1: {"a": (1, 2), "b": (1, 2)}, 2: {"c": (6, 7), "d": (6, 7)}}))
    (system,) = _scored(capsys, path)["systems"]
    assert "global-oracle" not in system["numbers"]["rules"] and system["numbers"]["null_epochs"] == 2
    assert "rule 'global-oracle' is left out: the folds have no epoch in common" in system["remarks"]
    assert main(["score", str(path)]) == 0 and "one epoch for all, the best (leaks)" in capsys.readouterr().out
    assert main(["score", str(path), "--rule", "global-oracle"]) == 1
    assert "--rule 'global-oracle': the folds have no epoch in common; " in capsys.readouterr().err


def test_a_sheet_is_read_to_its_end_whatever_it_says_of_its_size(tmp_path, monkeypatch):
    book = openpyxl.Workbook()
    for row in [("label", "pred"), *[(1, 1)] * 3, (0, 0)]:
        book.active.append(row)
    book.save(tmp_path / "whole.xlsx")
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as whole, zipfile.ZipFile(tmp_path / "m", "w") as stale:
        for name in whole.namelist():
            content = whole.read(name)
            stale.writestr(name, re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1:B2"', content))
    rows, _ = _rows(tmp_path / "m")
    assert [row[2:] for row in rows] == [(1, 1)] * 3 + [(0, 0)]
    monkeypatch.setattr("apexbench.datasets.sheets._VALUES", 5)
    with pytest.raises(InputError, match=r"m: .*sheet 'Sheet', row 4: more than \d+ rows, or 5 values; save it as CSV"):
        read(tmp_path / "m")
    monkeypatch.undo()
    monkeypatch.setattr("apexbench.score.reading._CELLS", 5)
    with pytest.raises(InputError, match="sheet 'Sheet': 5 rows of 2 cells"):
        read(tmp_path / "m")


def test_both_sums_of_a_matrix_are_checked(tmp_path):
    rows, _ = _rows(_file(tmp_path, ",a,b,total\na,1,2,3\nb,0,4,4\ntotal,1,6,7\n"))
    assert confusion_matrix([r[2] for r in rows], [r[3] for r in rows], 2).tolist() == [[1, 2], [0, 4]]
    with pytest.raises(InputError, match="line 4: the sum of all is given as 8"):
        read(_file(tmp_path, ",a,b,total\na,1,2,3\nb,0,4,4\ntotal,1,6,8\n"))


def test_a_parquet_of_long_texts_is_refused(tmp_path):
    frame = pd.DataFrame({"label": [0, 1], "pred": [0, 1], "clip": ["x" * 5000, "b"], "notes": ["y" * 5000] * 2})
    frame.to_parquet(tmp_path / "a")
    with pytest.raises(InputError, match="column 'clip': a text of 5000 bytes; at most 1000 are read"):
        read(tmp_path / "a")
    frame.assign(clip=["a", "b"]).set_index("clip").to_parquet(tmp_path / "b")
    (found, _), *_ = read(tmp_path / "b")
    assert found.frame["clip"].tolist() == ["a", "b"]


def test_subjects_that_are_no_numbers_are_on_no_list(tmp_path, capsys):
    text = "dataset,subject,clip,label,pred\ncasme2,\u00b2,EP,0,0\ncasme2,2,EQ,1,1\ncasme2,3,Q,2,1\n"
    (system,) = _scored(capsys, _file(tmp_path, text), "--protocol", "megc2019")["systems"]
    assert system["check"]["facts"]["on_list"] == 0


def test_what_is_printed_does_not_move_the_cursor(tmp_path, capsys):
    text = "subject,clip,label,pred\n1,a,x\x1b[2J,y\n2,b,y,y\n"
    for form in ([], ["--md"]):
        assert main(["score", str(_file(tmp_path, text)), *form]) == 0
        out = capsys.readouterr().out
        assert "x\\x1b[2J" in out and "\x1b" not in out
