"""Folders of classes: whom their clips show, good and bad copies, rendered actions and full expressions."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from apexbench.config.model import read_yaml
from apexbench.datasets import load_index, read_release
from apexbench.datasets.synthetic import lay_out, render
from apexbench.datasets.synthetic.actions import ACTIONS
from apexbench.datasets.synthetic.layouts import LAYOUTS
from apexbench.errors import InputError
from apexbench.persons import persons
from apexbench.project import load_project
from apexbench.stages.index import index_dataset
from apexbench.store.tensors import read_tensors

ROOT = Path(__file__).parent.parent
OPTIONS = {"loader": "class-folders", "fps": 25.0, "apex": "midpoint", "label_set": "mine"}
APEXES = {"actions": "midpoint", "macro": "last"}  # as config/datasets.yaml has them


def folders(root, *clips, frames=3):
    for clip in clips:
        (root / clip).mkdir(parents=True)
        for number in range(1, frames + 1):
            cv2.imwrite(str(root / clip / f"frame_{number:05d}.png"), np.full((8, 10, 3), 9 * number, np.uint8))
    return root


def refusal(root, **options):
    with pytest.raises(InputError) as caught:
        load_index("actions", root, **OPTIONS | options)
    return str(caught.value).replace(str(root), "ROOT")


# whom they show


@pytest.mark.parametrize(
    ("clip", "number"),
    [
        ("v_ApplyEyeMakeup_g01_c02", 1),
        ("v_HandStandPushUps_g25_c07", 25),
        ("S005_001", 5),
        ("S999_003", 999),
        ("P001", 1001),
        ("P080_Strong", 1080),
        ("-2yZQ5LYJ9o_000012_000022", 10_001),  # Kinetics
        ("April_09_brush_hair_u_nm_np1_ba_goo_0", 10_001),  # HMDB51
        ("S005", 10_001),
    ],
)
def test_names_say_who_is_seen(clip, number):
    assert persons([("class", clip)]) == {("class", clip): number}


def test_clips_whose_names_do_not_say_show_a_person_each():
    clips = [("b", "x"), ("a", "y"), ("a", "S002_001"), ("a", "x")]
    assert persons(clips) == persons(reversed(clips))
    assert persons(clips) == {("a", "S002_001"): 2, ("a", "x"): 10_001, ("a", "y"): 10_002, ("b", "x"): 10_003}


# copies


def test_a_good_copy(tmp_path):
    root = folders(tmp_path / "macro", "anger/S005_001", "anger/P001", "joy ful/P001", "joy ful/x y")
    (root / "README.txt").touch()
    (root / ".DS_Store").touch()
    (root / "__MACOSX").mkdir()
    release = read_release("macro", root, **OPTIONS)
    release.require_usable()
    rows = release.index.set_index("clip")
    assert rows["subject"].to_dict() == {
        "anger:S005_001": 5, "anger:P001": 1001, "joy ful:P001": 1001, "joy ful:x y": 10_001,
    }  # fmt: skip
    assert set(rows["emotion"]) == {"anger", "joy ful"} and set(rows["fps"]) == {25.0}
    first = rows.loc["anger:S005_001"]
    assert (first.onset, first.apex, first.offset, first.n_frames) == (1, 2, 3, 3)
    assert (first.frames_dir, first.apex_source, first.objective) == ("anger/S005_001", "midpoint", "")
    assert [(finding.kind, finding.text) for finding in release.findings] == [("unlisted", "a file beside the classes")]


def test_the_study_knows_the_persons_before_the_index_is_made(tmp_path):
    root = folders(tmp_path / "deep/macro/clips", "anger/S005_001", "joy/S005_002", "joy/other", "fear/P001")
    (root / ".hidden").mkdir()
    settings = read_yaml(ROOT / "config/config.yaml") | {"data": str(tmp_path / "deep")}
    project = load_project(settings, ROOT)
    card = project.datasets["macro"]
    project.datasets["macro"] = card.model_copy(update={"frames": "clips", "subjects": "clips/*/*"})
    assert project.subjects("macro") == [5, 1001, 10_001] and project.source("actions") == "synthetic"
    assert project.people_in("macro")[0] == ("macro", 5)
    files = {"output": tmp_path / "i.csv", "findings": tmp_path / "f.csv"}
    index_dataset(
        dataset="macro", root=root.parent, subjects=project.subjects("macro"), frames="clips", **OPTIONS, **files
    )
    (tmp_path / "deep/actions").mkdir()
    (tmp_path / "deep/actions/a.avi").touch()
    with pytest.raises(InputError, match=r"entry 'actions', field 'subjects': no folder \*/\* in .*deep/actions"):
        project.subjects("actions")
    (tmp_path / "deep/actions/jump/a").mkdir(parents=True)
    with pytest.raises(InputError, match=r"'subjects': all folders \*/\* in .*deep/actions are of one class, 'jump'"):
        project.subjects("actions")


def test_people_of_a_release_that_is_tested_must_be_known_by_name(tmp_path):
    """Or a pre-training on their full expressions would be let in where they are tested."""
    root = folders(tmp_path / "data/macro", "anger/S003_001", "joy/S03-01-002")
    project = load_project(read_yaml(ROOT / "config/config.yaml") | {"data": str(root.parent)}, ROOT)
    assert project.people_in("macro") == [("macro", 3), ("macro", 10_001)]
    project.datasets["macro"] = project.datasets["macro"].model_copy(update={"people": "mmew"})
    with pytest.raises(InputError, match=r"entry 'macro', field 'people': these are people of 'mmew', .* names of 1 "):
        project.people_in("macro")
    (root / "joy/S03-01-002").rename(root / "joy/S003_002")
    assert project.people_in("macro") == [("mmew", 3)]


def test_copies_without_classes(tmp_path):
    root = tmp_path / "none"
    root.mkdir()
    assert refusal(root).startswith("ROOT: no classes; expected folders <class>/<clip>/ with frames, of two classes")
    (root / "jump").mkdir()
    assert refusal(root).startswith("ROOT: no classes; expected")
    (root / "jump" / "a.AVI").touch()
    assert "at least; jump/a.AVI: videos are not read, unpack them (docs/datasets.md)" in refusal(root)
    deeper = folders(tmp_path / "deeper", "ucf/jump/a", "ucf/run/b")
    assert refusal(deeper).startswith("ROOT: only one class, 'ucf'; expected folders <class>/<clip>/ with frames")
    assert "name it in config/datasets.yaml, fields 'frames' and 'subjects'" in refusal(deeper)
    assert len(load_index("actions", deeper, **OPTIONS | {"frames": "ucf"})) == 2


def test_what_is_wrong_with_a_copy_is_told_at_once(tmp_path):
    root = folders(tmp_path / "bad", "jump/a", "run/b")
    (root / "wave").mkdir()
    (root / "jump" / "c.mp4").touch()
    (root / "run" / "00001.jpg").touch()
    (root / "run" / "empty").mkdir()
    assert refusal(root).splitlines() == [
        "ROOT/jump/c.mp4: videos are not read; unpack it into a folder of frames (docs/datasets.md has the command)",
        "ROOT/run/00001.jpg: a file where folders of clips belong; put frames into <class>/<clip>/, move the rest away",
        "ROOT/wave: a class without clips; remove it",
        "ROOT/run/empty: clip 10003/run:empty: no frames in ROOT/run/empty; copy them from the release",
    ]


@pytest.mark.parametrize("apex", ["midpoint", "last"])
def test_of_clips_that_end_at_their_peak_the_last_frame_is_the_apex(tmp_path, apex):
    """As those of CK+ and Oulu-CASIA do, whose midpoint shows half an expression."""
    root = folders(tmp_path / "macro", "anger/S005_001", "joy/S006_001", frames=7)
    (root / "joy/S006_001/frame_00007.png").unlink()
    release = read_release("macro", root, **OPTIONS | {"apex": apex})
    rows = release.index.set_index("clip")
    wanted = {"last": [7, 6], "midpoint": [4, 3]}[apex]
    assert rows["apex"].tolist() == wanted and set(rows["apex_source"]) == {apex}
    assert [finding for finding in release.findings if finding.kind == "apex"] == [], "nothing to know of: meant so"


def test_the_data_sets_say_where_their_clips_peak():
    cards = load_project(read_yaml(ROOT / "config/config.yaml"), ROOT).datasets
    assert {name: cards[name].apex for name in APEXES} == APEXES
    assert {name: LAYOUTS[name].ends_at_peak for name in APEXES} == {"actions": False, "macro": True}
    assert not any(layout.ends_at_peak for name, layout in LAYOUTS.items() if name != "macro")


@pytest.mark.parametrize("dataset", ["actions", "macro"])
def test_the_rendered_layouts_are_read(tmp_path, dataset):
    emotions = LAYOUTS[dataset].emotions
    plan = [(subject, emotion, 2) for subject in (1, 12) for emotion in emotions]
    lay_out(dataset, plan, tmp_path / "clips")
    index = load_index(dataset, tmp_path / "clips", **OPTIONS | {"apex": APEXES[dataset]})
    found = index.groupby(["subject", "emotion"]).size().to_dict()
    assert found == {(subject, emotion): count for subject, emotion, count in plan}


# rendered clips


@pytest.fixture(scope="module")
def actions(tmp_path_factory):
    """The root of a few rendered actions and their truth."""
    root = tmp_path_factory.mktemp("actions")
    render("actions", [(n, name, 1) for n in (1, 2, 3) for name in ACTIONS], root / "clips", root / "truth")
    return root / "clips", read_tensors(root / "truth", "truth")


def carried(image, flow):
    """The image as it was before it moved by the flow."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    return cv2.remap(image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def test_an_action_moves_as_its_class_says(actions):
    _, truth = actions
    signs = set()
    for record in truth.meta["clips"]:
        flow = truth[f"{record['subject']}/{record['clip']}/flow"].astype(np.float32)
        moving, what = np.abs(flow).sum(-1) > 0.5, record["emotion"]
        u, v = flow[moving].T
        largest = np.hypot(u, v).max()
        assert 3 < largest < 17 and 0.02 < moving.mean() < 0.5 and record["peak_px"] == pytest.approx(largest, abs=0.01)
        if what in ("across", "rise", "fall"):
            shift = np.array(ACTIONS[what][0]) * 96 / 2  # px from the onset to the middle, times 0.7..1.3
            size = (u.mean(), v.mean()) @ shift / (shift @ shift)
            assert 0.69 < abs(size) < 1.31 and np.ptp(u) < 0.05 and np.ptp(v) < 0.05
            np.testing.assert_allclose((u.mean(), v.mean()), size * shift, atol=0.05)
            assert what == "across" or size > 0
            signs |= {(what, size > 0)}
        else:
            down, across = np.gradient(flow, axis=(0, 1))
            inside = cv2.erode(moving.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
            spread = np.median((across[..., 0] + down[..., 1])[inside])
            curl = np.median((across[..., 1] - down[..., 0])[inside])
            assert (spread > 0.4 and abs(curl) < 0.05) if what == "approach" else abs(curl) > 0.6, (what, spread, curl)
    assert {("across", True), ("across", False)} <= signs


def test_the_frames_of_an_action_show_its_true_flow(actions):
    root, truth = actions
    for record in truth.meta["clips"]:
        folder = root / record["clip"].replace(":", "/")
        first, middle = (cv2.imread(str(folder / f"{record[n]:05d}.jpg"), 0) for n in ("onset", "apex"))
        flow = truth[f"{record['subject']}/{record['clip']}/flow"].astype(np.float32)
        inside = cv2.erode((np.abs(flow).sum(-1) > 0.5).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        gone, still = (np.abs(image[inside].astype(float) - first[inside]) for image in (carried(middle, flow), middle))
        assert np.median(gone) < 0.5 * np.median(still) and np.median(gone) < 5, record


def test_macro_expressions_move_as_micro_ones_do_and_six_times_as_far(tmp_path):
    plan = [(1, emotion, 1) for emotion in ("happiness", "surprise", "disgust")]
    for name in "ab":
        render("macro", plan, tmp_path / name, tmp_path / f"{name}.truth", seed=3)
    truth = read_tensors(tmp_path / "a.truth", "truth")
    assert (tmp_path / "a.truth").read_bytes() == (tmp_path / "b.truth").read_bytes()
    for record in truth.meta["clips"]:
        assert 2.5 < record["peak_px"] < 11, record  # at a mesh 200 px high; micro-expressions stay within 0.3..2
        folder = tmp_path / "a" / record["clip"].replace(":", "/")
        images = [cv2.imread(str(path), 0).astype(np.float32) for path in sorted(folder.iterdir())]
        flow = truth[f"1/{record['clip']}/flow"].astype(np.float32)
        moving = np.linalg.norm(flow, axis=-1) > 0.5 * np.linalg.norm(flow, axis=-1).max()
        apex = images[record["apex"] - record["onset"]]
        assert record["apex"] == record["offset"] and len(images) == record["apex"] - record["onset"] + 1
        gone, still = (cv2.GaussianBlur(x - images[0], (0, 0), 1.0)[moving].std() for x in (carried(apex, flow), apex))
        assert gone < 0.5 * still, (record, gone, still)
