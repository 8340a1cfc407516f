"""Licensed copies that change under a finished study: what is made anew, and what is not."""

import os
import re
import shutil
from pathlib import Path

import pytest
from test_study import ROOT, _edit, _settings
from test_workflow import call, make_copy
from trees import SHEETS, edited

from apexbench.clips import write_index
from apexbench.datasets import load_index
from apexbench.errors import InputError
from apexbench.manifest import files_state, folder_state, joined, tree_state
from apexbench.study import Study

SAMM = {"subjects_per_job": 15, "protocols": ["samm-3"], "table_protocols": [], "tables": [], "leave_out": {}}


def replace(frame):
    """Give a frame other content of the same size."""
    content, time = bytearray(frame.read_bytes()), frame.stat().st_mtime_ns
    content[-20] ^= 1
    frame.write_bytes(content)
    os.utime(frame, ns=(time, time + 1))


@pytest.fixture
def licensed(rendered, tmp_path, monkeypatch):
    """A folder with config/ and a copy of SAMM of the subjects 6, 11 and 35, indexed."""
    for part in ("config", "workflow", "apexbench"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "schemas"))
    shutil.copytree(rendered["samm"][0], tmp_path / "data/samm")
    monkeypatch.chdir(tmp_path)
    write_index(load_index("samm", "data/samm", fps=200), "results/index/samm.csv")
    return tmp_path


def states(root, **settings):
    """The state of the copy, and of the clips of each part: of subjects 6 and 11, and of 35."""
    study = Study(_settings(**SAMM, **settings), root)
    first, second = study.parts("samm")
    return study.copy_state("samm"), study.clips_state("samm", first), study.clips_state("samm", second)


def clip_of(subject):
    return next(folder for folder in sorted(Path(f"data/samm/{subject}").rglob("*")) if any(folder.glob("*.jpg")))


def test_a_changed_frame_changes_its_part_only(licensed):
    before = states(licensed)
    assert before[1].startswith(f"{sum(len(list(Path(f'data/samm/{s}').rglob('*.jpg'))) for s in ('006', '011'))} pict")
    replace(sorted(clip_of("011").glob("*.jpg"))[3])
    after = states(licensed)
    assert after[1] != before[1] and (after[0], after[2]) == (before[0], before[2])


@pytest.mark.parametrize(
    "change",
    [
        lambda: next(clip_of("006").glob("*.jpg")).unlink(),
        lambda: shutil.copy(next(clip_of("006").glob("*.jpg")), clip_of("006") / "006_99999.jpg"),
        lambda: shutil.copytree(clip_of("006"), Path("data/samm/006/006_9_9")),
        lambda: os.utime(Path("data/samm") / SHEETS["samm"], ns=(1, 1)),
    ],
    ids=["a frame less", "a frame more", "a clip more", "another sheet"],
)
def test_what_the_index_says_is_noticed(licensed, change):
    before = states(licensed)
    change()
    assert states(licensed)[0] != before[0]


def test_what_no_loader_reads_is_passed_over(licensed):
    before = states(licensed)
    for name in (".DS_Store", "~$SAMM_Micro_FACS_Codes_v2.xlsx", "006/Thumbs.db", "__MACOSX/006/x.jpg"):
        (path := Path("data/samm", name)).parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"x")
    assert states(licensed) == before


def test_pictures_count_for_the_index_where_it_says_what_they_show(licensed):
    _edit(licensed, "datasets.yaml", lambda card: card["samm"].update(apex="spotted"))
    before = states(licensed)
    replace(next(clip_of("035").glob("*.jpg")))
    assert states(licensed)[0] != before[0]


def test_without_a_sound_index_all_of_the_copy_counts_for_each_part(licensed):
    index = licensed / "results/index/samm.csv"
    index.write_bytes(index.read_bytes()[:-5])
    before = states(licensed)
    assert before[1] == before[2]
    replace(next(clip_of("035").glob("*.jpg")))
    after = states(licensed)
    assert after[0] == before[0] and after[1] == after[2] != before[1]
    index.unlink()
    assert states(licensed) == after


def test_synthetic_clips_have_no_state_and_are_not_looked_at(licensed, monkeypatch):
    study = Study(_settings(**SAMM, source="synthetic"), licensed)
    monkeypatch.setattr(os, "scandir", None)
    assert study.copy_state("samm") == study.clips_state("samm", next(iter(study.parts("samm")))) == ""


def test_no_key_has_it(licensed):
    """Two copies of one release, on two machines, have other times, and the same runs and numbers."""
    keys = [Study(_settings(**SAMM), licensed).key("samm-3", "ststnet")]
    for frame in Path("data/samm").rglob("*.jpg"):
        os.utime(frame, ns=(1, 1))
    assert Study(_settings(**SAMM), licensed).key("samm-3", "ststnet") == keys[0]


def test_links_are_followed_and_lead_round_once(tmp_path):
    (tmp_path / "disk/sub01").mkdir(parents=True)
    (tmp_path / "disk/sub01/img1.jpg").write_bytes(b"1")
    (tmp_path / "copy").symlink_to("disk")
    (tmp_path / "disk/sub01/round").symlink_to("..")
    (tmp_path / "disk/sub01/itself").symlink_to("itself")
    before = tree_state(tmp_path / "copy"), tree_state(tmp_path / "copy", pictures=True)
    assert before[0].startswith("2 files, ")
    (tmp_path / "disk/sub01/img1.jpg").write_bytes(b"12")
    after = tree_state(tmp_path / "copy"), tree_state(tmp_path / "copy", pictures=True)
    assert after[0] == before[0] and after[1] != before[1]
    assert folder_state(tmp_path / "gone") == (0, b"") and joined([]) != joined([(0, b"")])
    with pytest.raises(InputError, match="gone: the folder cannot be listed"):
        tree_state(tmp_path / "gone")


def planned(folder, *words):
    """The jobs that a dry run names: {(rule, its first output)}."""
    text = call(folder, "snakemake", "--cores", "1", "-n", "-p", *words)
    return set(re.findall(r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    output: ([^,\s]+)", text, re.MULTILINE))


STAGES = ("faces", "frames", "flow")


def quick(folder):
    """Let faces be found and flow be computed by what starts fastest."""
    for file, old, new in (
        ("recipes.yaml", "face-192: {size: 192}", "face-192: {size: 192, detector: haar}"),
        ("methods/flow-svm.yaml", "tvl1-28", "farneback-28"),
    ):
        path = folder / "config" / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.mark.slow
def test_what_changes_in_a_copy_makes_its_clips_anew_and_what_reads_them(rendered, tmp_path):
    folder = make_copy(tmp_path / "project")
    quick(folder)
    samm = shutil.copytree(rendered["samm"][0], folder / "data/samm")
    config = [
        "subjects_per_job=15",
        'protocols=["samm-3"]',
        'methods=["majority","flow-svm"]',
        "tables=[]",
        "missing_face=skip",
    ]
    words = ["results/mine/scores/samm-3.csv", "--config", "study=mine", *config]
    call(folder, "snakemake", "--cores", "2", *words)
    os.utime(samm)  # a folder's own time says nothing
    replace(next(samm.rglob("035_*.jpg")))
    jobs = planned(folder, *words)
    part = next(Path(path).stem for rule, path in jobs if rule == "faces")
    (trained,) = (path for rule, path in jobs if rule == "train")
    assert trained.startswith("results/runs/samm-3/flow-svm/"), "majority reads no frames"
    assert jobs - {("train", trained)} == {
        ("faces", f"results/faces/samm/haar/{part}.csv"),
        ("frames", f"results/frames/samm/onset-apex-192/{part}.safetensors"),
        ("flow", f"results/flow/samm/farneback-28/{part}.safetensors"),
        ("pack", "results/packs/samm/farneback-28.safetensors"),
        ("scores", "results/mine/scores/samm-3.csv"),
    }
    call(folder, "snakemake", "--cores", "2", *words)
    assert planned(folder, *words) == set()
    one = {"faces": "1 of 2", "frames": "1 of 2", "flow": "2 of 2"}  # a byte of no key frame: flow reads the same
    assert taken_over(folder, part) == one
    with edited(samm / SHEETS["samm"]) as sheet:
        sheet["A1"] = "a remark"
    assert {rule for rule, _ in planned(folder, *words)} >= {"index", "protocol", "faces", "frames", "train"}
    call(folder, "snakemake", "--cores", "2", *words)
    assert set(taken_over(folder, part).values()) == {"2 of 2"}, "the index is as it was"
    log = folder / trained.replace("/runs/", "/logs/train/").replace(".parquet", ".log")
    assert "is taken over" in log.read_text()
    clip = next(path.parent for path in samm.rglob("035_*.jpg"))
    shutil.copy(min(clip.glob("*.jpg")), clip / "035_99999.jpg")
    assert {rule for rule, _ in planned(folder, *words)} >= {"index", "faces", "frames", "train"}
    call(folder, "snakemake", "--cores", "2", *words)
    assert taken_over(folder, part) == one
    assert set(taken_over(folder, "6-21").values()) == {"5 of 5"}, "other people's"
    frame = min(clip.glob("*.jpg"))
    sound = frame.read_bytes()
    frame.write_bytes(b"no picture")
    call(folder, "snakemake", "--cores", "2", *words, code=1)
    assert {rule for rule, _ in planned(folder, *words)} >= {"faces", "frames", "train"}, "what failed is not done"
    frame.write_bytes(sound)
    assert {rule for rule, _ in planned(folder, *words)} >= {"faces", "frames", "train"}
    call(folder, "snakemake", "--cores", "2", *words)
    assert taken_over(folder, part) == one and planned(folder, *words) == set()
    assert list((folder / "results").rglob("*.before*")) == []


def taken_over(folder, part):
    """{rule: how many clips of a part it has not computed, of how many}, by its log."""
    found = {}
    for rule in STAGES:
        (log,) = (folder / "results/logs" / rule / "samm").rglob(f"{part}.log")
        found[rule] = re.search(r"INFO (\d+ of \d+) clips are taken over", log.read_text())[1]
    return found


def test_the_size_and_time_of_a_users_file_are_told_and_of_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("weights.pth", "results/weights/x.pth", "folder/x"):
        Path(name).parent.mkdir(exist_ok=True, parents=True)
        Path(name).write_text("one")
    paths = {"weights": ["weights.pth", "results/weights/x.pth"], "clips": "folder", "gone": "no.csv"}
    first = files_state(paths)
    assert first.startswith("weights.pth ") and ";" not in first
    os.utime("weights.pth", ns=(1, 1))  # older than it was, and the same
    assert files_state(paths) == first
    Path("weights.pth").write_text("two")
    os.utime("weights.pth", ns=(2, 2))
    assert files_state(paths) != first
    os.truncate("weights.pth", 2**21)
    os.utime("weights.pth", ns=(3, 3))
    assert files_state(paths) == f"weights.pth {2**21} 3"
    assert files_state([]) == files_state({"packs": ["results/packs/x"]}) == ""


@pytest.mark.slow
def test_a_file_that_comes_with_an_older_time_is_noticed(tmp_path):
    """Snakemake asks whether an input is newer than what was made of it; `cp -p`, `mv` and `tar` keep times."""
    folder = make_copy(tmp_path / "project")
    words = ["results/mine/figures/official-null.csv", "--config", "study=mine", "tables=[]", 'methods=["majority"]']
    call(folder, "snakemake", "--cores", "1", *words)
    assert planned(folder, *words) == set()
    file = folder / "config/published/memix.csv"
    file.write_text(file.read_text().replace("0.", "0.1", 1))
    os.utime(file, (1, 1))
    assert {rule for rule, _ in planned(folder, *words)} == {"official_null"}
