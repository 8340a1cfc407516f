"""The loaders, on trees in each release's layout: right on good ones, and plain about bad ones."""

import re
import shutil
import sys

import openpyxl
import pytest
from trees import PLANS, SHEETS, edited, fingerprint

from apexbench.clips import COLUMNS, action_units, find_frames, read_units, sample_hash
from apexbench.datasets import load_index, names
from apexbench.datasets.sheets import read_cells
from apexbench.errors import InputError

COLUMN = {"subject": 1, "clip": 2, "onset": 4, "apex": 5, "offset": 6, "emotion": 9}  # of the CASME II sheet, from 1


def _refusal(dataset, root, **options):
    with pytest.raises(InputError) as caught:
        load_index(dataset, root, **options)
    return str(caught.value)


# good trees


@pytest.mark.parametrize("dataset", PLANS)
def test_the_index_is_the_truth(rendered, dataset):
    root, truth = rendered[dataset]
    before = fingerprint(root)
    frame = load_index(dataset, root, label_set="mine", fps=100.0)
    assert tuple(frame.columns) == COLUMNS and dataset in names()
    found = {(row.subject, row.clip): row for row in frame.itertuples()}
    assert len(found) == len(frame) == len(truth.meta["clips"])
    for clip in truth.meta["clips"]:
        row = found[clip["subject"], clip["clip"]]
        assert (row.onset, row.offset) == (clip["onset"], clip["offset"])
        if dataset == "smic-hs":  # no annotated apex
            assert (row.apex, row.apex_source) == (clip["onset"] + (clip["offset"] - clip["onset"]) // 2, "midpoint")
        else:
            assert (row.apex, row.apex_source) == (clip["apex"], "sheet")
            assert row.aus == clip["aus"]
        assert row.emotion.lower() == clip["emotion"].lower()
        assert (row.dataset, row.label_set, row.fps, row.repairs) == (dataset, "mine", 100.0, "")
        frames = find_frames(root / row.frames_dir)
        assert row.n_frames == len(frames) == clip["offset"] - clip["onset"] + 1
        assert list(frames) == list(range(row.onset, row.offset + 1))
    assert fingerprint(root) == before


@pytest.mark.parametrize("dataset", PLANS)
def test_counts_are_those_of_the_plan(rendered, dataset):
    frame = load_index(dataset, rendered[dataset][0])
    counts = frame.assign(emotion=frame["emotion"].str.lower()).groupby(["subject", "emotion"]).size().to_dict()
    assert counts == {(subject, emotion.lower()): clips for subject, emotion, clips in PLANS[dataset]}


def test_the_midpoint_in_place_of_the_sheet(rendered):
    frame = load_index("casme2", rendered["casme2"][0], apex="midpoint")
    assert (frame["apex"] == frame["onset"] + (frame["offset"] - frame["onset"]) // 2).all()
    assert set(frame["apex_source"]) == {"midpoint"}


def test_a_release_one_folder_deeper(rendered, tmp_path):
    for dataset in PLANS:
        shutil.copytree(rendered[dataset][0], tmp_path / dataset / "release")
        expected = load_index(dataset, rendered[dataset][0]).drop(columns="frames_dir")
        assert load_index(dataset, tmp_path / dataset).drop(columns="frames_dir").equals(expected)


def test_header_moved_columns_swapped_text_numbers(copy, rendered):
    root = copy("casme2")
    with edited(root / SHEETS["casme2"]) as sheet:
        sheet.insert_rows(1, 5)
        sheet["B2"] = "coded by two raters"
        sheet.insert_cols(1)
        sheet["A6"] = "remark"
        for row in sheet.iter_rows(min_row=7):
            row[1].value = int(row[1].value)  # 1 for 01
            for cell in row[4:7]:
                cell.value = f" {cell.value}.0 "
        sheet["F6"], sheet["E6"] = " apexframe ", "ONSETFRAME"
    assert load_index("casme2", root).equals(load_index("casme2", rendered["casme2"][0]))


def test_empty_rows_below_and_between_are_passed_over(copy, rendered):
    root = copy("mmew")
    with edited(root / SHEETS["mmew"]) as sheet:
        sheet.insert_rows(4, 2)
        sheet.cell(40, 1).value = "end"
    assert load_index("mmew", root).equals(load_index("mmew", rendered["mmew"][0]))


def test_a_clip_of_the_same_name_at_another_onset_is_another_clip(copy):
    root = copy("mmew")
    with edited(root / SHEETS["mmew"]) as sheet:
        row = [cell.value for cell in sheet[2]]
        row[2], row[3] = 2, 4  # onset, apex
        sheet.append(row)
    frame = load_index("mmew", root)
    assert (frame["clip"] == row[1]).sum() == 2


# units of a cell, cells of a sheet


@pytest.mark.parametrize(
    ("text", "units", "strange"),
    [
        ("4", {4}, []),
        ("L2+R4", {2, 4}, []),
        ("R12A", {12}, []),
        ("4C + R12 / 14", {4, 12, 14}, []),
        ("AU4, au 7", {4, 7}, []),
        ("1\uff0c2\u3001\uff0b5", {1, 2, 5}, []),
        ("R12 or R15", {12, 15}, []),
        ("A1B+A2C", {1, 2}, []),
        ("7?", {7}, []),
        ("?", set(), []),
        ("/", set(), []),
        ("", set(), []),
        ("AU4 (k)+17(k)+7", {7}, []),
        ("AUR2, AU L4B", {2, 4}, []),
        ("12L+R 14 / 7BL?", {7, 12, 14}, []),
        ("12 L2", {2, 12}, []),
        ("4+smile", {4}, ["smile"]),
        ("123", set(), ["123"]),
    ],
)
def test_action_units_of_a_cell(text, units, strange):
    assert read_units(text) == (units, strange) and action_units(text) == units


def test_the_hash_of_a_sample_set(rendered):
    frame = load_index("samm", rendered["samm"][0])
    other = frame.sample(frac=1, random_state=0).assign(dataset="another")
    assert sample_hash(frame) == sample_hash(other) != sample_hash(frame.iloc[1:])


def test_cells_are_text_and_formulas_are_computed(tmp_path):
    book = openpyxl.Workbook()
    rows = [[1, 46.0, " x\xa0", None, True], ["=A1+B1-2", "=SUM(A1:B1)", "=-A2+3", "=F9+1", "=A4"], [46.5, "'7"]]
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    place, cells = read_cells(tmp_path / "a.xlsx")
    assert place == f"{tmp_path / 'a.xlsx'}, sheet 'Sheet'"
    assert cells[0] == ["1", "46", "x", "", "True"]
    assert cells[1] == ["45", "=SUM(A1:B1)", "-42", "=F9+1", "=A4"]
    assert cells[2][:2] == ["46.5", "'7"]


def test_csv_and_old_workbooks(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("\ufeffSubject,Filename\n1 , a\n", encoding="utf-8")
    assert read_cells(tmp_path / "a.csv")[1] == [["Subject", "Filename"], ["1", "a"]]
    (tmp_path / "b.xls").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600))
    monkeypatch.setitem(sys.modules, "xlrd", None)
    with pytest.raises(InputError, match=r"b\.xls: a workbook of the old kind, \.xls; save it as \.xlsx .* xlrd"):
        read_cells(tmp_path / "b.xls")


# frames of a folder


def test_find_frames_reads_the_number_whatever_its_dress(tmp_path):
    for name in ("img9.jpg", "006_00010.JPG", "image11.bmp", "reg_img12.jpeg", "s01 (2)_13.PNG", "0014.jpg"):
        (tmp_path / name).touch()
    for stray in (
        "Thumbs.db",
        "._img15.jpg",
        ".DS_Store",
        "notes.txt",
        "img16.jpg.part",
        "cover.jpg",
        "img17 copy.jpg",
    ):
        (tmp_path / stray).touch()
    frames = find_frames(tmp_path)
    assert list(frames) == [9, 10, 11, 12, 13, 14]
    assert frames[10] == tmp_path / "006_00010.JPG"


def test_two_files_of_one_number(tmp_path):
    for name in ("img9.jpg", "img009.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"img009\.jpg and img9\.jpg both claim frame 9; keep one"):
        find_frames(tmp_path)


def test_a_folder_that_cannot_be_listed(tmp_path):
    with pytest.raises(InputError, match=r"gone: the clip's folder cannot be listed \(No such file"):
        find_frames(tmp_path / "gone")


# bad trees


def test_unknown_name_and_missing_folder(tmp_path):
    assert "unknown data set 'sam'; did you mean 'samm'?" in _refusal("sam", tmp_path)
    assert "nowhere: no such folder; put the samm release there" in _refusal("samm", tmp_path / "nowhere")


@pytest.mark.parametrize("dataset", PLANS)
def test_an_empty_folder(dataset, tmp_path):
    message = _refusal(dataset, tmp_path)
    assert message.startswith(f"{tmp_path}: ") and "not found; expected" in message and "as in the release" in message


@pytest.mark.parametrize("dataset", SHEETS)
def test_two_sheets(copy, dataset):
    root = copy(dataset)
    second = SHEETS[dataset].replace(".xlsx", "-new.xlsx")
    shutil.copy(root / SHEETS[dataset], root / second)
    message = _refusal(dataset, root)
    assert "found more than once" in message and SHEETS[dataset] in message and second in message
    (root / second).rename(root / f"~${second}")  # what a spreadsheet program leaves beside an open file
    load_index(dataset, root)


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"Subject;Filename"]
)
def test_a_sheet_that_is_no_workbook(copy, damage):
    root = copy("samm")
    path = root / SHEETS["samm"]
    path.write_bytes(damage(path.read_bytes()))
    message = _refusal("samm", root)
    assert message.startswith(f"{path}: not a readable workbook (") and "copy it anew" in message


def test_no_folder_of_frames(copy):
    root = copy("casme2")
    (root / "CASME2_RAW_selected").rename(root / "frames")
    assert "the folder of frames not found; expected CASME2_RAW_selected or " in _refusal("casme2", root)


@pytest.mark.parametrize(
    ("dataset", "cell", "sheet", "row"),
    [("casme2", "E1", "Sheet1", 1), ("samm", "E14", "MICRO_ONLY", 14), ("mmew", "D1", "Sheet1", 1)],
)
def test_a_column_that_is_not_there(copy, dataset, cell, sheet, row):
    root = copy(dataset)
    with edited(root / SHEETS[dataset]) as page:
        page[cell] = "Apex Frm"
    message = _refusal(dataset, root)
    place = f"{root / SHEETS[dataset]}, sheet {sheet!r}, row {row}: no column 'ApexFrame' or 'Apex Frame'"
    assert message.startswith(f"{place}; did you mean 'Apex Frm'? Known: ")


@pytest.mark.parametrize("keep", [0, 1])
def test_an_empty_sheet_and_one_with_a_header_only(copy, keep):
    root = copy("mmew")
    with edited(root / SHEETS["mmew"]) as sheet:
        sheet.delete_rows(keep + 1, 100)
    message = _refusal("mmew", root)
    if keep:
        place = f"{root / SHEETS['mmew']}, sheet 'Sheet1'"
        assert message.startswith(f"{place}: no rows below the header in row 1; copy it anew")
    else:
        assert message.startswith(f"{root / SHEETS['mmew']}, sheet 'Sheet1': no header row with Subject, Filename")


def _set(field, value):
    def spoil(root, sheet):
        sheet.cell(3, COLUMN[field]).value = value(sheet) if callable(value) else value

    return spoil


def _onset(sheet):
    return sheet.cell(3, COLUMN["onset"]).value


def _clip_folder(root, sheet):
    return root / f"CASME2_RAW_selected/sub{sheet.cell(3, 1).value}/{sheet.cell(3, 2).value}"


def _no_folder(root, sheet):
    shutil.rmtree(_clip_folder(root, sheet))


def _empty_folder(root, sheet):
    for path in _clip_folder(root, sheet).iterdir():
        path.unlink()


def _no_onset_frame(root, sheet):
    (_clip_folder(root, sheet) / f"img{_onset(sheet)}.jpg").unlink()


def _no_apex_frame(root, sheet):
    (_clip_folder(root, sheet) / f"img{sheet.cell(3, COLUMN['apex']).value}.jpg").unlink()


def _no_frame_number(root, sheet):
    shutil.copy(
        _clip_folder(root, sheet) / f"img{_onset(sheet)}.jpg", _clip_folder(root, sheet) / f"img0{_onset(sheet)}.jpg"
    )


def _twice(root, sheet):
    sheet.append([cell.value for cell in sheet[3]])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            _set("apex", 99999),
            r"field 'apex': 99999 lies outside onset..offset = \d+..\d+; .*repairs.yaml, or set apex: midpoint for 'c",
        ),
        (_set("apex", 0), r"field 'apex': 0 lies outside"),
        (
            _set("apex", "abc"),
            r"field 'apex': expected a frame number, found 'abc'; correct it by a record in config/rep",
        ),
        (_set("apex", 46.5), r"field 'apex': expected a frame number, found '46.5'"),
        (_set("emotion", None), r"field 'emotion': expected a label, found ''; correct the sheet"),
        (_set("emotion", "?"), r"field 'emotion': expected a label, found '\?'"),
        (_set("onset", "early"), r"field 'onset': expected a frame number, found 'early'"),
        (_set("onset", -3), r"field 'onset': expected a frame number, found '-3'"),
        (_set("offset", "nan"), r"field 'offset': expected a frame number, found 'nan'"),
        (_set("offset", lambda sheet: _onset(sheet) - 1), r"field 'offset': \d+ lies before the onset \d+; correct"),
        (_set("subject", "first"), r"field 'subject': expected a number, found 'first'"),
        (_set("subject", "1/2"), r"field 'subject': expected a number, found '1/2'"),
        (_set("subject", None), r"field 'subject': expected a number, found ''"),
        (_no_folder, r"listed, but there is no folder of frames of this subject and name; copy it"),
        (_empty_folder, r"no frames in .*sub01/EP.*; copy them"),
        (_no_onset_frame, r"field 'onset': no frame \d+ in .*sub01/EP.* \(it holds \d+..\d+\)"),
        (_no_apex_frame, r"field 'apex': no frame \d+ in .*sub01/EP.* \(it holds \d+..\d+\)"),
        (
            _no_frame_number,
            r"img\d+\.jpg and img0\d+\.jpg both claim frame \d+|img0\d+\.jpg and img\d+\.jpg both claim",
        ),
        (_twice, r"listed already with onset \d+ \(.*row 3\); keep one of the two rows"),
    ],
)
def test_a_bad_row(copy, spoil, message):
    root = copy("casme2")
    path = root / SHEETS["casme2"]
    with edited(path) as sheet:
        spoil(root, sheet)
        row = sheet.max_row if spoil is _twice else 3
        subject, clip = sheet.cell(3, COLUMN["subject"]).value, sheet.cell(3, COLUMN["clip"]).value
        clip = f"{int(subject) if str(subject).isdigit() else subject or ''}/{clip}"
    before = fingerprint(root)
    found = _refusal("casme2", root)
    assert len(found.splitlines()) == 1
    assert found.startswith(f"{path}, sheet 'Sheet1', row {row}: clip {clip}: ")
    assert re.search(message, found), found
    assert fingerprint(root) == before


def test_a_bad_apex_does_not_matter_where_the_midpoint_is_asked_for(copy):
    root = copy("casme2")
    with edited(root / SHEETS["casme2"]) as sheet:
        sheet.cell(3, COLUMN["apex"]).value = "/"
    assert len(load_index("casme2", root, apex="midpoint")) == 7


def test_an_offset_before_the_onset_is_refused_at_the_midpoint_too(copy):
    root = copy("casme2")
    with edited(root / SHEETS["casme2"]) as sheet:
        sheet.cell(3, COLUMN["offset"]).value = 1
        sheet.cell(3, COLUMN["onset"]).value = 2
    assert "field 'offset': 1 lies before the onset 2" in _refusal("casme2", root, apex="midpoint")


def test_all_problems_are_told_together(copy):
    root = copy("samm")
    with edited(root / SHEETS["samm"]) as sheet:
        sheet["E15"], sheet["D16"], sheet["A17"] = "no", "?", "?"
        shutil.rmtree(root / sheet["A18"].value / sheet["B18"].value)
    lines = _refusal("samm", root).splitlines()
    assert [line.split(", ")[2].split(":")[0] for line in lines] == ["row 15", "row 16", "row 17", "row 18"]


def test_a_long_list_of_problems_is_told_whole(copy):
    root = copy("mmew")
    with edited(root / SHEETS["mmew"]) as sheet:
        for number in range(30):
            sheet.append([1, f"S01-01-{number:03d}", 1, 2, 3, "4", "anger", None])
    lines = _refusal("mmew", root).splitlines()
    assert len(lines) == 30 and len(set(lines)) == 30


def test_smic_clip_folder_without_frames(copy):
    root = copy("smic-hs")
    folder = root / "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01"
    for path in folder.iterdir():
        path.unlink()
    assert f"{folder}: clip 1/s1_ne_01: no frames in {folder}; copy" in _refusal("smic-hs", root)
