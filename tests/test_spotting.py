"""The apex spotter: on clips whose apex is known, and on what must not mislead it."""

import cv2
import numpy as np
import openpyxl
import pytest

from apexbench.clips import find_frames
from apexbench.datasets import load_index
from apexbench.errors import InputError
from apexbench.frames.detection import detect_landmarks
from apexbench.frames.spotting import motion_curve, spot_apex

TEXTURE = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 250, (120, 100)).astype(np.float32), (0, 0), 3) + 120


def clip(apex, length=20, gain=0.0, drift=0.0, noise=0.0, peak=1.5):
    """A picture (T, 120, 100) whose middle moves by `peak` px at the apex, under flicker, drift and noise."""
    y, x = np.mgrid[:120, :100].astype(np.float32)
    bump = np.exp(-((x - 50) ** 2 + (y - 60) ** 2) / (2 * 12**2))
    rng, frames = np.random.default_rng(1), []
    for t in range(length):
        strength = float(np.sin(np.pi / 2 * min(t / apex, (length - t) / (length - apex))))
        back = x - drift * t - strength * peak * bump, y - 0.5 * drift * t
        moved = cv2.remap(TEXTURE, *back, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        frame = moved * (1 + gain * np.sin(2.1 * t)) + rng.normal(0, noise, moved.shape)
        frames.append(np.clip(frame, 0, 255).astype(np.uint8))
    return np.stack(frames)


# clips of known truth


@pytest.mark.parametrize("dataset", ["mmew", "samm", "casme2"])
def test_the_apex_of_rendered_clips_is_found(rendered, dataset):
    root, truth = rendered[dataset]
    peaks = {(clip["subject"], clip["clip"]): clip["apex"] for clip in truth.meta["clips"]}
    frame = load_index(dataset, root, apex="spotted")
    assert set(frame["apex_source"]) == {"spotted"}
    wanted = np.array([peaks[row.subject, row.clip] for row in frame.itertuples()])
    error = np.abs(frame["apex"] - wanted)
    midpoint = np.abs(frame["onset"] + (frame["offset"] - frame["onset"]) // 2 - wanted)
    assert error.mean() <= 0.3 < 0.6 < midpoint.mean() and error.max() <= 1  # frames


def test_spotting_tolerates_gaps_and_pictures_without_a_face(tmp_path):
    folder = tmp_path / "MMEW_Final/Micro_Expression/anger/S01-07-001"
    folder.mkdir(parents=True)
    frames = clip(12, noise=1.0)
    for number in range(1, 21):
        if number not in (5, 12):
            cv2.imwrite(str(folder / f"{number}.png"), frames[number - 1])
    book = openpyxl.Workbook()
    book.active.append(["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units",
                        "Estimated Emotion"])  # fmt: skip
    book.active.append([1, "S01-07-001", 1, "/", 20, "4", "anger"])
    book.save(tmp_path / "MMEW_Micro_Exp.xlsx")
    assert load_index("mmew", tmp_path, apex="spotted")["apex"].tolist() == [13]
    (folder / "9.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"clip 1/S01-07-001: .*9\.png: not a readable image; copy it anew"):
        load_index("mmew", tmp_path, apex="spotted")
    cv2.imwrite(str(folder / "9.png"), frames[0, :50])
    with pytest.raises(InputError, match=r"9\.png: 100x50, unlike the clip's first frame \(100x120\)"):
        load_index("mmew", tmp_path, apex="spotted")
    assert len(find_frames(folder)) == 18


# what must not mislead it


@pytest.mark.parametrize("apex", [3, 10, 16])
@pytest.mark.parametrize(
    "disturbed", [{}, {"gain": 0.03}, {"drift": 0.03}, {"gain": 0.03, "drift": 0.03, "noise": 2.0}]
)
def test_flicker_and_drift_do_not_move_the_apex(apex, disturbed):
    assert abs(spot_apex(clip(apex, **disturbed)) - apex) <= 1


def test_drift_alone_would_be_larger_than_the_expression():
    frames = clip(5, drift=0.08, peak=0.8)
    plain = np.abs(frames.astype(float) - frames[0]).mean((1, 2))
    assert plain.argmax() == len(frames) - 1 == 19 and abs(spot_apex(frames) - 5) <= 4  # a flat top


def test_only_the_regions_of_the_face_count(rendered):
    root, _ = rendered["mmew"]
    row = load_index("mmew", root).iloc[0]
    frames = np.stack([cv2.imread(str(path))[..., ::-1] for path in find_frames(root / row.frames_dir).values()])
    landmarks = detect_landmarks(frames[0])
    apex = spot_apex(frames, landmarks)
    moved = frames.copy()
    moved[1, :30, :30] = 255 - moved[1, :30, :30]  # something passes by in a corner
    assert spot_apex(moved, landmarks) == apex == row.apex - row.onset
    assert spot_apex(moved) == 1
    gray = frames.astype(float).mean(-1).astype(np.uint8)
    assert abs(spot_apex(gray, landmarks) - apex) <= 1
    assert spot_apex(gray[..., None], landmarks) == spot_apex(gray, landmarks)


# arrays


def test_the_curve_is_zero_at_the_onset_and_where_nothing_moves():
    curve = motion_curve(clip(8, noise=0.0))
    assert curve.shape == (20,) and curve.dtype == np.float64 and curve[0] < 1e-9 and (curve[1:] > 0.1).all()
    still = np.repeat(clip(8)[:1], 6, 0)
    assert motion_curve(still).max() < 1e-6
    assert spot_apex(still[:1]) == 0 and 0 <= spot_apex(still) < 6
    assert spot_apex(np.full((4, 30, 30), 7, np.uint8)) == 0


@pytest.mark.parametrize(
    "frames",
    [np.zeros((3, 8, 8)), np.zeros((8, 8), np.uint8), np.zeros((3, 8, 8, 4), np.uint8), np.zeros((0, 8, 8), np.uint8)],
)
def test_what_are_no_frames(frames):
    with pytest.raises(ValueError, match=r"expected uint8 frames \(T, H, W\)"):
        spot_apex(frames)
