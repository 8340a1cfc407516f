"""Every release: the official counts at full scale, every quirk on record, and trees and sheets that are wrong."""

import re
import shutil
from functools import cache
from pathlib import Path

import openpyxl
import pytest
from trees import edited, fingerprint

from apexbench.clips import read_index, sample_hash, write_index
from apexbench.config.datasets import LOADERS
from apexbench.config.files import read_cards, read_repairs
from apexbench.datasets import differences, load_index, names, read_release
from apexbench.datasets.synthetic.layouts import LAYOUTS
from apexbench.datasets.synthetic.render import lay_out
from apexbench.errors import InputError
from apexbench.protocols import assemble, unexpected
from apexbench.stages.index import index_dataset

ROOT = Path(__file__).parent.parent
CARDS, PROTOCOLS = read_cards(ROOT)
REPAIRS = read_repairs(ROOT)
SUBJECTS = {"megc2019": 68, "megc2018-cde": 47, "casme2-3-wide": 25, "casme2-objective": 26, "samm-objective": 21}
FEW = {  # subjects with few clips, for trees that are spoilt
    "casme2": (8, 21), "samm": (12, 23, 24), "smic-hs": (5, 6), "smic-hs-e": (5, 6), "mmew": (8, 23), "casme": (1, 2),
    "casme-squared": (1, 2), "casme3a": (1, 3), "casme3c": (1, 2), "4dme": (1, 2), "dfme": (1, 2),
    "casme2-flow": (8, 15),
}  # fmt: skip


def options(entry):
    """What config/datasets.yaml says of an entry, as `read_release` takes it."""
    card = CARDS[entry]
    keys = ("loader", "label_set", "fps", "apex", "sheet", "frames", "part", "unusable")
    return {**{key: getattr(card, key) for key in keys}, "repairs": REPAIRS}


def read(layout, root, **more):
    """Read a tree by its entry, or a layout without one by its release."""
    known = options(layout) if layout in CARDS else {"loader": LAYOUTS[layout].release or layout, "repairs": REPAIRS}
    return read_release(layout, root, **{**known, **more})


def kinds(release):
    found = {}
    for finding in release.findings:
        found.setdefault(finding.kind, []).append(finding)
    return found


@pytest.fixture
def tree(laid_out, tmp_path):
    """Return a function that gives a copy of a layout's tree with few clips, to be spoilt."""

    def copied(layout):
        return shutil.copytree(laid_out(layout, FEW[layout]), tmp_path / layout)

    return copied


# the official counts


@pytest.fixture(scope="module")
def whole(laid_out):
    """Return a function that gives the release of an entry at full scale."""
    return cache(lambda entry: read(entry, laid_out(entry)))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_has_the_official_counts_at_full_scale(whole, tmp_path, name):
    card = PROTOCOLS[name]
    paths = [tmp_path / f"{dataset}.csv" for dataset in card.datasets]
    for dataset, path in zip(card.datasets, paths, strict=True):
        write_index(whole(dataset).index, path)
    frame = assemble(name, card, paths)
    assert unexpected(card, frame) == []
    found = frame.groupby(["dataset", "subject"]).ngroups
    assert found == SUBJECTS.get(name, found)


@pytest.mark.parametrize("entry", CARDS)
def test_every_entry_has_the_official_counts_at_full_scale(whole, entry):
    release = whole(entry)
    release.require_usable()
    assert differences(release.index, CARDS[entry].model_dump()) == []
    subjects = CARDS[entry].subjects
    if not isinstance(subjects, str):
        assert set(release.index["subject"]) <= set(subjects)
    assert set(release.index["dataset"]) == {entry}
    assert set(kinds(release)) <= {"apex", "repair", "unmatched-repair", "note", "missing-frames", "dropped"}


def test_every_layout_and_every_release_is_read(laid_out):
    assert set(LOADERS) == set(names())
    assert {CARDS[entry].loader or entry for entry in CARDS} == set(names())
    assert set(LAYOUTS) - set(CARDS) == {"flow-maps", "flow-maps-loso", "mmew-subject-first"}
    assert len(read("mmew-subject-first", laid_out("mmew-subject-first")).index) == 300


def test_one_folder_of_flow_maps_is_the_composite(laid_out):
    root = laid_out("flow-maps")
    whole = read("flow-maps", root).index
    assert whole["dataset"].value_counts().to_dict() == {"smic": 164, "casme2": 145, "samm": 133}
    for entry, part in (("casme2-flow", "casme2"), ("samm-flow", "samm"), ("smic-hs-flow", "smic")):
        index = read_release(entry, root, **options(entry)).index
        assert differences(index, CARDS[entry].model_dump()) == [] and set(index["dataset"]) == {entry}
        assert sample_hash(index) == sample_hash(whole[whole["dataset"] == part])
    with pytest.raises(InputError, match=r"no flow maps of part 'casme'; did you mean 'casme2'\? Known: casme2, samm"):
        read_release("x", root, loader="flow-maps", part="casme")


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    """A tree of folds of eight subjects of three parts, and its plan."""
    plan = [(subject, emotion, 2) for subject in (1, 2, 1006, 1007, 1011, 2003, 2004, 2020)
            for emotion in ("negative", "surprise")]  # fmt: skip
    root = tmp_path_factory.mktemp("folds") / "tree"
    lay_out("flow-maps-loso", plan, root)
    return root


def test_a_tree_of_folds_is_read_by_its_test_sides(folds):
    release = read("flow-maps-loso", folds)
    assert not release.findings and len(release.index) == 32
    assert release.index["frames_dir"].str.contains("/u_test/").all()
    assert release.index.groupby(["dataset", "subject", "emotion"]).size().eq(2).all()
    assert sorted(set(zip(release.index["dataset"], release.index["subject"], strict=True))) == [
        ("casme2", 1), ("casme2", 2), ("samm", 6), ("samm", 7), ("samm", 11), ("smic", 3), ("smic", 4), ("smic", 20)
    ]  # fmt: skip
    part = read_release("samm-flow", folds, **options("samm-flow"))
    assert len(part.index) == 12 and set(part.index["dataset"]) == {"samm-flow"}


# quirks on record


def test_casme2_flags_the_clips_on_record(laid_out):
    release = read("casme2", laid_out("casme2"))
    found = {finding.clip: finding.text for finding in kinds(release)["apex"]}
    assert found.pop("4/EP12_01f") == "the sheet gives no apex ('/'): the midpoint 291 is taken"
    assert found.pop("5/EP09_05f") == "apex == onset (69): the flow between them is zero"
    assert set(found) == {"5/EP16_04f", "12/EP09_06", "20/EP16_01", "25/EP18_04f"}
    assert all(text.startswith("apex == offset (") for text in found.values())
    rows = release.index.set_index(["subject", "clip"])
    assert rows.loc[(4, "EP12_01f"), ["apex", "apex_source"]].tolist() == [291, "midpoint"]
    assert rows.loc[(16, "EP01_08"), ["offset", "n_frames", "repairs"]].tolist() == [96, 24, "offset:110->96"]
    assert rows["objective"].value_counts().to_dict() == {"I": 25, "II": 15, "III": 99, "IV": 26, "V": 20, "VI": 1,
                                                          "VII": 69}  # fmt: skip
    assert (rows["aus"] == "?").sum() == 5


def test_the_sidecar_of_casme2_may_be_there_or_not(tree):
    root = tree("casme2")
    sidecar = root / "CASME2-ObjectiveClasses.xlsx"
    with edited(sidecar) as page:
        page.delete_rows(2)
    (found,) = kinds(read("casme2", root))["label"]
    assert found.place == str(sidecar) and found.text == "the sidecar gives no objective class"
    sidecar.unlink()
    release = read("casme2", root)
    assert set(release.index["objective"]) == {""} and not release.of_kind("label")


def test_apex_drop_leaves_the_clips_of_megc2019(laid_out):
    from apexbench.protocols import label, unexpected

    release = read("casme2", laid_out("casme2"), apex="drop")
    dropped = {finding.clip: finding.text for finding in kinds(release)["dropped"]}
    assert dropped == {"4/EP12_01f": "field 'apex': the sheet gives none ('/')",
                       "5/EP09_05f": "field 'apex': apex == onset (69)"}  # fmt: skip
    assert len(release.index) == 253
    assert unexpected(PROTOCOLS["casme2-3-megc"], label(PROTOCOLS["casme2-3"], release.index)) == []


def test_without_the_repair_the_offset_lies_past_the_last_frame(laid_out):
    release = read("casme2", laid_out("casme2"), repairs=())
    (error,) = kinds(release)["error"]
    assert error.clip == "16/EP01_08" and re.match(
        r"field 'offset': 110 lies 14 frames past the last one in .*EP01_08, 96, more than a tenth of the clip 73..110",
        error.text,
    )
    skipped = read("casme2", laid_out("casme2"), repairs=(), unusable="skip")
    assert [f.clip for f in kinds(skipped)["dropped"]] == ["16/EP01_08"] and len(skipped.index) == 254


def test_an_offset_a_little_past_the_last_frame_is_a_warning(tree):
    root = tree("casme2")
    row = next(row for row in read("casme2", root).index.itertuples() if row.offset - row.onset >= 20)
    (root / row.frames_dir / f"img{row.offset}.jpg").unlink()
    (found,) = read("casme2", root).warnings
    assert found.kind == "missing-frames" and found.text.startswith(f"frames {row.offset} are not there; onset..offset")
    for number in range(row.offset - (row.offset - row.onset) // 5, row.offset):
        (root / row.frames_dir / f"img{number}.jpg").unlink()
    (error,) = read("casme2", root).of_kind("error")
    assert "more than a tenth of the clip" in error.text


def test_the_sheet_of_2019_differs_in_labels(laid_out):
    labels = [
        read(entry, laid_out(entry)).index.set_index(["subject", "clip"])["emotion"]
        for entry in ("casme2", "casme2-2019")
    ]
    changed = labels[0][labels[0] != labels[1].reindex(labels[0].index)]
    assert set(changed.index) == {(24, "EP07_01"), (24, "EP07_04f"), (24, "EP10_03")} and set(changed) == {"sadness"}


def test_a_copy_with_both_sheets_is_two_entries(laid_out, tree):
    root = tree("casme2")
    other = laid_out("casme2-2019", FEW["casme2"]) / "CASME2-coding-20190701.xlsx"
    shutil.copy(other, root)
    with pytest.raises(InputError, match=r"found more than once \(CASME2-coding-20140508.xlsx, .*field 'sheet'"):
        load_index("casme2", root)
    for entry in ("casme2", "casme2-2019"):
        assert len(read(entry, root).index) == len(load_index("casme2", laid_out("casme2", FEW["casme2"])))


def test_samm_padding_and_its_objective_classes(laid_out):
    index = read("samm", laid_out("samm")).index
    widths = {
        len(path.stem.split("_")[1])
        for folder in index["frames_dir"].iloc[:40]
        for path in (laid_out("samm") / folder).iterdir()
    }
    assert widths == {4, 5}
    assert index["objective"].value_counts().to_dict() == {"VII": 84, "I": 24, "III": 20, "II": 13, "IV": 8, "VI": 7,
                                                           "V": 3}  # fmt: skip


def test_smic_crops_lack_frames_and_one_clip(laid_out):
    release = read("smic-hs-cropped", laid_out("smic-hs-cropped"))
    (dropped,) = kinds(release)["dropped"]
    assert dropped.clip == "18/s18_sur_03" and "no frames in" in dropped.text
    lost = {f.clip: f.text.split(" are not there")[0] for f in kinds(release)["missing-frames"]}
    assert set(lost) == {"3/s3_po_08", "3/s3_sur_01", "3/s3_sur_05", "3/s3_ne_16"} and ".." in lost["3/s3_po_08"]
    with pytest.raises(InputError, match=r"clip 18/s18_sur_03: no frames in .*s18_sur_03; copy them"):
        load_index("smic-hs", laid_out("smic-hs-cropped"))


def test_smic_says_once_that_there_is_no_apex(laid_out):
    release = read("smic-hs", laid_out("smic-hs"), apex="sheet")
    assert [f.text for f in kinds(release)["apex"]] == ["the release annotates no apex: the midpoint is taken"]
    assert set(release.index["apex_source"]) == {"midpoint"}
    with pytest.raises(InputError, match=r"none of the 164 clips can be used\n.*the sheet gives none"):
        read("smic-hs", laid_out("smic-hs"), apex="drop")


def test_smic_e_reads_formulas_and_passes_notes_over(laid_out):
    root = laid_out("smic-hs-e")
    release = read("smic-hs-e", root)
    notes = [finding.text for finding in kinds(release)["note"]]
    assert "not a clip: MISSING, s1_ne_02" in notes
    further = [text for text in notes if "further micro-expression" in text]
    assert len(further) == 8 and sum(text.startswith("the row has 2 further") for text in further) == 7
    page = openpyxl.load_workbook(next(root.rglob("SMIC-HS-E_annotation.xlsx")))["HS"]
    header = [cell.value for cell in page[1]]
    row = dict(zip(header, (cell.value for cell in page[2]), strict=True))
    assert row["OffsetF"].startswith("=")
    clip = release.index.set_index("clip").loc[row["Filename"]]
    assert clip["offset"] == row["OnsetF"] + row["TotalMF1"] - 1 and clip["n_frames"] == row["TotalMF1"]


def test_casme_squared_reads_micro_expressions_of_long_videos(laid_out):
    release = read("casme-squared", laid_out("casme-squared"))
    repaired = release.index[release.index["repairs"] != ""]
    assert len(repaired) == 3 and (repaired["offset"] == repaired["apex"]).all()
    folder = release.index["frames_dir"].iloc[0]
    assert re.fullmatch(r"rawpic/s\d\d/\d\d_0\d{3}[a-z]+", folder)
    assert release.index["frames_dir"].nunique() < len(release.index)


def test_casme_squared_prefers_the_clips_own_folders(laid_out, tree):
    root = tree("casme-squared")
    before = read("casme-squared", root).index
    for row in before.itertuples():
        own = root / "selectedpic" / Path(row.frames_dir).parent.name / row.clip
        shutil.copytree(root / row.frames_dir, own)
    after = read("casme-squared", root).index
    assert after.drop(columns="frames_dir").equals(before.drop(columns="frames_dir"))
    assert all(row.frames_dir.endswith(f"/{row.clip}") for row in after.itertuples())


def test_casme3_tells_clips_of_a_video_apart_by_their_onset(laid_out):
    index = read("casme3a", laid_out("casme3a")).index
    assert (
        index.duplicated(["subject", "clip"]).sum() > 300 and not index.duplicated(["subject", "clip", "onset"]).any()
    )
    assert index["clip"].str.fullmatch("[a-m]").all()  # one is written as J
    assert (index["apex"] == index["onset"]).sum() == 55
    assert index["frames_dir"].str.endswith("/color").all()
    repaired = index[index["repairs"] != ""].set_index(["subject", "clip", "onset"])["repairs"].to_dict()
    assert repaired == {
        (149, "d", 112): "apex:83->123", (216, "d", 2647): "onset:3647->2647", (216, "e", 1): "onset:0->1",
        (40, "e", 1832): "offset:0->1845", (40, "e", 2391): "offset:0->2403", (214, "c", 22): "offset:3460->34",
    }  # fmt: skip


def test_casme3_part_c_reads_a_full_width_comma(laid_out):
    from apexbench.clips import action_units

    release = read("casme3c", laid_out("casme3c"))
    (cell,) = release.index["aus"][release.index["aus"].str.contains("\uff0c")]
    assert action_units(cell) == {int(unit) for unit in re.findall(r"\d+", cell)} and "label" not in kinds(release)


def test_fourdme_has_several_labels_and_kept_units(laid_out):
    from apexbench.clips import action_units

    release = read("4dme", laid_out("4dme"))
    assert (release.index["emotion"].str.contains(r"\+")).sum() == 25
    kept = release.index[release.index["aus"].str.contains(r"\(k\)", regex=True)]
    assert len(kept) and all(len(action_units(cell)) == cell.count("+") for cell in kept["aus"])
    assert "label" not in kinds(release)


def test_dfme_has_a_frame_rate_for_each_clip(laid_out):
    assert set(read("dfme", laid_out("dfme", (1, 2, 3, 4))).index["fps"]) == {200.0, 300.0, 500.0}


def test_casme_takes_the_first_apex_column(tree):
    root = tree("casme")
    with edited(root / "casme.xlsx") as sheet:
        header = [cell.value for cell in sheet[1]]
        first, second = header.index("ApexF1") + 1, header.index("ApexF2") + 1
        sheet.cell(2, second).value = sheet.cell(2, first).value + 1
        sheet.cell(3, second).value, sheet.cell(3, first).value = sheet.cell(3, first).value, None
        wanted = [sheet.cell(2, first).value, sheet.cell(3, second).value]
    release = read("casme", root)
    assert release.index["apex"].iloc[:2].tolist() == wanted
    assert [f.text for f in kinds(release)["apex"]] == ["no ApexF1 (''): ApexF2 is taken"]


def test_flow_maps_are_pictures_without_frames(laid_out, tree):
    root = tree("casme2-flow")
    release = read("casme2-flow", root)
    row = release.index.iloc[0]
    assert (row.onset, row.apex, row.offset, row.n_frames, row.apex_source) == (0, 0, 0, 1, "provided")
    assert row.frames_dir.endswith(" .png") and (root / row.frames_dir).is_file()
    for path in list(root.rglob("* .png")):
        path.rename(path.with_name(path.name.replace(" .png", ".PNG")))
    again = read("casme2-flow", root).index
    assert again.drop(columns="frames_dir").equals(release.index.drop(columns="frames_dir"))


def test_other_files_and_leavings_are_passed_over(tree):
    for layout in ("samm", "mmew", "casme2", "smic-hs"):
        root = tree(layout)
        before = read(layout, root)
        for path in ("__MACOSX/006/x.jpg", ".cache/y.jpg", "notes.txt", "backup/readme.md"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        shutil.copytree(
            root / before.index["frames_dir"].iloc[0], root / "__MACOSX" / before.index["frames_dir"].iloc[0]
        )
        after = read(layout, root)
        assert after.index.equals(before.index) and after.findings == before.findings
    root = tree("4dme")  # a link that goes round
    (root / "gray_micro" / "loop").symlink_to(root)
    (tree("dfme") / "train" / "loop").symlink_to(root.parent / "dfme")
    read("dfme", root.parent / "dfme").require_usable()
    read("4dme", root).require_usable()


def test_a_second_tree_can_be_named(tree):
    root = tree("samm")
    before = read("samm", root)
    for subject in FEW["samm"]:
        shutil.copytree(root / f"{subject:03d}", root / "SAMM_CROP" / f"{subject:03d}")
    with pytest.raises(
        InputError, match=r"both claim to be its folder of frames; .*config/datasets\.yaml, field 'frames'"
    ):
        load_index("samm", root)
    crops = read("samm", root, frames="SAMM_CROP")
    assert not crops.findings and crops.index["frames_dir"].str.startswith("SAMM_CROP/").all()
    assert crops.index.drop(columns="frames_dir").equals(before.index.drop(columns="frames_dir"))


def test_macro_expressions_of_mmew_are_not_clips(tree):
    root = tree("mmew")
    before = read("mmew", root)
    shutil.copytree(root / "MMEW_Final/Micro_Expression", root / "MMEW_Final/Macro_Expression")
    after = read("mmew", root)
    assert after.index.equals(before.index) and not after.findings


@pytest.mark.parametrize(("layout", "folder"), [
    ("casme2", "CASME2_RAW_selected/sub08/EP99_01"), ("samm", "012/012_9_9"), ("mmew", "MMEW_Final/x/S08-01-099"),
    ("casme", "CASME_raw_selected/sub01/EP99_01"), ("4dme", "gray_micro/S01/S01_9"),
    ("smic-hs-e", "SMIC-E_raw image/HS_long/SMIC-HS-E/s05/s5_ne_99"),
])  # fmt: skip
def test_a_folder_that_no_row_lists(tree, layout, folder):
    root = tree(layout)
    (root / folder).mkdir(parents=True)
    (found,) = kinds(read(layout, root))["unlisted"]
    assert found.place == str(root / folder) and found.text == "a folder of frames that the sheet does not list"


# what the reader decides


def test_labels_are_brought_to_the_release_s_spelling(tree):
    root = tree("samm")
    with edited(root / "SAMM_Micro_FACS_Codes_v2.xlsx") as sheet:
        for row, text in ((15, " ANGER "), (16, "Others"), (17, "Angr")):
            sheet.cell(row, 10).value = text
        sheet.cell(18, 11).value, sheet.cell(19, 9).value = "VIII", "4+smile"
        for row, text in ((15, "class iv"), (16, "2"), (17, 2.0)):
            sheet.cell(row, 11).value = text
    release = read("samm", root)
    assert release.index["emotion"].iloc[:3].tolist() == ["Anger", "Other", "Angr"]
    assert release.index["objective"].iloc[:4].tolist() == ["IV", "II", "II", ""]
    texts = [finding.text for finding in kinds(release)["label"]]
    assert texts[0].startswith("field 'emotion': unknown label 'Angr'; did you mean 'Anger'?")
    assert texts[1] == "field 'objective': expected a class I to VII, found 'VIII'; none is taken"
    assert texts[2] == "field 'aus': 'smile' in '4+smile' is no action unit and does not count"
    with edited(root / "SAMM_Micro_FACS_Codes_v2.xlsx") as sheet:
        sheet["K14"] = "class"
    assert set(read("samm", root).index["objective"]) == {""}  # the column is optional


@pytest.mark.parametrize("text", ["", "/", "?", "-", " "])
def test_a_missing_apex_falls_back_to_the_midpoint(tree, text):
    root = tree("mmew")
    with edited(root / "MMEW_Micro_Exp.xlsx") as sheet:
        sheet["D2"] = text or None
        clip, onset, offset = sheet["B2"].value, sheet["C2"].value, sheet["E2"].value
    release = read("mmew", root)
    row = release.index.set_index("clip").loc[clip]
    assert (row["apex"], row["apex_source"]) == (onset + (offset - onset) // 2, "midpoint")
    assert kinds(release)["apex"][0].text.startswith(f"the sheet gives no apex ({text.strip()!r}): the midpoint ")
    assert clip not in set(read("mmew", root, apex="drop").index["clip"])


def test_the_midpoint_is_the_nearest_frame_that_is_there(tree):
    root = tree("mmew")
    row = read("mmew", root, apex="midpoint").index.iloc[0]
    for number in (row.apex - 1, row.apex, row.apex + 1):
        (root / row.frames_dir / f"{number}.jpg").unlink()
    release = read("mmew", root, apex="midpoint")
    assert release.index["apex"].iloc[0] == row.apex - 2 and release.index["n_frames"].iloc[0] == row.n_frames - 3
    (missing,) = kinds(release)["missing-frames"]
    assert missing.text.startswith(f"frames {row.apex - 1}..{row.apex + 1} are not there")


def test_unusable_clips_may_be_skipped(tree):
    root = tree("casme3a")
    before = read("casme3a", root).index
    lost = before[before["frames_dir"] == before["frames_dir"].iloc[0]]
    shutil.rmtree(root / lost["frames_dir"].iloc[0])
    with pytest.raises(InputError, match=r"row 2: clip 1/a: no frames in .*part_A/spNO\.1/a"):
        read("casme3a", root, unusable="fail").require_usable()
    release = read("casme3a", root)
    assert len(kinds(release)["dropped"]) == len(lost) > 0
    assert len(release.index) == len(before) - len(lost) and "error" not in kinds(release)
    shutil.rmtree(root / "part_A")
    (root / "part_A/spNO.1").mkdir(parents=True)
    with pytest.raises(InputError, match=r"none of the \d+ clips can be used\n.*listed, but there is no folder"):
        read("casme3a", root)


# sheets that say two things


def test_the_visible_sheet_whose_header_fits_is_taken(tree):
    root = tree("casme2")
    before = read("casme2", root)
    path = root / "CASME2-coding-20140508.xlsx"
    book = openpyxl.load_workbook(path)
    page = book["Sheet1"]
    other = book.copy_worksheet(page)
    for row in other.iter_rows(min_row=2):
        row[8].value = "fear"
    book.move_sheet(other, -1)
    other.sheet_state = "hidden"
    book.create_sheet("notes", 0)["A1"] = "Subject"
    book.save(path)
    assert read("casme2", root).index.equals(before.index)
    other.sheet_state = "visible"
    book.save(path)
    with pytest.raises(InputError, match=r"2 visible sheets hold the wanted columns \('Sheet1 Copy', 'Sheet1'\); hide"):
        read("casme2", root)


def test_a_named_sheet_that_is_not_there(tree):
    root = tree("samm")
    before = read("samm", root)
    path = root / "SAMM_Micro_FACS_Codes_v2.xlsx"
    book = openpyxl.load_workbook(path)
    book["MICRO_ONLY"].title = "micro"
    book.create_sheet("MACRO_ONLY", 0)
    book.save(path)
    assert read("samm", root).index.equals(before.index)
    book["micro"].sheet_state = "hidden"
    book.save(path)
    with pytest.raises(InputError, match=r"sheet 'MACRO_ONLY': no header row with Subject, Filename"):
        read("samm", root)


def test_smic_clips_whose_names_contradict_their_folders(tree):
    root = tree("smic-hs")
    tree = root / "SMIC_all_raw/HS"
    clip = sorted((tree / "s5/micro").glob("*/*"))[0]
    clip.rename(tree / "s6/micro/positive" / clip.name) if (tree / "s6/micro/positive").is_dir() else shutil.move(
        clip, tree / "s6/micro/positive" / clip.name
    )
    texts = {finding.text for finding in read("smic-hs", root).warnings}
    assert "its name says subject 5, its folder 's6': the folder counts" in texts
    assert any(re.match(r"its name says '(ne|sur)', its folder 'positive'", text) for text in texts)


def test_mmew_clips_in_another_emotion_s_folder(tree):
    root = tree("mmew")
    folder = root / "MMEW_Final/Micro_Expression"
    clip = sorted(path for path in folder.glob("*/*") if path.parent.name != "fear")[0]
    emotion = clip.parent.name
    (folder / "fear").mkdir(exist_ok=True)
    clip.rename(folder / "fear" / clip.name)
    if (folder / "others").is_dir():
        (folder / "others").rename(folder / "repression")  # both are in circulation
    (found,) = read("mmew", root).warnings
    assert found.clip.endswith(clip.name)
    assert found.text == f"field 'emotion': the sheet says {emotion!r}, its folder 'fear': the sheet counts"


def test_4dme_columns_that_contradict_emotion_and_units(tree):
    root = tree("4dme")
    assert not read("4dme", root).warnings and "label" not in kinds(read("4dme", root))
    with edited(workbook(root)) as page:
        titles = {cell.value: cell.column for cell in page[1]}
        labels = page.cell(2, titles["Emotion"]).value.split("+")
        other = "Others" if "Others" not in labels else "Repression"
        page.cell(2, titles[other]).value = 1
        units = [title for title in titles if re.fullmatch(r"AU\d+", title or "") and page.cell(3, titles[title]).value]
        page.cell(3, titles[units[0]]).value = 0
    release = read("4dme", root)
    emotion, aus = kinds(release)["label"]
    marked = "+".join(sorted({*labels, other}))
    assert emotion.warns and f"but the columns mark {marked}: Emotion counts" in emotion.text
    assert not aus.warns and aus.text.startswith("field 'aus': ")


def test_a_row_marked_missing_is_left_out(tree):
    root = tree("smic-hs-e")
    before = read("smic-hs-e", root).index
    with edited(workbook(root)) as page:
        titles = {cell.value: cell.column for cell in page[1]}
        clip = page.cell(2, titles["Filename"]).value
        page.cell(2, titles["OnsetF"]).value = "MISSING"
    release = read("smic-hs-e", root)
    assert [(f.clip.split("/")[1], f.text) for f in release.of_kind("dropped")] == [
        (clip, "field 'onset': the sheet says 'MISSING'")
    ]
    assert len(release.index) == len(before) - 1 and not release.of_kind("error")


@pytest.mark.parametrize(("layout", "header", "value"), [
    ("samm", "Apex Frame", 9), ("samm", "Apex Frame", "x"), ("samm", "Offset Frame", 1), ("samm", "Subject", "O12"),
    ("samm", "Estimated Emotion", None),
])  # fmt: skip
def test_skipping_covers_missing_frames_only(tree, layout, header, value):
    root = tree(layout)
    cell(header, value)(root)
    assert len(read(layout, root, unusable="skip", repairs=()).of_kind("error")) == 1


# trees and sheets that are wrong: (layout, what is done to it, place in the message, text of the message)


def workbook(root):
    """The annotation's workbook, not the sidecar beside it."""
    return next(path for path in root.rglob("*.xlsx") if "ObjectiveClasses" not in path.name)


def cell(header, value, row=0):
    """Return what writes `value` below the header `header` of the first sheet, into data row `row`."""

    def spoil(root):
        with edited(workbook(root)) as page:
            place = next(c for line in page.iter_rows(max_row=20) for c in line if c.value == header)
            page.cell(place.row + 1 + row, place.column).value = value

    return spoil


def headed(old, new):
    """Return what renames a header cell."""

    def spoil(root):
        with edited(workbook(root)) as page:
            next(c for line in page.iter_rows(max_row=20) for c in line if c.value == old).value = new

    return spoil


def at(address, value):
    """Return what writes a cell of the first sheet by its address."""

    def spoil(root):
        with edited(workbook(root)) as page:
            page[address] = value

    return spoil


def micro(column, value):
    """Return what writes into the first row of a micro-expression of CAS(ME)^2."""

    def spoil(root):
        with edited(workbook(root)) as page:
            row = next(line[0].row for line in page.iter_rows() if line[7].value == "micro-expression")
            page.cell(row, column).value = value

    return spoil


def both(first, second):
    """Return what does two things."""

    def spoil(root):
        first(root)
        second(root)

    return spoil


def repeated(row):
    """Return what appends a row of the first sheet once more."""

    def spoil(root):
        with edited(workbook(root)) as page:
            page.append([c.value for c in page[row]])

    return spoil


def gone(pattern):
    """Return what removes the first file or folder that matches."""

    def spoil(root):
        path = sorted(root.glob(pattern))[0]
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


def doubled(pattern, to):
    """Return what copies the first folder or file that matches; `to` is relative to the root and may hold {name}."""

    def spoil(root):
        path = sorted(root.glob(pattern))[0]
        target = root / to.format(name=path.name, stem=path.stem.strip())
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if path.is_dir() else shutil.copy)(path, target)

    return spoil


def text(pattern, old, new):
    """Return what replaces text in the first file that matches."""

    def spoil(root):
        path = next(root.rglob(pattern))
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return spoil


def bytes_of(pattern, data):
    """Return what overwrites the first file that matches."""

    def spoil(root):
        sorted(root.rglob(pattern))[0].write_bytes(data)

    return spoil


GRAY = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x1c\0\0\0\x1c\x08\0\0\0\0"
MALFORMED = [
    ("casme2", at("A2", "O8"), "row 2: clip O8/", "field 'subject': expected a number, found 'O8'"),
    ("casme2", at("A2", "s8"), "row 2: clip s8/", "field 'subject': expected a number, found 's8'"),
    ("casme2", at("B2", None), "row 2: clip 8/", "field 'clip': expected a name, found ''"),
    ("casme2", gone("*coding*.xlsx"), "", "the annotation file not found"),
    ("casme2", both(gone("*coding*.xlsx"), doubled("CASME2_RAW_selected", "CASME2-coding-20140508x.xlsx")),
     "CASME2-coding-20140508x.xlsx", "a folder where the annotation file belongs; copy the file"),
    ("casme2", lambda root: next(root.rglob("img*.jpg")).with_name("img0.jpg").mkdir(), "row ",
     "img0.jpg is no picture, but a folder, a pipe or a broken link; remove it"),
    ("casme2", lambda root: next(root.rglob("img*.jpg")).with_name("img0.jpg").symlink_to("none"), "row ",
     "img0.jpg is no picture, but a folder, a pipe or a broken link; remove it"),
    ("casme-squared", micro(2, "nothing1_1"), "row ",
     "column 2: sheet 'naming rule2' names no code of the stimulus of"),
    ("casme2-flow", bytes_of("*.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x20\0\0\0\x20\x08\2\0\0\0"), "row ",
     "32x32 px; these maps have 28x28, another size would be stretched"),
    ("casme2", headed("Estimated Emotion", "Emotion?"), "'Sheet1', row 1",
     "no column 'Estimated Emotion'; .*Known: .*Emotion"),
    ("casme2", headed("Action Units", "OnsetFrame"), "'Sheet1', row 1", "no column 'Action Units'"),
    ("casme2", at("C1", "Onset Frame"), "'Sheet1', row 1", "2 columns 'OnsetFrame' or 'Onset Frame'; keep one of them"),
    ("casme2", doubled("CASME2_RAW_selected/sub08", "CASME2_RAW_selected/sub8"), "row 2",
     "both claim to be its folder of"),
    ("casme2", doubled("CASME2_RAW_selected", "again/CASME2_RAW_selected"), "", None),
    ("casme2", gone("CASME2_RAW_selected/sub08"), "row 2: clip 8/", "listed, but there is no folder of frames"),
    ("casme2", at("D2", "4O1"), "row 2: clip 8/", "field 'onset': expected a frame number, found '4O1'"),
    ("casme2", at("D2", "=D99*2"), "row 2: clip 8/", "field 'onset': expected a frame number, found '=D99.2'"),
    ("samm", doubled("012/012_*", "SAMM_CROP/012/{name}"), "row 15",
     "SAMM_CROP/012/012_.* both claim to be its folder"),
    ("samm", cell("Subject", "021"), "row 15: clip 21/012_", "no folder of frames of this subject and name"),
    ("samm", cell("Apex Frame", 9), "row 15",
     "field 'apex': 9 lies outside onset..offset = .*; correct it by a record"),
    ("samm", cell("Estimated Emotion", None, 1), "row 16", "field 'emotion': expected a label, found ''"),
    ("samm", headed("Filename", "File"), "'MICRO_ONLY', row 14", "no column 'Filename'; .*Known: .*File"),
    ("samm", cell("Onset Frame", 1), "row 15", r"field 'onset': no frame 1 in .*012_.* \(it holds \d+..\d+\)"),
    ("samm", gone("012/012_*/*.jpg"), "row 15", r"field 'onset': no frame \d+ in"),
    ("smic-hs", gone("SMIC_all_raw/HS"), "",
     "the folder of frames not found; expected SMIC_all_raw/HS or HS, with subfolders like s"),
    ("smic-hs", doubled("SMIC_all_raw", "again/SMIC_all_raw"), "", None),
    ("smic-hs", doubled("SMIC_all_raw/HS", "SMIC_all_cropped/HS"), "", None),  # both are asked for
    ("smic-hs", both(doubled("SMIC_all_raw/HS", "a/HS"), both(doubled("SMIC_all_raw/HS", "b/HS"),
     gone("SMIC_all_raw"))), "",
     r"more than once \(.*; keep one, or name .*'frames'"),
    ("smic-hs", doubled("SMIC_all_raw/HS/s5/micro/*/*", "SMIC_all_raw/HS/s5/micro/surprise2/{name}"), "clip 5/s5_",
     "surprise2/s5_.* both claim to be its folder|micro/.* and .*surprise2"),
    ("smic-hs", doubled("SMIC_all_raw/HS/s5/micro/*/*/*.bmp", "SMIC_all_raw/HS/s5/micro/negative/s5_ne_01/x_{name}"),
     "clip 5/s5_ne_01", r"both claim frame \d+; keep one of them"),
    ("smic-hs-e", cell("OffsetF", "=LEN(D2)"), "'HS', row 2", "field 'offset': expected a frame number, found '=LEN"),
    ("smic-hs-e", cell("OffsetF", "=D2-3"), "'HS', row 2",
     r"field 'offset': \d+ lies before the onset \d+; correct it"),
    ("smic-hs-e", cell("OnsetF", None), "'HS', row 2", "field 'onset': expected a frame number, found ''"),
    ("smic-hs-e", cell("Subject", "five"), "'HS', row 2: clip five/s5_",
     "field 'subject': expected a number, found 'five'"),
    ("smic-hs-e", headed("OffsetF", "Offset"), "'HS', row 1", "no column 'OffsetF'; did you mean .* Known: .*Offset"),
    ("smic-hs-e", repeated(2), "'HS', row", r"listed already with onset \d+ \(.*row 2\); keep one"),
    ("smic-hs-e", gone("SMIC-E_raw image/HS_long/SMIC-HS-E/s05"), "'HS', row 2: clip 5/s5_",
     "no folder of frames of this"),
    ("mmew", doubled("MMEW_Final/Micro_Expression/*/*", "S08/x/{name}"), "row ", "S08/x/S.*both claim|both claim.*"),
    ("mmew", gone("MMEW_Final/Micro_Expression/*/*"), "row ", "listed, but there is no folder of frames"),
    ("mmew", cell("ApexFrame", "middle"), "row 2", "field 'apex': expected a frame number, found 'middle'"),
    ("mmew", cell("OffsetFrame", 0), "row 2", "field 'offset': 0 lies before the onset 1; correct it by a record"),
    ("casme", headed("ApexF1", "Apex"), "row 1", "no column 'ApexF1'; did you mean .* Known: AU, Apex, ApexF2"),
    ("casme", cell("ApexF1", "12a"), "row 2: clip 1/", "field 'apex': expected a frame number, found '12a'"),
    ("casme", doubled("CASME_raw_selected/sub01", "CASME_raw_selected/sub1"), "row 2: clip 1/", "sub01/.* and .*sub1/"),
    ("casme", gone("casme.xlsx"), "", "the annotation file not found; expected casme.xlsx or CASME.xlsx"),
    ("casme-squared", micro(1, 99), "'CASFEcode_final', row ", "'naming rule1' names no folder of participant '99'"),
    ("casme-squared", micro(8, "mikro"), "'CASFEcode_final', row ",
     "column 8: expected micro-.* or macro-.*, found 'mikro'"),
    ("casme-squared", gone("rawpic/s15/*"), "'CASFEcode_final', row", "listed, but there is no folder of frames"),
    ("casme3a", at("C2", "ten"), "'label', row 2: clip 1/", "field 'onset': expected a frame number, found 'ten'"),
    ("casme3a", at("D2", "1"), "'label', row 2: clip 1/", "field 'apex': 1 lies outside onset..offset = "),
    ("casme3a", at("E2", "0"), "'label', row 2: clip 1/", "field 'offset': 0 lies before the onset"),
    ("casme3a", at("A2", "spNO.x"), "'label', row 2: clip spNO.x/",
     "field 'subject': expected a number, found 'spNO.x'"),
    ("casme3a", repeated(2), "'label', row", r"listed already with onset \d+ \(.*row 2\)"),
    ("casme3a", gone("part_A/spNO.1/*/color"), "'label', row", "no frames in .*part_A/spNO.1/.; copy them"),
    ("casme3a", headed("Objective class", "emotion"), "'label', row 1", "2 columns 'emotion'; keep one"),
    ("casme3c", cell("offset", None), "row 2: clip 1/1", "field 'offset': expected a frame number, found ''"),
    ("casme3c", cell("sub", "x"), "row 2: clip x/1", "field 'subject': expected a number, found 'x'"),
    ("casme3c", gone("part_C/01/a"), "row 2: clip 1/1", "listed, but there is no folder of frames"),
    ("4dme", cell("Emotion", "?"), "row 2: clip 1/", "field 'emotion': expected a label, found '\\?'"),
    ("4dme", cell("Apex", 10**7), "row 2: clip 1/", "field 'apex': 10000000 lies outside onset..offset"),
    ("4dme", gone("gray_micro/S01"), "row 2: clip 1/", "listed, but there is no folder of frames"),
    ("4dme", headed("fold_name'", "folder"), "row 1", "no column 'fold_name'; did you mean 'folder'"),
    ("dfme", text("*.csv", "Fps", "Rate"), "DFME_train.csv, row 1", "no column 'Fps'"),
    ("dfme", text("*.csv", ",300,", ",fast,"), "DFME_train.csv, row 2",
     "field 'fps': expected frames per second, found 'fast'"),
    ("dfme", text("*.csv", ",300,", ",0,"), "DFME_train.csv, row 2",
     "field 'fps': expected frames per second, found '0'"),
    ("dfme", bytes_of("*.csv", b"Subject,\xff\xfe"), "DFME_train.csv", "not a readable CSV file in UTF-8"),
    ("dfme", bytes_of("*.csv", b""), "DFME_train.csv", "no header row with Subject, Filename"),
    ("dfme", doubled("train/1/*", "again/{name}"), "DFME_train.csv, row 2", "both claim to be its folder of frames"),
    ("casme2-flow", gone("*/*.png"), "optical_flow.csv, row",
     "listed, but there is no flow map of this subject and name"),
    ("casme2-flow", doubled("*/*.png", "more/{stem}.png"), "optical_flow.csv, row", "both claim to be its flow map"),
    ("casme2-flow", bytes_of("*.png", b"GIF89a"), "optical_flow.csv, row", r"\.png: not a PNG picture; copy it anew"),
    ("casme2-flow", bytes_of("*.png", GRAY), "optical_flow.csv, row",
     "expected 8 bits for each of R, G, B, found 28x28 of"),
    ("casme2-flow", text("*.csv", "filename_o", "filename"), "optical_flow.csv, row 1",
     "no column 'filename_o'; did you mean"),
    ("casme2-flow", gone("*.csv"), "", r"the annotation file not found; expected \*\.csv"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layout", "spoil", "place", "message"), MALFORMED, ids=[f"{n}-{case[0]}" for n, case in enumerate(MALFORMED)]
)
def test_a_malformed_copy_is_named_and_left_as_it_is(tree, layout, spoil, place, message):
    root = tree(layout)
    spoil(root)
    before = fingerprint(root)
    more = {"repairs": (), "unusable": "fail"}
    if message is None:  # nothing wrong after all: the tree at the root is taken
        read(layout, root, **more).require_usable()
    else:
        with pytest.raises(InputError) as caught:
            read(layout, root, **more).require_usable()
        lines = str(caught.value).splitlines()
        assert any(place in line and re.search(message, line) for line in lines), lines[:5]
        assert all(str(root) in line for line in lines)
    assert fingerprint(root) == before


def test_an_offset_of_0_needs_its_repair(laid_out):
    root = laid_out("casme-squared")
    with pytest.raises(InputError) as caught:
        read("casme-squared", root, repairs=()).require_usable()
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and all("field 'offset': 0 lies before the onset" in line for line in lines)


def test_the_naming_sheets_are_needed(tree):
    root = tree("casme-squared")
    path = root / "CAS(ME)^2code_final.xlsx"
    book = openpyxl.load_workbook(path)
    book["naming rule2"].title = "naming rule 2"
    book.save(path)
    with pytest.raises(InputError, match=r"code_final.xlsx: no sheet 'naming rule2'; did you mean 'naming rule 2'"):
        read("casme-squared", root)


def test_folds_that_are_not_what_they_say(folds, tmp_path):
    root = tmp_path / "folds"
    shutil.copytree(folds, root)
    tree = root / "norm_u_v_os"
    own = sorted((tree / "s03/u_test/0").iterdir())
    shutil.copy(own[0], tree / "s03/u_train/0")  # a leak
    other = sorted((tree / "sub01/u_train/2").iterdir())[0]
    other.unlink()
    release = read("flow-maps-loso", root)
    release.require_usable()
    texts = {Path(finding.place).name: finding.text for finding in release.of_kind("note")}
    assert texts["s03"].startswith(
        f"u_train is not all the rest: it should not have 1 maps, such as 0/{own[0].stem.strip()}"
    )
    assert texts["sub01"].startswith("u_train is not all the rest: it lacks 1 maps, such as 2/") and len(texts) == 2
    shutil.copy(own[0], tree / "s04/u_test/0")
    with pytest.raises(InputError, match=r"clip 3/s03_ne_01: .*s03/u_test/0/.* and .*s04/u_test/0/.* both claim"):
        read("flow-maps-loso", root).require_usable()
    (tree / "s03/u_test/0" / own[0].name).unlink()
    with pytest.raises(InputError, match=r"tested in the fold of 's04', but its name begins with 's03'"):
        read("flow-maps-loso", root).require_usable()
    shutil.copytree(tree, root / "again")
    with pytest.raises(InputError, match=r"several trees of folds \(again, norm_u_v_os\); name one"):
        read("flow-maps-loso", root)
    assert len(read("flow-maps-loso", root, frames="again", unusable="skip").index) > 20


def test_a_flow_map_that_the_csv_does_not_list(tree):
    root = tree("casme2-flow")
    stranger = next(root.rglob("*.png")).with_name("sub99_EP01_01 .png")
    shutil.copy(next(root.rglob("*.png")), stranger)
    (found,) = read("casme2-flow", root).findings
    assert (found.kind, found.place, found.text) == ("unlisted", str(stranger), "a flow map that the CSV does not list")


def test_all_that_is_missing_is_told_at_once(tree):
    root = tree("casme2")
    shutil.rmtree(root / "CASME2_RAW_selected")
    (root / "CASME2-coding-20140508.xlsx").unlink()
    with pytest.raises(InputError) as caught:
        load_index("casme2", root)
    first, second = str(caught.value).splitlines()
    assert "the annotation file not found; expected CASME2-coding-*.xlsx" in first
    assert "the folder of frames not found; expected CASME2_RAW_selected or CASME2-RAW or Cropped, with sub" in second


# the index on disk


def test_the_index_and_its_findings(laid_out, tmp_path, caplog):
    card = CARDS["casme2"]
    known = {key: value for key, value in options("casme2").items() if key != "repairs"}
    records = [repair.model_dump(mode="json") for repair in REPAIRS]
    expected = {key: getattr(card, f"{key}") for key in ("expected_clips", "expected_subjects", "expected_emotions")}
    paths = {"output": str(tmp_path / "i.csv"), "findings": str(tmp_path / "i.findings.csv")}
    known |= {"dataset": "casme2", "root": str(laid_out("casme2")), "subjects": card.subjects, **paths}
    index_dataset(strict=True, expected=expected, repairs=records, **known)
    index = read_index(tmp_path / "i.csv")
    assert len(index) == 255 and set(index["objective"]) == {"I", "II", "III", "IV", "V", "VI", "VII"}
    lines = (tmp_path / "i.findings.csv").read_text().splitlines()
    assert lines[0] == "kind,place,clip,text" and len(lines) == 8
    assert sorted(line.split(",")[0] for line in lines[1:]) == ["apex"] * 6 + ["repair"]

    wrong = {**expected, "expected_clips": 256, "expected_emotions": {"Others": 99, "disgust": 64}}
    with caplog.at_level("INFO"):
        index_dataset(expected=wrong, repairs=records, **{**known, "apex": "drop"})
    assert "count: " in caplog.text and "clips: expected 256, found 253" in caplog.text
    lines = (tmp_path / "i.findings.csv").read_text()
    for line in ("clips: expected 256, found 253", "disgust: expected 64, found 61", "happiness: expected 0, found 32"):
        assert line in lines
    assert "Others" not in lines
    (tmp_path / "i.csv").unlink()
    with pytest.raises(InputError) as caught:
        index_dataset(strict=True, expected=wrong, repairs=records, **{**known, "apex": "drop"})
    lines = str(caught.value).splitlines()
    assert sum("clip 4/EP12_01f: field 'apex': the sheet gives none" in line for line in lines) == 1
    assert "set strict: false" in lines[-1] and not (tmp_path / "i.csv").exists()


def _relabelled(root):
    with edited(workbook(root)) as page:
        page["I2"] = "disgusted"


def _shortened(root):
    clip = sorted(root.glob("CASME2_RAW_selected/sub08/EP*"))[0]
    max(clip.iterdir(), key=lambda path: int(path.stem[3:])).unlink()


def _moved(root, clip, to):
    clip, to = sorted(root.glob(clip))[0], root / to
    to.mkdir(parents=True, exist_ok=True)
    clip.rename(to / clip.name)


def _marked(root):
    with edited(workbook(root)) as page:
        titles = {cell.value: cell.column for cell in page[1]}
        page.cell(2, titles["Others"]).value = page.cell(2, titles["Repression"]).value = 1


RAW = "SMIC_all_raw/HS"
REFUSED = {
    "an unknown label": ("casme2", _relabelled, "field 'emotion': unknown label 'disgusted'"),
    "an offset past the last frame": ("casme2", _shortened, r"frames \d+ are not there; onset..offset = "),
    "a name of another subject": (
        "smic-hs", lambda root: _moved(root, f"{RAW}/s5/micro/negative/*", f"{RAW}/s6/micro/negative"),
        "its name says subject 5, its folder 's6'"),
    "a name of another class": (
        "smic-hs", lambda root: _moved(root, f"{RAW}/s5/micro/negative/*", f"{RAW}/s5/micro/positive"),
        "its name says 'ne', its folder 'positive'"),
    "a folder of another class": (
        "mmew", lambda root: _moved(root, "MMEW_Final/Micro_Expression/surprise/*", "MMEW_Final/Micro_Expression/fear"),
        "the sheet says 'surprise', its folder 'fear'"),
    "columns of other labels": ("4dme", _marked, r"but the columns mark .*Repression"),
}  # fmt: skip


def _indexed(layout, root, output, **more):
    paths = {"output": f"{output}/i.csv", "findings": f"{output}/i.findings.csv"}
    index_dataset(dataset=layout, root=str(root), subjects=FEW[layout], **options(layout), **paths, **more)


@pytest.mark.parametrize("kind", REFUSED)
def test_strict_refuses(tree, tmp_path, kind):
    layout, spoil, text = REFUSED[kind]
    root = tree(layout)
    _indexed(layout, root, tmp_path / "sound", strict=True)
    spoil(root)
    with pytest.raises(InputError, match=rf"{text}[^\n]*\n.*: {layout}: correct them, or set strict: false") as caught:
        _indexed(layout, root, tmp_path / "strict", strict=True)
    assert len(str(caught.value).splitlines()) == 2 and not (tmp_path / "strict").exists()
    _indexed(layout, root, tmp_path / "lax")
    assert re.search(text, (tmp_path / "lax/i.findings.csv").read_text())


def test_strict_refuses_counts_that_differ(tree, tmp_path):
    root = tree("smic-hs")
    found = read("smic-hs", root).index
    counts = {"expected_clips": len(found), "expected_subjects": 2, "expected_emotions": {}}
    counts["expected_emotions"] = {k: int(v) for k, v in found["emotion"].value_counts().items()}
    _indexed("smic-hs", root, tmp_path / "sound", strict=True, expected=counts)
    fewer = counts["expected_emotions"] | {"negative": counts["expected_emotions"]["negative"] - 1}
    for what, value in (("clips", len(found) + 1), ("subjects", 3), ("emotions", fewer)):
        wrong = counts | {f"expected_{what}": value}
        said = "negative" if what == "emotions" else what
        with pytest.raises(
            InputError, match=rf": {said}: expected \d+, found \d+\n.*: complete the copy, or set strict"
        ):
            _indexed("smic-hs", root, tmp_path / what, strict=True, expected=wrong)
        assert not (tmp_path / what).exists()
        _indexed("smic-hs", root, tmp_path / what, expected=wrong)


def test_strict_lets_pass_what_only_a_reader_must_know(tree, tmp_path):
    root = tree("casme2")
    clip = sorted(root.glob("CASME2_RAW_selected/sub08/EP*"))[0]
    sorted(clip.iterdir(), key=lambda path: int(path.stem[3:]))[1].unlink()
    shutil.copytree(clip, clip.with_name("EP99_01"))
    with edited(workbook(root)) as page:
        page["H2"] = "smile"
    _indexed("casme2", root, tmp_path / "i", strict=True)
    found = {line.split(",")[0] for line in (tmp_path / "i/i.findings.csv").read_text().splitlines()[1:]}
    assert found >= {"missing-frames", "unlisted", "label"}


def test_a_subject_that_the_config_does_not_list(laid_out, tmp_path):
    paths = {"output": str(tmp_path / "i.csv"), "findings": str(tmp_path / "i.findings.csv")}
    samm = {"dataset": "samm", "root": laid_out("samm", FEW["samm"]), **paths}
    with pytest.raises(
        InputError, match=r"config/datasets\.yaml: entry 'samm', field 'subjects': .*subject 24.*add it"
    ):
        index_dataset(**samm, subjects=[12, 23])
    assert list(tmp_path.iterdir()) == []
    index_dataset(**samm, subjects=[12, 23, 24], label_set="l", fps=200.0)
    assert len(list(tmp_path.glob("*.csv"))) == 2
