import numpy as np
import pandas as pd
import pytest
from predictions import megc2019

from apexbench.errors import InputError
from apexbench.evaluation.megc_log import official_key, read_log, write_log

FRAME = pd.DataFrame(
    [
        ("casme2", 1, "EP02_01f", 0, 0),
        ("casme2", 1, "EP03_02", 1, 2),
        ("casme2", 26, "EP18_51", 0, 1),
        ("smic-hs", 1, "s1_ne_01", 0, 0),
        ("smic-hs", 20, "s20_sur_05", 2, 2),
        ("samm", 6, "006_1_2", 2, 0),
    ],
    columns=["dataset", "subject", "clip", "label", "predicted"],
)
TEXT = """casme2 sub01
EP02_01f 0 0
EP03_02 1 2
casme2 sub26
EP18_51 0 1
smic s01
s01_ne_01 0 0
smic s20
s20_sur_05 2 2
samm 6
006_1_2 2 0
"""


def test_round_trip(tmp_path):
    write_log(FRAME, tmp_path / "log.txt")
    assert (tmp_path / "log.txt").read_text() == TEXT
    pd.testing.assert_frame_equal(read_log(tmp_path / "log.txt"), FRAME)


def test_clips_of_given_flow_maps_are_those_of_the_official_list(tmp_path):
    maps = FRAME.assign(dataset=FRAME["dataset"] + "-flow", clip=FRAME["clip"].replace({"s1_ne_01": "s01_ne_01"}))
    write_log(maps, tmp_path / "log.txt")
    assert (tmp_path / "log.txt").read_text() == TEXT
    again = read_log(tmp_path / "log.txt")
    pd.testing.assert_frame_equal(again, FRAME)
    one, other = (list(map(official_key, x["dataset"], x["subject"], x["clip"])) for x in (again, maps))
    assert one == other


def test_predictions_come_from_scores_if_need_be(tmp_path):
    table = megc2019()
    table[["p0", "p1", "p2"]] = np.random.default_rng(0).random((442, 3))
    write_log(table, tmp_path / "log.txt")
    again = read_log(tmp_path / "log.txt")
    assert len(again) == 442 and again.groupby(["dataset", "subject"]).ngroups == 68
    assert (again["predicted"] == table[["p0", "p1", "p2"]].to_numpy().argmax(axis=1)).all()
    assert again["label"].value_counts().to_dict() == {0: 250, 1: 109, 2: 83}


@pytest.mark.parametrize(
    "text",
    [
        "\n" + TEXT.replace("\n", "\n\n"),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace(" ", "\t"),
        TEXT.replace("\n", "  \n").replace(" ", "   "),
        TEXT.replace("s01_ne_01", "s1_ne_01").replace("smic s01", "smic-hs 1"),
        TEXT.replace("sub01", "1").replace("samm 6", "SAMM 006"),
        "\ufeff" + TEXT.rstrip("\n"),
    ],
)
def test_reading_is_tolerant(tmp_path, text):
    path = tmp_path / "log.txt"
    path.write_text(text, encoding="utf-8", newline="")
    pd.testing.assert_frame_equal(read_log(path), FRAME)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("EP02_01f 0 0\n", r"log\.txt, line 1: a clip before any header"),
        ("casme2 sub01\nEP02_01f 0\n", r"line 2: unknown data set 'EP02_01f'.*Known: casme2, samm, smic, smic-hs"),
        ("casme2 sub01\nEP02_01f 0 0 0\n", r"line 2: expected 'data set subject', or 'clip label prediction'"),
        ("casme2 sub01\nEP02_01f\n", r"line 2: expected .*found 'EP02_01f'"),
        ("casme2 sub01\nEP02_01f 3 0\n", r"line 2: label '3'; expected a whole number from 0 to 2"),
        ("casme2 sub01\nEP02_01f 0 neg\n", r"line 2: prediction 'neg'"),
        ("casme2 sub01\nEP02_01f 0 -1\n", r"line 2: prediction '-1'"),
        ("casme2 first\n", r"line 1: 'first' is no subject"),
        ("casme sub01\n", r"line 1: unknown data set 'casme'; did you mean 'casme2'"),
        ("smic s01\ns01_ne_01 0 0\n\ns1_ne_01 0 1\n", r"line 4: clip 's1_ne_01' stands in line 2 already"),
        ("casme2 sub01\n", r"log\.txt: no clips"),
        ("", r"log\.txt: no clips"),
    ],
)
def test_errors_name_file_and_line(tmp_path, text, message):
    (tmp_path / "log.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_log(tmp_path / "log.txt")


def test_other_files(tmp_path):
    with pytest.raises(InputError, match=r"gone\.txt: no such file"):
        read_log(tmp_path / "gone.txt")
    (tmp_path / "log.txt").write_bytes(b"casme2 sub01\nEP\xff 0 0\n")
    with pytest.raises(InputError, match=r"log\.txt: not a text file in UTF-8"):
        read_log(tmp_path / "log.txt")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME.assign(dataset="mmew"), "data set 'mmew' is not part of MEGC2019"),
        (pd.concat([FRAME, FRAME[:1]]), "clip 'EP02_01f' of casme2 subject 1 stands twice"),
        (FRAME.drop(columns="predicted"), "no column 'predicted', and no scores"),
    ],
)
def test_what_cannot_be_written(tmp_path, frame, message):
    with pytest.raises(InputError, match=message):
        write_log(frame, tmp_path / "log.txt")
    assert not (tmp_path / "log.txt").exists()
