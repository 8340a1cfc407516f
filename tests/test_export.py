"""Exports: what released programs open, by their own readers and ours. Names are those of files that circulate."""

import csv
import os
import re
import shlex
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from packs import write_pack
from PIL import Image
from predictions import megc2019

from apexbench import cli
from apexbench.clips import COLUMNS, clip_ids, write_index
from apexbench.config.files import read_cards
from apexbench.datasets import read_release
from apexbench.errors import InputError
from apexbench.evaluation.megc_log import official_key
from apexbench.export import LAYOUTS, pictures
from apexbench.export.clips import Clip
from apexbench.export.folder import write_export
from apexbench.export.pictures import stretched
from apexbench.protocols import assemble, write_protocol

ROOT = Path(__file__).parent.parent
# (subject, clip, onset, apex, emotion); the first of each is on record with the name that Dual-ATME's file has
CLIPS = {
    "casme2": [
        (1, "EP02_01f", 46, 59, "happiness"),
        (1, "EP03_02", 7, 20, "disgust"),
        (26, "EP07_28", 3, 9, "surprise"),
    ],
    "samm": [(6, "006_1_2", 5562, 5588, "Anger"), (37, "037_3_1", 20, 41, "Surprise")],
    "smic-hs": [(1, "s1_ne_01", 559740, 559753, "negative"), (20, "s20_po_02", 12, 15, "positive")],
}
MEANT = {"Anger": 0, "disgust": 0, "negative": 0, "happiness": 1, "positive": 1, "surprise": 2, "Surprise": 2}
STEMS = {
    "sub01_EP02_01f": 1, "sub01_EP03_02": 0, "sub26_EP07_28": 2, "s01_s01_ne_01": 0, "s20_s20_po_02": 1,
    "006_006_1_2": 0, "037_037_3_1": 2,
}  # fmt: skip
FOLDS = ["sub01", "sub26", "s01", "s20", "006", "037"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with the files that exports are made of: packs of random maps."""
    root = tmp_path_factory.mktemp("study")
    (root / "config").mkdir()
    for name in ("config", "datasets", "protocols", "recipes"):
        shutil.copy(ROOT / f"config/{name}.yaml", root / "config")
    rng = np.random.default_rng(3)
    for dataset, clips in CLIPS.items():
        rows = [
            dict.fromkeys(COLUMNS, "") | {
                "dataset": dataset, "subject": subject, "clip": clip, "onset": onset, "apex": apex, "offset": apex + 5,
                "fps": 200.0, "emotion": emotion, "frames_dir": clip, "n_frames": 9, "apex_source": "sheet",
                "label_set": "synthetic-mini",
            }
            for subject, clip, onset, apex, emotion in clips
        ]  # fmt: skip
        frame = pd.DataFrame(rows)
        (root / "results/index").mkdir(parents=True, exist_ok=True)
        write_index(frame, root / f"results/index/{dataset}.csv")
        ids = [str(clip_id) for clip_id in clip_ids(frame)]
        flow = rng.normal(size=(len(ids), 3, 28, 28)).astype(np.float16)
        packs = root / "results/packs" / dataset
        write_pack(packs / "tvl1-28.safetensors", ids, flow, {"recipe": {}, "axes": ["motion", "y", "x"]})
        write_pack(packs / "farneback-28.safetensors", ids, -flow, {"recipe": {}, "axes": ["motion", "y", "x"]})
        large = np.zeros((len(ids), 3, 48, 48), np.float16)
        write_pack(packs / "farneback-48.safetensors", ids, large, {"recipe": {}, "axes": ["motion", "y", "x"]})
        faces = np.full((len(ids), 2, 3, 32, 32), 90, np.uint8)
        faces[:, 1, 0] = 200  # the apex is redder
        axes = ["key", "colour", "y", "x"]
        write_pack(packs / "onset-apex-224.safetensors", ids, faces, {"recipe": {}, "axes": axes})
    (root / "results/protocols").mkdir()
    card = read_cards(ROOT)[1]["megc2019"]
    indexes = [root / f"results/index/{dataset}.csv" for dataset in CLIPS]
    write_protocol(assemble("megc2019", card, indexes), root / "results/protocols/megc2019.csv")
    return root


@pytest.fixture
def export(study, monkeypatch, tmp_path, capsys):
    """Return a function that runs the command: (status, folder, what it said)."""
    monkeypatch.chdir(study)

    def run(layout, *words, folder="out"):
        status = cli.main(["export", layout, "-o", str(tmp_path / folder), *words])
        said = capsys.readouterr()
        return status, tmp_path / folder, said.out + said.err

    return run


def _maps(study):
    """{stem: (3, 28, 28) of the packs}, by the order of STEMS."""
    from apexbench.store.packs import read_pack

    found = {}
    for dataset in CLIPS:
        pack = read_pack(study / f"results/packs/{dataset}/tvl1-28.safetensors")
        for name, x in zip(pack.ids, pack.x, strict=True):
            _, subject, clip, _ = name.split("/")
            part, number, clip = official_key(dataset, int(subject), clip)
            person = {"casme2": "sub{:02d}", "smic": "s{:02d}", "samm": "{:03d}"}[part].format(number)
            found[f"{person}_{clip}"] = np.asarray(x, np.float64)
    assert set(found) == set(STEMS)
    return found


# read back


@pytest.mark.parametrize("layout", ["ststnet", "ststnet-matlab", "htnet", "rcn", "dual-atme"])
def test_our_loader_reads_the_same_clips_labels_and_folds(study, export, layout):
    status, folder, _ = export(layout)
    index = read_release("flow-maps", folder).index
    assert status == 0 and len(index) == len(STEMS)
    table = pd.read_csv(study / "results/protocols/megc2019.csv")
    wanted = {official_key(r.dataset, r.subject, r.clip): (r.label, r.fold.split(":")[1]) for r in table.itertuples()}
    labels = {"negative": 0, "positive": 1, "surprise": 2}
    found = {(r.dataset, r.subject, r.clip): (labels[r.emotion], str(r.subject)) for r in index.itertuples()}
    assert found == wanted
    maps = _maps(study)
    for row in index.itertuples():
        path = folder / row.frames_dir
        rgb = np.asarray(Image.open(path)).transpose(2, 0, 1)
        (stem,) = (stem for stem in maps if re.search(rf"(^|_){stem}($|_im|_\d{{3}}_\d{{5}}-| )", path.stem))
        assert np.abs(rgb / 255 - stretched(maps[stem])).max() <= 0.5 / 255 + 1e-9
        assert (rgb.min(axis=(1, 2)) == 0).all() and (rgb.max(axis=(1, 2)) == 255).all()


def test_lists_that_do_not_fit_are_named(export):
    _, folder, _ = export("rcn")
    place = folder / "data/MEGC2019/v_cde_flow"
    test, train = (place / f"sub01_{side}.txt" for side in ("test", "train"))
    lines = train.read_text().splitlines(True)
    train.write_text("".join(lines[1:]))
    release = read_release("flow-maps", folder)
    assert any("is not all the rest: it lacks 1 maps" in str(finding) for finding in release.findings)
    for bad, says in (
        ("../x.png 1 0\n", "line 1: no picture '../x.png'"),
        ("a.png seven 0\n", "line 1: 'a.png seven 0'"),
    ):
        test.write_text(bad)
        with pytest.raises(InputError, match=rf"sub01_test\.txt, {re.escape(says)}"):
            read_release("flow-maps", folder)
    train.unlink()
    test.write_text("")
    with pytest.raises(InputError, match=r"sub01_train\.txt: not readable as a list"):
        read_release("flow-maps", folder)


def test_opencv_sees_strain_first_and_the_other_order_turns_it(study, export):
    folders = [export("ststnet", "--channel-order", order, folder=order)[1] for order in ("rgb-uvs", "bgr-uvs")]
    name = "norm_u_v_os/sub01/u_test/1/sub01_EP02_01f .png"
    one, other = (cv2.imread(str(folder / name)) for folder in folders)
    assert np.array_equal(one, other[..., ::-1])
    u = np.rint(255 * stretched(_maps(study)["sub01_EP02_01f"]))[0]
    assert np.array_equal(one[..., 2], u) and np.array_equal(other[..., 0], u)


def test_given_flow_maps_come_out_as_they_came_in(laid_out, study, tmp_path, monkeypatch, capsys):
    """From pictures by our loader and pack to pictures, of one data set."""
    from apexbench.stages.pack_maps import pack_maps

    shutil.copytree(study / "config", tmp_path / "config")
    maps = laid_out("flow-maps")
    cards, protocols = read_cards(ROOT)
    card = cards["samm-flow"]
    release = read_release("samm-flow", maps, loader="flow-maps", part="samm", label_set=card.label_set, fps=200)
    (tmp_path / "results/protocols").mkdir(parents=True)
    (tmp_path / "results/index").mkdir()
    index = tmp_path / "results/index/samm-flow.csv"
    write_index(release.index, index)
    recipe = {"of": "onset-apex-192", "algorithm": "tvl1", "map": 28}
    output = tmp_path / "results/packs/samm-flow/tvl1-28.safetensors"
    pack_maps(index=str(index), maps=str(maps), recipe=recipe, axes=["motion", "y", "x"], output=str(output))
    table = assemble("megc2019-flow", protocols["megc2019-flow"], [index])
    write_protocol(table, tmp_path / "results/protocols/megc2019-flow.csv")
    monkeypatch.chdir(tmp_path)
    words = ["--protocol", "megc2019-flow", "--dataset", "samm-flow", "-o", "out"]
    assert cli.main(["export", "htnet", *words]) == 0
    assert "made of your copy of licensed clips: pass none of it on" in capsys.readouterr().out
    given, made = (sorted(root.glob("**/STSNet_whole_norm_u_v_os/*.png")) for root in (maps, tmp_path / "out"))
    given = [path for path in given if re.match(r"\d{3}_", path.name)]
    assert [path.name for path in made] == [path.name for path in given] and len(made) == 133
    for one, other in zip(given, made, strict=True):
        one, other = (np.asarray(Image.open(path)) for path in (one, other))
        assert np.array_equal(other, np.rint(255 * stretched(one.transpose(2, 0, 1))).transpose(1, 2, 0))


# each layout


def _tree(root):
    """{(fold, side, label): stems} of a tree of folds, whose pictures have a blank before their suffix."""
    found = {}
    for path in root.glob("*/*/*/*"):
        assert path.name.endswith(" .png")
        found.setdefault(tuple(path.parts[-4:-1]), set()).add(path.stem.removesuffix(" "))
    return found


@pytest.mark.parametrize(
    ("layout", "root"),
    [("ststnet", "norm_u_v_os"), ("ststnet-matlab", "input"), ("htnet", "datasets/three_norm_u_v_os")],
)
def test_trees_of_folds(export, layout, root):
    tree = export(layout)[1] / root
    assert sorted(path.name for path in tree.iterdir()) == sorted(FOLDS)
    sides = _tree(tree)
    for fold in FOLDS:
        assert (tree / fold / "u_train").is_dir() and (tree / fold / "u_test").is_dir()
        its = {key: stems for key, stems in sides.items() if key[0] == fold}
        assert sum(map(len, its.values())) == len(STEMS)
        test = {stem for key, stems in its.items() if key[1] == "u_test" for stem in stems}
        assert test == {stem for stem in STEMS if stem.startswith(f"{fold}_")}
    assert all(STEMS[stem] == int(label) for (_, _, label), stems in sides.items() for stem in stems)
    files = list(tree.glob("*/*/*/*"))
    assert len(files) == len(STEMS) * len(FOLDS) and len({path.stat().st_ino for path in files}) == len(STEMS)


def test_copies_where_there_are_no_links(export, monkeypatch):
    linked = export("ststnet", folder="linked")[1]

    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    copied = export("ststnet", folder="copied")[1]
    files = [path.relative_to(copied) for path in copied.glob("**/*.png")]
    assert len(files) == len(STEMS) * len(FOLDS)
    assert all((copied / path).read_bytes() == (linked / path).read_bytes() for path in files)
    assert len({(copied / path).stat().st_ino for path in files}) == len(files)


def test_at_the_official_counts(tmp_path):
    """68 folds of 442 files each, as the trees that circulate have; read back without a finding."""
    parts = {"casme2": ("casme2", "sub{:02d}"), "smic-hs": ("smic", "s{:02d}"), "samm": ("samm", "{:03d}")}
    flow, clips = np.arange(3 * 28 * 28).reshape(3, 28, 28), []
    for row in megc2019().itertuples():
        part, person = parts[row.dataset]
        clips.append(Clip(part, person.format(row.subject), row.clip, row.label, "", "", flow))
    write_export("ststnet", clips, tmp_path / "out", "rgb-uvs", {})
    assert sum(1 for _ in (tmp_path / "out/norm_u_v_os").glob("*/*/*/*.png")) == 68 * 442 == 30056
    release = read_release("flow-maps", tmp_path / "out")
    assert not release.findings and len(release.index) == 442
    assert release.index["emotion"].value_counts().to_dict() == {"negative": 250, "positive": 109, "surprise": 83}
    assert release.index.groupby(["dataset", "subject"]).ngroups == 68


def test_ststnet_in_matlab_has_a_list_that_begins_with_casme2_and_ends_without_a_line(export):
    assert (export("ststnet-matlab")[1] / "video442subName.txt").read_text() == "\n".join(FOLDS)


def test_htnet_finds_the_map_and_the_face_of_every_row(export):
    status, folder, said = export("htnet", "--faces", "onset-apex-224")
    assert status == 0 and "face picture" not in said
    text = (folder / "combined_3_class2_for_optical_flow.csv").read_text().splitlines()
    assert text[0] == "dataset,sub,filename_o,label,apex,imagename,sub_filename"
    assert {  # of which the first and the last two are printed in the specification of the released file
        "casme2,sub01,EP02_01f,1,,sub01_EP02_01f.jpg,", "smic,s01,s01_ne_01,0,,s01_s1_ne_01.jpg,",
        "samm,006,006_1_2,0,,006_006_1_2.jpg,", "smic,s20,s20_po_02,1,,s20_s20_po_02.jpg,",
    } <= set(text)  # fmt: skip
    rows = list(csv.DictReader(text))
    whole = {path.name for path in (folder / "datasets/STSNet_whole_norm_u_v_os").iterdir()}
    assert whole == {f"{row['sub']}_{row['filename_o']} .png" for row in rows} and len(rows) == len(STEMS)
    faces = folder / "datasets/combined_datasets_whole"
    assert {path.name for path in faces.iterdir()} == {row["imagename"] for row in rows}
    red, green, _ = np.asarray(Image.open(faces / "s01_s1_ne_01.jpg")).reshape(-1, 3).mean(0)
    assert red == pytest.approx(200, abs=3) and green == pytest.approx(90, abs=3)
    without = export("htnet", folder="without")
    assert "HTNet opens a face picture" in without[2] and not (without[1] / "datasets/combined_datasets_whole").exists()


def _lists(folder, subjects, parts):
    """Check the lists of folds, and return {path: label}; paths are opened from the program's folder."""
    names = (folder / subjects).read_text().splitlines()
    assert sorted(names) == sorted(FOLDS) and len(list(folder.glob("*_train.txt"))) == len(FOLDS)
    tested = Counter()
    for name in names:
        sides = {side: (folder / f"{name}_{side}.txt").read_text().splitlines() for side in ("train", "test")}
        assert len(sides["train"]) + len(sides["test"]) == len(STEMS) and not set(sides["train"]) & set(sides["test"])
        tested.update(sides["test"])
    assert set(tested.values()) == {1} and len(tested) == len(STEMS)
    found = {}
    for line in tested:
        path, label, part = line.split(" ")  # single blanks, none in a path
        found[path] = int(label)
        stem = next(stem for stem in STEMS if stem in path)
        whose = "casme2" if stem.startswith("sub") else "smic" if stem.startswith("s") else "samm"
        assert parts[whose] == int(part) and STEMS[stem] == int(label)
    return found


def test_rcn_opens_every_path_of_its_lists(export):
    folder = export("rcn")[1]
    version = folder / "data/MEGC2019/v_cde_flow"
    paths = _lists(version, "video442subName.txt", {"casme2": 0, "smic": 1, "samm": 2})
    assert "data/MEGC2019/v_cde_flow/flow_alpha0/smic_s01_s01_ne_01.png" in paths
    assert {np.asarray(Image.open(folder / path)).shape for path in paths} == {(28, 28, 3)}
    rows = list(csv.reader((folder / "dataset/megc_meta.csv").open()))
    assert len(rows) == len(STEMS) and ["samm", "006", "006_1_2", "0", str(FOLDS.index("006")), "2"] in rows
    assert export("rcn", "--recipe", "farneback-48", folder="larger")[0] == 0  # any size


def test_dual_atme_finds_both_pictures(export):
    folder = export("dual-atme", "--puzzle", "farneback-28")[1]
    lists = folder / "data/MEGC2019/v_cde_flow"
    paths = _lists(lists, "subName.txt", {"casme2": 0, "samm": 1, "smic": 2})
    assert (lists / "subName.txt").read_text().startswith("006\n")
    for name in (
        "casme2/flow/sub01_EP02_01f_img59-img46_flow.png",
        "samm/flow/006_006_1_2_006_05588-006_05562_flow.png",
        "smic/flow/s01_s01_ne_01_image559753-image559740_flow.png",
    ):
        assert f"data/MEGC2019/{name}" in paths
    for path in paths:
        whole, puzzle = (np.asarray(Image.open(folder / p)) for p in (path, path.replace("flow", "flow_puzzle")))
        assert np.abs(whole.astype(int) + puzzle - 255).max() <= 1  # of the same flow, negated
    assert (folder / "result").is_dir() and (folder / "data/model_path").is_dir()
    assert "second picture" in export("dual-atme", folder="without")[2]


def test_inceptr_opens_arrays(study, export):
    folder = export("inceptr")[1]
    paths = _lists(folder / "data/MEGC2019/v_cde_flow_np", "subName.txt", {"casme2": 0, "samm": 1, "smic": 2})
    for path in paths:
        with np.load(folder / path) as file:
            of = file["of"]
        assert of.shape == (28, 28, 3) and of.dtype == np.float32
        wanted = 2 * stretched(_maps(study)[Path(path).stem]) - 1
        np.testing.assert_allclose(of.transpose(2, 0, 1), wanted, atol=1e-6)
    assert (folder / "result").is_dir() and (folder / "data/model_path").is_dir()


# what is refused


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ststnt"], "unknown layout 'ststnt'; did you mean 'ststnet'?"),
        (["ststnet", "--protocol", "megc2018-cde"], "one fold for each subject, as megc2019"),
        (["ststnet", "--protocol", "casme2-5"], "the classes others, disgust, happiness, repression, surprise"),
        (["ststnet", "--protocol", "megc2019-5fold"], "the split k-fold"),
        (["ststnet", "--dataset", "sam"], "no data set 'sam'; did you mean 'samm'?"),
        (["ststnet", "--recipe", "lbp-top"], "no flow recipe 'lbp-top'"),
        (["ststnet", "--recipe", "farneback-48"], "reads maps of 28 px, these have 48; name a flow recipe"),
        (
            ["ststnet", "--recipe", "tvl1-opencv-28"],
            "results/packs/casme2/tvl1-opencv-28.safetensors results/packs/samm/",
        ),
        (["ststnet", "--protocol", "samm-3"], "make it with: snakemake --cores 2 results/protocols/samm-3.csv"),
        (["ststnet", "--protocol", "megc2019-flow"], "--config 'protocols=[\"megc2019-flow\"]'"),
        (["ststnet", "--faces", "onset-apex-224"], "--faces: the layout 'ststnet' has no place for it"),
        (["htnet", "--faces", "tvl1-28"], "no frames recipe 'tvl1-28'"),
        (["ststnet", "--channel-order", "rgb"], "--channel-order: unknown order 'rgb'"),
    ],
)
def test_what_cannot_be_exported_is_said(export, words, says):
    status, folder, said = export(*words)
    assert status == 1 and says in said and not folder.exists()


def test_nothing_is_written_over_anything(export):
    status, folder, _ = export("rcn")
    before = sorted(folder.rglob("*"))
    status, _, said = export("rcn")
    assert status == 1 and "holds an earlier export: nothing is written over it" in said
    (folder / "apexbench-export.json").unlink()
    status, _, said = export("ststnet")
    assert status == 1 and "is not empty, and not ours" in said
    assert sorted(folder.rglob("*")) == [path for path in before if path.name != "apexbench-export.json"]


def test_half_an_export_is_never_there(export, monkeypatch, tmp_path):
    written = []

    def full(path, flow, order):
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        pictures.write_picture(path, np.zeros((28, 28, 3), np.uint8))

    monkeypatch.setattr("apexbench.export.rcn.write_map", full)
    status, _, said = export("rcn")
    assert status == 1 and "could not be written (No space left on device)" in said
    assert len(written) == 3 and list(tmp_path.iterdir()) == []


def test_two_clips_of_one_name_are_refused(export, monkeypatch):
    from apexbench.export.clips import Source

    clips = Source.clips
    monkeypatch.setattr(Source, "clips", lambda *words, **more: 2 * clips(*words, **more))
    status, folder, said = export("rcn")
    assert status == 1 and "two clips would be 'sub01_ep02_01f'" in said and not folder.exists()


def test_the_record_says_what_it_is_made_of(export):
    import json

    _, folder, said = export("rcn", "--dataset", "samm", "--dataset", "casme2")
    record = json.loads((folder / "apexbench-export.json").read_text())
    assert (record["layout"], record["protocol"], record["clips"], record["subjects"]) == ("rcn", "megc2019", 5, 4)
    assert record["recipes"]["flow"]["name"] == "tvl1-28" and record["recipes"]["flow"]["algorithm"] == "tvl1"
    assert record["datasets"]["samm"]["synthetic"] and record["datasets"]["samm"]["apex"] == {"sheet": 2}
    assert "synthetic clips, which say nothing about real data: casme2, samm" in said and "pass none" not in said


# the page


def test_the_page_names_every_layout_and_its_commands_are_understood():
    page = (ROOT / "docs/export.md").read_text()
    assert [name for name in LAYOUTS if f"| `{name}` |" not in page] == []
    commands = [line for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    ours = [shlex.split(line)[1:] for line in commands if line.startswith("apexbench ")]
    assert {words[0] for words in ours} == {"export", "checklist", "cite"} and len(ours) == len(commands) - 1
    for words in ours:
        wanted = cli.make_parser().parse_args(words)
        assert wanted.command != "export" or wanted.layout in LAYOUTS
