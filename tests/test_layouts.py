"""Every release's layout as it lies on disk, its faults included, and the official counts at full scale."""

import csv
import re
from collections import Counter

import cv2
import numpy as np
import openpyxl
import pytest
from trees import PLANS, full_plan

from apexbench.datasets.synthetic import lay_out, render
from apexbench.datasets.synthetic.expressions import objective_class
from apexbench.datasets.synthetic.layouts import LAYOUTS
from apexbench.datasets.synthetic.layouts.flow_maps import PER_PART
from apexbench.datasets.synthetic.render import outline
from apexbench.store.tensors import read_tensors

# MEGC2019: subject:negative/positive/surprise, from the organisers' list
MEGC = {
    "smic-hs": "1:3/2/1 2:0/1/5 3:22/11/6 4:10/4/5 5:1/0/1 6:2/0/2 8:9/4/0 9:0/1/3 11:3/3/1 12:0/8/1 13:0/10/0 "
    "14:3/2/5 15:1/1/2 18:2/0/5 19:0/1/1 20:14/3/5",
    "casme2": "1:2/1/0 2:5/1/3 3:4/0/1 4:2/0/0 5:0/1/5 6:1/1/2 7:5/0/0 8:1/0/0 9:5/5/0 11:4/0/0 12:5/2/4 13:0/2/0 "
    "14:0/3/0 15:1/1/1 16:1/2/0 17:23/7/1 19:3/3/5 20:2/0/0 21:1/0/0 22:2/0/0 23:7/1/0 24:2/0/1 25:3/0/2 26:9/2/0",
    "samm": "6:9/0/2 7:1/5/2 9:3/0/1 10:4/0/0 11:13/7/0 12:2/0/1 13:6/0/0 14:2/7/1 15:2/0/1 16:2/1/2 17:3/0/1 "
    "18:2/0/1 19:0/1/0 20:2/2/0 21:2/0/0 22:3/2/0 23:1/0/0 24:1/0/0 26:9/0/0 28:1/0/2 30:3/0/0 31:1/0/0 32:4/0/0 "
    "33:4/1/0 34:3/0/0 35:7/0/1 36:1/0/0 37:1/0/0",
}
SIDES = {
    "negative": {"negative", "disgust", "repression", "anger", "contempt", "fear", "sadness"},
    "positive": {"positive", "happiness"},
    "surprise": {"surprise"},
}
# clips, subjects, and the clips of each emotion
COUNTS = {
    "casme": (189, 19, {}),
    "casme2": (255, 26, {"others": 99, "disgust": 63, "happiness": 32, "repression": 27, "surprise": 25, "sadness": 7,
                         "fear": 2}),
    "casme-squared": (57, 22, {}),
    "casme3a": (860, 94, {"disgust": 250, "surprise": 187, "others": 158, "Others": 3, "fear": 86, "anger": 64,
                          "sad": 57, "happy": 55}),
    "casme3a-v1": (921, 94, {}),
    "casme3c": (165, 30, {"negative": 99, "surprise": 30, "others": 20, "positive": 16}),
    "samm": (159, 29, {"Anger": 57, "Other": 26, "Happiness": 26, "Surprise": 15, "Contempt": 12, "Disgust": 9,
                       "Fear": 8, "Sadness": 6}),
    "smic-hs": (164, 16, {"negative": 70, "positive": 51, "surprise": 43}),
    "smic-vis": (71, 8, {"negative": 24, "positive": 28, "surprise": 19}),
    "smic-nir": (71, 8, {"negative": 24, "positive": 28, "surprise": 19}),
    "smic-hs-e": (157, 16, {"negative": 66, "positive": 51, "surprise": 40}),
    "mmew": (300, 36, {"happiness": 36, "anger": 8, "surprise": 89, "disgust": 72, "fear": 16, "sadness": 13,
                       "others": 66}),
    "4dme": (267, 41, {}),
    "dfme": (1856, 176, {"disgust": 548, "surprise": 298, "sadness": 278, "fear": 265, "happiness": 206, "anger": 161,
                         "contempt": 100}),
    "casme2-flow": (145, 24, {"negative": 88, "positive": 32, "surprise": 25}),
    "samm-flow": (133, 28, {"negative": 92, "positive": 26, "surprise": 15}),
    "smic-hs-flow": (164, 16, {"negative": 70, "positive": 51, "surprise": 43}),
}  # fmt: skip
FIVE = {
    "casme2": {1: 9, 2: 13, 3: 7, 4: 5, 5: 19, 6: 5, 7: 9, 8: 3, 9: 13, 10: 13, 11: 10, 12: 12, 13: 8, 14: 4, 15: 3,
               16: 4, 17: 34, 18: 3, 19: 15, 20: 11, 21: 2, 22: 2, 23: 12, 24: 7, 25: 7, 26: 16},
    "samm": {6: 9, 7: 9, 9: 3, 10: 4, 11: 15, 12: 1, 13: 6, 14: 10, 15: 2, 16: 5, 17: 6, 18: 2, 19: 3, 20: 9, 21: 2,
             22: 5, 23: 1, 25: 4, 26: 12, 28: 3, 30: 3, 31: 1, 32: 5, 33: 4, 34: 3, 35: 6, 37: 3},
}  # fmt: skip


def _megc(dataset):
    found = re.findall(r"(\d+):(\d+)/(\d+)/(\d+)", MEGC[dataset])
    return {int(subject): tuple(map(int, counts)) for subject, *counts in found}


def _per_subject(dataset, emotions):
    """{subject: clips} of some emotions, without the subjects that have none."""
    counts = Counter()
    for subject, emotion, clips, _ in full_plan(dataset):
        if emotion.lower() in emotions:
            counts[subject] += clips
    return dict(counts)


def _rows(path, sheet=0):
    return list(openpyxl.load_workbook(path).worksheets[sheet].iter_rows(values_only=True))


def _files(root):
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def _frames(folder):
    return {int(re.findall(r"\d+", path.stem)[-1]) for path in folder.iterdir()}


# counts


@pytest.mark.parametrize("dataset", COUNTS)
def test_full_scale_has_the_official_counts(dataset):
    clips, subjects, emotions = COUNTS[dataset]
    plan = full_plan(dataset)
    per_emotion = Counter()
    for _, emotion, count, _ in plan:
        per_emotion[emotion] += count
    assert sum(per_emotion.values()) == clips and len({row[0] for row in plan}) == subjects
    assert not emotions or per_emotion == emotions
    assert len(outline(dataset, plan, scale="full")) == clips


@pytest.mark.parametrize("dataset", ["smic-hs", "casme2", "samm", "smic-hs-flow", "casme2-flow", "samm-flow"])
def test_megc2019_subject_by_subject(dataset):
    expected = _megc(dataset.removesuffix("-flow"))
    wide = {"sadness", "fear"} if dataset == "casme2" else set()  # not in the official list
    more = {4: 1, 5: 1} if dataset == "casme2" else {}  # disgust clips that the official list leaves out
    for place, emotions in enumerate(SIDES.values()):
        table = {subject: counts[place] for subject, counts in expected.items()}
        table = {subject: n + (more.get(subject, 0) if place == 0 else 0) for subject, n in table.items()}
        assert _per_subject(dataset, emotions - wide) == {subject: n for subject, n in table.items() if n}


@pytest.mark.parametrize(
    ("dataset", "emotions"),
    [
        ("casme2", {"others", "disgust", "happiness", "repression", "surprise"}),
        ("samm", {"anger", "contempt", "happiness", "other", "surprise"}),
    ],
)
def test_five_classes_subject_by_subject(dataset, emotions):
    assert _per_subject(dataset, emotions) == FIVE[dataset]


def test_wide_three_classes_of_casme2():
    table = _per_subject("casme2", set.union(*SIDES.values()))
    assert (sum(table.values()), len(table)) == (156, 25)
    assert _per_subject("casme2", SIDES["negative"])[10] == 1 and 18 not in table


@pytest.mark.parametrize(
    ("dataset", "classes", "inside", "subjects"),
    [("casme2", (25, 15, 99, 26, 20, 1, 69), 185, 26), ("samm", (24, 13, 20, 8, 3, 7, 84), 68, 21)],
)
def test_objective_classes(dataset, classes, inside, subjects):
    plan = full_plan(dataset)
    counts = Counter()
    for _, _, clips, objective in plan:
        counts[objective] += clips
    assert counts == dict(zip(("I", "II", "III", "IV", "V", "VI", "VII"), classes, strict=True))
    used = [row for row in plan if row[3] in ("I", "II", "III", "IV", "V")]
    assert sum(row[2] for row in used) == inside and len({row[0] for row in used}) == subjects
    for take in outline(dataset, plan, scale="full"):
        assert objective_class(take.clip.aus) == take.clip.objective, take.clip


def test_smic_e_leaves_out_the_lost_clips():
    names = {take.clip.name for take in outline("smic-hs-e", full_plan("smic-hs-e"), scale="full")}
    assert len(names) == 157
    assert not names & {"s1_ne_02", "s2_sur_05", "s3_ne_03", "s3_ne_20", "s4_ne_05", "s4_ne_06", "s9_sur_02"}


# what holds for all layouts


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_laid_out_tree_is_whole_and_always_the_same(layout, tmp_path):
    plan = [(3, emotion, 2) for emotion in LAYOUTS[layout].emotions[:3]] + [(16, LAYOUTS[layout].emotions[0], 1)]
    for name in "ab":
        lay_out(layout, plan, tmp_path / name)
    files = _files(tmp_path / "a")
    assert files == _files(tmp_path / "b")
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    pictures = {name for name in files if name.endswith((".jpg", ".bmp", ".png"))}
    first = cv2.imread(str(tmp_path / "a" / min(pictures)), cv2.IMREAD_UNCHANGED)
    assert first is not None and (first.ndim == 2) == (LAYOUTS[layout].gray)
    if not LAYOUTS[layout].maps:
        clips = [take.clip for take in outline(layout, plan)]
        expected = {LAYOUTS[layout].frame(clip, number) for clip in clips for number in clip.numbers()}
        rest = pictures - expected
        assert expected <= pictures and all("non_micro" in name or "/depth/" in name for name in rest)
        assert len({LAYOUTS[layout].key(clip) for clip in clips}) == len(clips)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_outline_of_a_clip_does_not_depend_on_the_rest_of_the_plan(layout):
    emotion, other = LAYOUTS[layout].emotions[:2]
    (alone,) = outline(layout, [(3, emotion, 1)])
    together = outline(layout, [(2, other, 1), (3, emotion, 1), (3, other, 2)])
    again = next(take for take in together if take.clip.subject == 3)
    assert again.script.movement == alone.script.movement and again.rng.random() == alone.rng.random()
    assert (again.clip.name, again.clip.onset, again.clip.apex) == (alone.clip.name, alone.clip.onset, alone.clip.apex)


@pytest.mark.parametrize("dataset", PLANS)
def test_lay_out_names_what_render_names(rendered, tmp_path, dataset):
    lay_out(dataset, PLANS[dataset], tmp_path / "clips", seed=7)
    _assert_same_but_pictures(rendered[dataset][0], tmp_path / "clips")


@pytest.mark.parametrize("layout", ["casme3a", "smic-hs-e", "4dme", "flow-maps-loso"])
def test_lay_out_names_what_render_names_in_the_other_layouts(tmp_path, layout):
    plan = [(3, emotion, 1) for emotion in LAYOUTS[layout].emotions[:2]]
    render(layout, plan, tmp_path / "rendered", tmp_path / "truth.safetensors")
    lay_out(layout, plan, tmp_path / "clips")
    _assert_same_but_pictures(tmp_path / "rendered", tmp_path / "clips")
    if layout == "flow-maps-loso":
        _assert_maps_show_the_flow(tmp_path / "rendered", read_tensors(tmp_path / "truth.safetensors"))


def _assert_same_but_pictures(first, second):
    assert _files(first) == _files(second)
    for name in _files(first):
        if not name.endswith((".jpg", ".bmp", ".png")):
            assert (first / name).read_bytes() == (second / name).read_bytes(), name


def _assert_maps_show_the_flow(root, truth):
    for record in truth.meta["clips"]:
        key = f"{record['subject']}/{record['clip']}"
        (path,) = root.glob(f"**/u_test/*/*_{record['clip']} .png")
        shown = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        assert shown.shape == (28, 28, 3) and shown.min((0, 1)).max() == 0 and shown.max((0, 1)).min() == 255
        low, high = (getattr(truth[f"{key}/landmarks"], end)(0).astype(int) for end in ("min", "max"))
        flow = truth[f"{key}/flow"].astype(np.float32)[low[1] : high[1], low[0] : high[0]]
        flow = cv2.resize(flow, (28, 28), interpolation=cv2.INTER_AREA)
        for channel in (0, 1):
            assert np.corrcoef(shown[..., channel].ravel(), flow[..., channel].ravel())[0, 1] > 0.99


# the releases, one by one


def test_casme2_faults(laid_out):
    root = laid_out("casme2", (3, 4, 5, 7, 12, 13, 16, 20, 24, 25))
    _, *rows = _rows(root / "CASME2-coding-20140508.xlsx")
    found = {(int(row[0]), row[1]): row for row in rows}
    assert found[4, "EP12_01f"][3:6] == (261, "/", 321) and found[4, "EP12_01f"][8] == "disgust"
    assert found[5, "EP09_05f"][3:6] == (69, 69, 123) and found[5, "EP09_05f"][8] == "disgust"
    for clip in ((5, "EP16_04f"), (12, "EP09_06"), (20, "EP16_01"), (25, "EP18_04f")):
        assert found[clip][4] == found[clip][5]
    assert found[16, "EP01_08"][3] == 73 and found[16, "EP01_08"][5] == 110
    assert _frames(root / "CASME2_RAW_selected/sub16/EP01_08") == set(range(73, 97))
    assert {found[24, name][8] for name in ("EP07_01", "EP07_04f", "EP10_03")} == {"sadness"}
    assert {(3, "EP01_2"), (3, "EP08_1"), (7, "EP06_02_01"), (7, "EP06_02_02"), (13, "EP09f")} <= set(found)
    assert sum(row[7] == "?" for row in rows) == 5
    assert {type(row[7]) for row in rows} == {int, str}
    assert (root / "CASME2_RAW_selected/sub03/Desktop - Shortcut.lnk").is_file()
    header, *classes = _rows(root / "CASME2-ObjectiveClasses.xlsx")
    assert header == ("Subject", "Filename", "Objective Class") and len(classes) == len(rows)


def test_casme2_of_2019_differs_as_the_newer_sheet_does(laid_out):
    _, *old = _rows(laid_out("casme2", (4, 16, 24)) / "CASME2-coding-20140508.xlsx")
    _, *new = _rows(laid_out("casme2-2019", (4, 16, 24)) / "CASME2-coding-20190701.xlsx")
    changed = {b[1]: (b[5], b[8]) for a, b in zip(old, new, strict=True) if (a[5], a[8]) != (b[5], b[8])}
    assert changed.pop("EP01_08") == (96, "others")
    assert {name: emotion for name, (_, emotion) in changed.items()} == dict.fromkeys(
        ("EP07_01", "EP07_04f", "EP10_03"), "surprise"
    )
    assert any(a[7] != b[7] for a, b in zip(old, new, strict=True))
    assert {a[:3] for a in old} == {b[:3] for b in new}


def test_casme2_cropped(laid_out):
    raw, cropped = _files(laid_out("casme2", (4, 16, 24))), _files(laid_out("casme2-cropped", (4, 16, 24)))
    assert {name.replace("CASME2_RAW_selected", "Cropped").replace("/img", "/reg_img") for name in raw} == cropped


def test_samm_faults(laid_out):
    root = laid_out("samm", (7, 11, 14, 28, 32, 35))
    rows = _rows(root / "SAMM_Micro_FACS_Codes_v2.xlsx")
    assert rows[13][:2] == ("Subject", "Filename")
    found = {row[1]: row for row in rows[14:]}
    for clip, onset, offset in (("028_4_1", 1071, 1134), ("032_3_1", 4896, 4970)):
        assert found[clip][3] == onset and found[clip][5] == offset and not onset <= found[clip][4] <= offset
    ambiguous = {clip for clip, row in found.items() if " or " in str(row[8])}
    assert ambiguous == {"007_6_1", "007_6_5", "011_4_2", "014_5_2", "035_7_2"}
    widths = {clip: {len(path.stem.split("_")[1]) for path in (root / clip[:3] / clip).iterdir()} for clip in found}
    assert all(len(width) == 1 for width in widths.values())
    assert {4, 5} == set.union(*widths.values())


def test_smic_trees(laid_out):
    root = laid_out("smic-hs-cropped", (3, 18))
    tree = root / "SMIC_all_cropped/HS"
    assert list((tree / "s18/micro/surprise/s18_sur_03").iterdir()) == []
    for clip, lacks in {"positive/s3_po_08": 2, "surprise/s3_sur_01": 1, "surprise/s3_sur_02": 0}.items():
        frames = _frames(tree / "s3/micro" / clip)
        assert max(frames) - min(frames) + 1 - len(frames) == lacks
    assert all(path.name.startswith("reg_image") for path in (tree / "s3/micro/surprise/s3_sur_02").iterdir())
    assert any((tree / "s3/non_micro").rglob("*.bmp")) and not any(root.glob("*.xlsx"))
    for part in ("vis", "nir"):
        folder = laid_out(f"smic-{part}", (11,)) / f"SMIC_all_raw/{part.upper()}/s11/micro"
        assert {path.name for path in folder.iterdir()} <= {"negative", "positive", "surprise"}


def test_smic_e_sheet(laid_out):
    root = laid_out("smic-hs-e", (1, 3))
    path = root / "SMIC-HS-E_annotation.xlsx"
    header, *rows = _rows(path)
    assert header[:5] == ("Subject", "Filename", None, "OnsetF", "OffsetF") and header[-1] == "Emotion"
    clips = [row for row in rows if isinstance(row[0], int)]
    assert len(clips) == 5 + 37 and rows[len(clips)] == (None,) * 17, "notes follow"
    assert ("MISSING", "s3_ne_20") in {row[:2] for row in rows}
    assert clips[0][4] == "=D2+M2-1"
    stored = list(openpyxl.load_workbook(path, data_only=True)["HS"].iter_rows(values_only=True))
    assert stored[1][4] is None, "no value beside the formula"
    assert any(row[5] for row in clips) and any(row[7] for row in clips)
    for row in clips:
        frames = _frames(root / f"SMIC-E_raw image/HS_long/SMIC-HS-E/s{row[0]:02d}/{row[1]}")
        first, onset, last = row[10], row[3], row[11]
        assert frames == set(range(first, last + 1)) and first < onset < onset + row[12] - 1 < last
        assert row[15] == len(frames)


def test_mmew_in_both_orders(laid_out):
    for layout, folder in (("mmew", "MMEW_Final/Micro_Expression/{}/{}"), ("mmew-subject-first", "S03/{}/{}")):
        root = laid_out(layout, (3,))
        _, *rows = _rows(root / "MMEW_Micro_Exp.xlsx")
        for row in rows:
            emotion = "repression" if row[6] == "others" and layout != "mmew" else row[6]
            assert _frames(root / folder.format(emotion, row[1])) == set(range(row[2], row[4] + 1)) and row[2] == 1
            assert row[1][4:6] == f"{1 + LAYOUTS[layout].emotions.index(row[6]):02d}"


def test_casme_pads_some_names_only(laid_out):
    root = laid_out("casme")
    header, *rows = _rows(root / "casme.xlsx")
    assert header == ("Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AU", "Emotion")
    assert len(rows) == 189 and any(row[5] for row in rows) and not all(row[5] for row in rows)
    names = [path.rsplit("-", 1)[1] for path in _files(root) if path.endswith(".jpg")]
    assert any(name.startswith("0") for name in names) and any(len(name) < len("000.jpg") for name in names)
    for row in rows[:20]:
        assert _frames(root / f"CASME_raw_selected/sub{row[0]:02d}/{row[1]}") == set(range(row[3], row[6] + 1))


def test_casme_squared_has_no_header_and_rules_of_names(laid_out):
    root = laid_out("casme-squared")
    path = root / "CAS(ME)^2code_final.xlsx"
    assert openpyxl.load_workbook(path).sheetnames == ["CASFEcode_final", "naming rule1", "naming rule2"]
    rows, people, stimuli = (_rows(path, sheet) for sheet in range(3))
    person = {who: folder for _, folder, who in people}
    code = {name: f"{number:04d}" for number, name in stimuli}
    micro = [row for row in rows if row[7] == "micro-expression"]
    assert len(micro) == 57 and sum(row[7] == "macro-expression" for row in rows) == 300
    assert 0 < sum(row[4] == 0 for row in micro) < 6
    for who, name, onset, apex, *_ in micro:
        (video,) = (root / "rawpic" / person[who]).glob(f"*_{code[name.split('_')[0]]}*")
        assert (video / f"img{onset:03d}.jpg").is_file() and (video / f"img{apex:03d}.jpg").is_file()


def test_casme3_part_a(laid_out):
    root = laid_out("casme3a", (3, 40, 149, 214, 216))
    header, *rows = _rows(root / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx")
    assert header == ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion")
    assert all(isinstance(cell, str) for row in rows for cell in row), "numbers are text"
    bad = {("spNO.149", "d", "112", "83"), ("spNO.216", "d", "3647", "2654"), ("spNO.216", "e", "0", "8")}
    assert bad <= {row[:4] for row in rows}
    assert [row[4] for row in rows if row[:2] == ("spNO.40", "e") and int(row[2]) < 2500] == ["0", "0"]
    assert ("spNO.214", "c", "3460") in {(row[0], row[1], row[4]) for row in rows}
    assert ("spNO.3", "J") in {row[:2] for row in rows} and (root / "part_A/spNO.3/j/color").is_dir()
    for folder, kind in (("color", ".jpg"), ("depth", ".png")):
        frames = {path.name for path in (root / "part_A/spNO.40/e" / folder).iterdir()}
        assert {f"1845{kind}", f"2403{kind}"} <= frames and f"2000{kind}" not in frames, "two clips in one video"
    assert not (root / "part_A/spNO.216/e/color/0.jpg").exists()
    assert (laid_out("casme3a-v1", (3,)) / "cas(me)3_part_A_ME_label_JpgIndex.xlsx").is_file()


def test_casme3_part_a_has_55_clips_without_motion_by_its_sheet():
    clips = [take.clip for take in outline("casme3a", full_plan("casme3a"), scale="full")]
    assert sum(clip.says("apex") == clip.says("onset") for clip in clips) == 55
    assert len({(clip.subject, clip.name) for clip in clips}) < 0.7 * len(clips), "many share a video"


def test_casme3_part_c(laid_out):
    root = laid_out("casme3c")
    header, *rows = _rows(root / "CAS(ME)3_part_C_ME.xlsx")
    assert header == ("sub", "count", "onset", "offset", "au", "emotion") and len(rows) == 165
    assert 22 not in {row[0] for row in rows}
    assert sum("\uff0c" in str(row[4]) for row in rows) == 1 and sum("," in str(row[4]) for row in rows) > 30
    for sub, _, onset, offset, *_ in rows[:20]:
        assert set(range(onset, offset + 1)) <= _frames(root / f"part_C/{sub:02d}/a/color")


def test_4dme_labels(laid_out):
    root = laid_out("4dme")
    header, *rows = _rows(root / "4DME_Labelling_Micro_release v1.xlsx")
    assert header[1:3] == ("sub_ID'", "fold_name'") and header[5:10] == (
        "Positive", "Negative", "Surprise", "Repression", "Others")  # fmt: skip
    assert any("+" in row[3] for row in rows) and any("(k)" in row[14] for row in rows)
    for row in rows:
        flags = dict(zip(header[5:10], row[5:10], strict=True))
        assert {label for label, flag in flags.items() if flag} == set(row[3].split("+"))
        units = {f"AU{unit}" for unit in re.findall(r"\d+", row[14])}
        assert {name for name, flag in zip(header[15:], row[15:], strict=True) if flag} == units
        assert (root / f"gray_micro/{row[1]}/{row[2]}/Frame_{row[11]:09d}.jpg").is_file()


def test_dfme_csv(laid_out):
    root = laid_out("dfme", (1, 2, 3))
    with (root / "DFME_train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-2:] == ["Fps", "AU"] and {row["Fps"] for row in rows} == {"500", "300", "200"}
    for row in rows:
        frames = _frames(root / f"train/{row['Subject']}/{row['Filename']}")
        assert frames == set(range(int(row["OnsetFrame"]), int(row["OffsetFrame"]) + 1))


def test_flow_maps(laid_out):
    root = laid_out("flow-maps")
    with (root / "combined_3_class2_for_optical_flow.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["dataset", "sub", "filename_o", "label", "apex", "imagename", "sub_filename"]
    assert Counter(row[0] for row in rows) == {"casme2": 145, "samm": 133, "smic": 164}
    assert Counter(row[3] for row in rows) == {"0": 250, "1": 109, "2": 83}
    assert len({(row[0], row[1]) for row in rows}) == 68
    assert {f"{row[1]}_{row[2]} .png" for row in rows} == {path.name for path in root.glob("*/*.png")}
    assert {"s01_s01_ne_01", "006_006_1_1"} <= {f"{row[1]}_{row[2]}" for row in rows}


def test_flow_maps_in_folds(tmp_path):
    plan = [row for row in full_plan("flow-maps-loso") if row[0] % PER_PART in (1, 7)]
    lay_out("flow-maps-loso", plan, tmp_path / "maps", scale="full")
    folds = {fold.name: fold for fold in (tmp_path / "maps/norm_u_v_os").iterdir()}
    assert set(folds) == {"sub01", "sub07", "007", "s01"}
    everything = {path.name for path in (tmp_path / "maps").glob("**/u_test/*/*.png")}
    assert len(everything) == sum(row[2] for row in plan)
    for name, fold in folds.items():
        test, train = ({path.name for path in fold.glob(f"{side}/*/*.png")} for side in ("u_test", "u_train"))
        assert test == {other for other in everything if other.startswith(f"{name}_")} and train == everything - test
