"""Synthetic clips: found like real faces, true to their truth, the same bytes from the same seed."""

import cv2
import numpy as np
import openpyxl
import pytest
from trees import PLANS

from apexbench.datasets.synthetic import render
from apexbench.datasets.synthetic.expressions import (
    ACTION_UNITS,
    OBJECTIVE_CLASSES,
    RECIPES,
    describe,
    draw_movement,
    objective_class,
)
from apexbench.datasets.synthetic.layouts import LAYOUTS, Clip
from apexbench.errors import InputError
from apexbench.frames.detection import detect_landmarks
from apexbench.store.tensors import read_tensors


def _clips(truth):
    for record in truth.meta["clips"]:
        fields = [record[name] for name in ("subject", "clip", "emotion", "aus", "onset", "apex", "offset")]
        yield Clip(*fields), record


def _frame(root, dataset, clip, number):
    image = cv2.imread(str(root / LAYOUTS[dataset].frame(clip, number)), cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize("dataset", PLANS)
def test_every_onset_face_is_found_where_it_is(rendered, dataset):
    root, truth = rendered[dataset]
    for clip, _ in _clips(truth):
        expected = truth[f"{clip.subject}/{clip.name}/landmarks"]
        found = detect_landmarks(_frame(root, dataset, clip, clip.onset))
        error = np.linalg.norm(found - expected, axis=1).mean() / np.linalg.norm(expected[33] - expected[263])
        assert error <= 0.05, (clip, error)


@pytest.mark.parametrize("dataset", PLANS)
def test_motion_is_micro(rendered, dataset):
    _, truth = rendered[dataset]
    for clip, record in _clips(truth):
        assert 0.3 <= record["peak_px"] <= 2, clip
        flow = np.linalg.norm(truth[f"{clip.subject}/{clip.name}/flow"].astype(np.float32), axis=-1)
        assert flow.max() * 200 / record["face_px"] >= record["peak_px"] - 0.01


@pytest.mark.parametrize("dataset", PLANS)
def test_true_flow_carries_the_apex_onto_the_onset(rendered, dataset):
    root, truth = rendered[dataset]
    for clip, record in _clips(truth):
        onset, apex = (_frame(root, dataset, clip, number) for number in (clip.onset, clip.apex))
        onset, apex = (
            (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image).astype(np.float32)
            for image in (onset, apex)
        )
        flow = truth[f"{clip.subject}/{clip.name}/flow"].astype(np.float32)
        y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
        carried = cv2.remap(apex, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC)
        moving = np.linalg.norm(flow, axis=-1) > 0.5 * record["peak_px"] * record["face_px"] / 200

        def residual(image, onset=onset, moving=moving):
            difference = cv2.GaussianBlur(image - onset, (0, 0), 1.0)[moving]  # noise is not the matter here
            return (difference - difference.mean()).std()

        assert residual(carried) < 0.75 * residual(apex), record


@pytest.mark.parametrize("dataset", PLANS)
def test_the_tree_holds_the_plan(rendered, dataset):
    root, truth = rendered[dataset]
    counts = {}
    frames = 0
    for clip, _ in _clips(truth):
        counts[clip.subject, clip.emotion] = counts.get((clip.subject, clip.emotion), 0) + 1
        assert clip.onset < clip.apex < clip.offset and 9 <= clip.offset - clip.onset + 1 <= 14
        for number in range(clip.onset, clip.offset + 1):
            image = cv2.imread(str(root / LAYOUTS[dataset].frame(clip, number)), cv2.IMREAD_UNCHANGED)
            assert image.shape == ((280, 280) if LAYOUTS[dataset].gray else (280, 280, 3))
            frames += 1
    assert counts == {(subject, emotion): count for subject, emotion, count in PLANS[dataset]}
    pictures = [path for path in root.rglob("*") if path.suffix in (".jpg", ".bmp")]
    assert sum("non_micro" not in path.parts for path in pictures) == frames


def _rows(path, sheet):
    return list(openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True))


def test_casme2_sheet(rendered):
    root, _ = rendered["casme2"]
    header, *rows = _rows(root / "CASME2-coding-20140508.xlsx", "Sheet1")
    assert header == ("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units",
                      "Estimated Emotion")  # fmt: skip
    assert len(rows) == 7 and rows[0][0] == "01"
    for row in rows:
        assert (root / f"CASME2_RAW_selected/sub{row[0]}/{row[1]}/img{row[4]}.jpg").is_file()


def test_samm_sheet(rendered):
    root, _ = rendered["samm"]
    rows = _rows(root / "SAMM_Micro_FACS_Codes_v2.xlsx", "MICRO_ONLY")
    assert rows[13][:4] == ("Subject", "Filename", "Inducement Code", "Onset Frame") and len(rows[13]) == 12
    assert len(rows) == 14 + 7 and rows[14][0] == "006" and rows[14][6] == "=F15-D15+1"
    for row in rows[14:]:
        assert {int(path.stem.split("_")[1]) for path in (root / row[0] / row[1]).iterdir()} == {
            *range(row[3], row[5] + 1)
        }


def test_mmew_sheet(rendered):
    root, _ = rendered["mmew"]
    header, *rows = _rows(root / "MMEW_Micro_Exp.xlsx", "Sheet1")
    assert header[0] == "Subject" and header[-1] == "remarks" and len(header) == 8
    for row in rows:
        assert row[2] == 1 and (root / f"MMEW_Final/Micro_Expression/{row[6]}/{row[1]}/{row[4]}.jpg").is_file()


def test_smic_has_no_sheet(rendered):
    root, _ = rendered["smic-hs"]
    assert [path.name for path in root.iterdir()] == ["SMIC_all_raw"]


def _bytes(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    plan = [(1, "happiness", 1)]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        render("casme2", plan, tmp_path / name, tmp_path / f"{name}.safetensors", seed=seed)
    first, again, other = (_bytes(tmp_path / name) for name in "abc")
    assert first == again
    assert not {name for name in first if name.endswith(".jpg") and first[name] == other.get(name)}
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_clip_does_not_depend_on_the_rest_of_the_plan(tmp_path):
    render("mmew", [(3, "others", 1)], tmp_path / "alone", tmp_path / "alone.safetensors")
    render("mmew", [(2, "fear", 1), (3, "fear", 1), (3, "others", 1)], tmp_path / "all", tmp_path / "all.safetensors")
    alone, together = _bytes(tmp_path / "alone"), _bytes(tmp_path / "all")
    frames = [name for name in alone if name.endswith(".jpg")]
    assert len(frames) > 8 and all(alone[name] == together[name] for name in frames)


def test_the_flow_of_full_clips_is_kept_around_the_face_only(tmp_path):
    render("mmew", [(3, "surprise", 1)], tmp_path / "clips", tmp_path / "truth.safetensors", scale="full")
    truth = read_tensors(tmp_path / "truth.safetensors", "truth")
    (record,) = truth.meta["clips"]
    left, top, width, height = record["box"]
    flow, landmarks = truth["3/S03-02-001/flow"], truth["3/S03-02-001/landmarks"]
    assert flow.shape == (height, width, 2) and flow.dtype == np.float16
    assert left >= 0 and left + width <= 231 and top >= 0 and top + height <= 231
    assert (landmarks.min(0) >= (left, top)).all() and (landmarks.max(0) <= (left + width, top + height)).all()
    largest = np.linalg.norm(flow.astype(np.float32), axis=-1).max() * 200 / record["face_px"]
    assert largest >= record["peak_px"] - 0.01


def test_nothing_that_exists_is_touched(tmp_path):
    root = tmp_path / "CASME II"
    root.mkdir()
    (root / "licensed.jpg").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="CASME II"):
        render("casme2", [(1, "others", 1)], root, tmp_path / "truth.safetensors")
    assert _bytes(tmp_path) == {"CASME II/licensed.jpg": b"mine"}


def test_a_failed_run_leaves_nothing(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(LAYOUTS["casme2"].__class__, "write_sheet", broken)
    with pytest.raises(InputError, match="disk full"):
        render("casme2", [(1, "others", 1)], tmp_path / "root", tmp_path / "truth.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ck+", [(1, "others", 1)]), "no synthetic layout"),
        (("casme2", [(1, "joy", 1)]), "no emotion 'joy'"),
        (("casme2", [(0, "others", 1)]), "subject >= 1"),
        (("casme2", [(1, "others", 1, "VIII")]), "objective class 'VIII'"),
    ],
)
def test_bad_plans_are_refused_before_any_work(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        render(*arguments, tmp_path / "root", tmp_path / "truth.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_recipes_use_known_units_and_cover_every_class():
    for variants in RECIPES.values():
        assert sum(share for share, _, _ in variants) == pytest.approx(1)
        assert all({*always, *perhaps} <= set(ACTION_UNITS) for _, always, perhaps in variants)
    rng = np.random.default_rng(0)
    assert all(draw_movement(rng, emotion) for emotion in RECIPES)


@pytest.mark.parametrize(("aus", "expected"), [("6+12", "I"), ("1+2", "II"), ("4", "III"), ("L14", "VII")])
def test_objective_classes(aus, expected):
    assert objective_class(aus) == expected


@pytest.mark.parametrize("objective", OBJECTIVE_CLASSES)
def test_units_are_of_the_objective_class_asked_for(objective):
    rng = np.random.default_rng(0)
    for emotion in RECIPES:
        assert objective_class(describe(draw_movement(rng, emotion, objective))) == objective
