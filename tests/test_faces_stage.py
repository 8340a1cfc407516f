"""Clips to crops: the stage on rendered trees, and on clips that it must refuse or leave out."""

import cv2
import numpy as np
import pytest

from apexbench.clips import read_index, write_index
from apexbench.datasets import load_index
from apexbench.errors import InputError
from apexbench.frames.pictures import read_frame
from apexbench.stages.faces import crop_subject
from apexbench.store import read_tensors

CARD = {"detector": "mesh", "fallback": "haar", "size": 64}


@pytest.fixture
def indexed(copy, tmp_path):
    """Return a function: copy of a data set's tree, and the index CSV of it."""

    def made(dataset):
        root = copy(dataset)
        write_index(load_index(dataset, root, fps=200.0), tmp_path / "index.csv")
        return root, tmp_path / "index.csv"

    return made


def _crop(root, index, subject, output, missing_face="fail", **changes):
    crop_subject(str(index), subject, str(root), CARD | changes, missing_face, str(output))
    return read_tensors(output, kind="clips")


def _row(index, subject, place=0):
    frame = read_index(index)
    return frame[frame["subject"] == subject].iloc[place]


def _onset_frame(root, row):
    return root / row.frames_dir / f"img{row.onset}.jpg"


def _paint_gray(root, row):
    for path in (root / row.frames_dir).iterdir():
        cv2.imwrite(str(path), np.full_like(cv2.imread(str(path)), 128))


@pytest.mark.parametrize(("dataset", "subject", "channels"), [("casme2", 1, 3), ("samm", 11, 1), ("smic-hs", 3, 3)])
def test_all_clips_of_a_subject(indexed, tmp_path, dataset, subject, channels):
    root, index = indexed(dataset)
    shard = _crop(root, index, subject, tmp_path / "s.safetensors")
    frame = read_index(index)
    frame = frame[frame["subject"] == subject]
    assert set(shard) == {f"{dataset}/{subject}/{row.clip}/{row.onset}" for row in frame.itertuples()}
    assert shard.meta["skipped"] == [] and shard.meta["subject"] == subject
    for row in frame.itertuples():
        name = f"{dataset}/{subject}/{row.clip}/{row.onset}"
        crops, record = shard[name], shard.meta["clips"][name]
        assert crops.shape == (row.n_frames, 64, 64, channels) and crops.dtype == np.uint8 and crops.std() > 20
        assert record["frames"] == list(range(row.onset, row.offset + 1))
        assert (record["onset"], record["apex"], record["fps"]) == (row.onset, row.apex, 200.0)
        assert record["detector"] == "mesh" and np.shape(record["matrix"]) == (2, 3)


def test_the_crop_puts_the_eyes_where_they_belong(indexed, rendered, tmp_path):
    root, index = indexed("casme2")
    shard = _crop(root, index, 1, tmp_path / "s.safetensors")
    truth = rendered["casme2"][1]
    for name, record in shard.meta["clips"].items():
        landmarks = truth[f"1/{name.split('/')[2]}/landmarks"]
        eyes = np.array([landmarks[[33, 133]].mean(0), landmarks[[263, 362]].mean(0)])
        matrix = np.array(record["matrix"])
        (right, left) = eyes @ matrix[:, :2].T + matrix[:, 2]
        assert abs(right[1] - left[1]) < 2 and right[0] < 32 < left[0] and 10 < right[1] < 25


def test_colours_are_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 5, 3), (10, 20, 200), np.uint8))  # BGR: red
    cv2.imwrite(str(tmp_path / "b.png"), np.full((4, 5), 7, np.uint8))
    assert read_frame(tmp_path / "a.png")[0, 0].tolist() == [200, 20, 10]
    assert read_frame(tmp_path / "b.png").shape == (4, 5, 1)


def _halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "spoil",
    [
        _halve,
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_text("not found"),
        lambda path: path.write_bytes(b""),
    ],
    ids=["half", "no end", "text", "empty"],
)
def test_an_unreadable_frame(indexed, tmp_path, spoil):
    root, index = indexed("casme2")
    row = _row(index, 1, 1)
    path = root / row.frames_dir / f"img{row.apex}.jpg"
    spoil(path)
    with pytest.raises(InputError, match=r"not a readable image; copy it anew") as caught:
        _crop(root, index, 1, tmp_path / "s.safetensors", missing_face="skip")
    assert str(caught.value).startswith(f"{path}: ")
    assert not (tmp_path / "s.safetensors").exists()


def test_a_frame_of_another_size(indexed, tmp_path):
    root, index = indexed("casme2")
    row = _row(index, 1)
    path = root / row.frames_dir / f"img{row.apex}.jpg"
    cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (100, 90)))
    with pytest.raises(InputError, match=r"100x90x3, unlike the clip's first frame \(280x280x3\)") as caught:
        _crop(root, index, 1, tmp_path / "s.safetensors")
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["onset", "apex"])
def test_a_frame_that_went_away_after_the_index(indexed, tmp_path, name):
    root, index = indexed("casme2")
    row = _row(index, 1)
    (root / row.frames_dir / f"img{row[name]}.jpg").unlink()
    with pytest.raises(InputError, match=rf"frame {row[name]}, the {name} of clip {row['clip']}, is missing"):
        _crop(root, index, 1, tmp_path / "s.safetensors")


def test_no_face_fails_and_names_every_clip(indexed, tmp_path):
    root, index = indexed("casme2")
    rows = [_row(index, 1, place) for place in (0, 2)]
    for row in rows:
        _paint_gray(root, row)
    with pytest.raises(InputError, match=r"onset frame of 2 clip\(s\).*missing_face: skip") as caught:
        _crop(root, index, 1, tmp_path / "s.safetensors")
    assert all(f"casme2/1/{row['clip']}/{row.onset}" in str(caught.value) for row in rows)
    assert not (tmp_path / "s.safetensors").exists()


def test_no_face_skips_and_says_so(indexed, tmp_path, caplog):
    root, index = indexed("casme2")
    row = _row(index, 1, 1)
    _paint_gray(root, row)
    shard = _crop(root, index, 1, tmp_path / "s.safetensors", missing_face="skip")
    lost = f"casme2/1/{row['clip']}/{row.onset}"
    assert shard.meta["skipped"] == [lost]
    assert len(shard) == 2 and lost not in shard and lost not in shard.meta["clips"]
    assert f"no face found in clip {lost}" in caplog.text


def test_a_subject_whose_clips_are_all_skipped_gives_an_empty_shard(indexed, tmp_path):
    root, index = indexed("casme2")
    for place in range(2):
        _paint_gray(root, _row(index, 17, place))
    shard = _crop(root, index, 17, tmp_path / "s.safetensors", missing_face="skip")
    assert len(shard) == 0 and len(shard.meta["skipped"]) == 2


def test_only_the_onset_frame_needs_a_face(indexed, tmp_path):
    root, index = indexed("casme2")
    row = _row(index, 17)
    onset = _onset_frame(root, row).read_bytes()
    _paint_gray(root, row)
    _onset_frame(root, row).write_bytes(onset)
    assert len(_crop(root, index, 17, tmp_path / "s.safetensors")) == 2


@pytest.mark.parametrize(("dataset", "subject", "channels"), [("mmew", 2, 3), ("samm", 6, 1)])
def test_provided_crops_are_only_resized(indexed, tmp_path, dataset, subject, channels):
    root, index = indexed(dataset)
    shard = _crop(root, index, subject, tmp_path / "s.safetensors", detector="provided")
    row = _row(index, subject)
    name = f"{dataset}/{subject}/{row['clip']}/{row.onset}"
    path = next(p for p in (root / row.frames_dir).iterdir() if int(p.stem.split("_")[-1]) == row.onset)
    expected = cv2.resize(read_frame(path), (64, 64), interpolation=cv2.INTER_AREA).reshape(64, 64, channels)
    np.testing.assert_array_equal(shard[name][0], expected)
    assert shard.meta["clips"][name]["detector"] == "provided"


def test_provided_crops_need_no_face(indexed, tmp_path):
    root, index = indexed("casme2")
    _paint_gray(root, _row(index, 1))
    assert len(_crop(root, index, 1, tmp_path / "s.safetensors", detector="provided")) == 3
