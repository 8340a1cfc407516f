"""Clips to packs: the stages on rendered trees, and on clips that they must refuse or leave out."""

import weakref

import cv2
import numpy as np
import pytest
from PIL import Image

from apexbench.clips import ClipId, read_index, write_index
from apexbench.datasets import load_index
from apexbench.errors import InputError
from apexbench.features import create
from apexbench.frames import magnify
from apexbench.frames.detection import detect_landmarks
from apexbench.frames.pictures import read_frame
from apexbench.motion import tvl1_flow
from apexbench.stages.faces import find_faces, read_faces
from apexbench.stages.features import features
from apexbench.stages.flow import flow, gray
from apexbench.stages.frames import crop_frames
from apexbench.stages.magnify import magnify as magnify_shard
from apexbench.stages.pack import pack
from apexbench.store.checksums import file_hash
from apexbench.store.packs import read_pack
from apexbench.store.tensors import read_tensors, write_tensors

CROP = {"size": 64}


@pytest.fixture
def indexed(copy, tmp_path):
    """Return a function: copy of a data set's tree, and the index CSV of it."""

    def made(dataset):
        root = copy(dataset)
        write_index(load_index(dataset, root, fps=200.0), tmp_path / "index.csv")
        return root, tmp_path / "index.csv"

    return made


def _crop(root, index, subject, output, missing_face="fail", cropped=False, choose="all", options=None, **crop):
    """The shard of one subject, or of several."""
    subjects = subject if isinstance(subject, list) else [subject]
    where = {"index": str(index), "clips": str(root), "subjects": subjects}
    faces = None if cropped else str(output.with_suffix(".csv"))
    if faces:
        find_faces(**where, detector="mesh", missing_face=missing_face, output=faces)
    recipe = {"crop": CROP | crop, "choose": choose, "options": options or {}}
    crop_frames(**where, faces=faces, recipe=recipe, output=str(output))
    return read_tensors(output, kind="shard")


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
    assert shard.meta["skipped"] == [] and shard.meta["axes"] == ["frame", "y", "x", "colour"]
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


def test_several_subjects_in_one_job(indexed, tmp_path):
    root, index = indexed("casme2")
    both = _crop(root, index, [1, 17], tmp_path / "both.safetensors")
    alone = [_crop(root, index, subject, tmp_path / f"{subject}.safetensors") for subject in (1, 17)]
    assert set(both) == {name for shard in alone for name in shard} and len(both) == 5
    for shard in alone:
        for name in shard:
            np.testing.assert_array_equal(both[name], shard[name])


def test_chosen_frames_are_those_of_all_and_no_other_is_read(indexed, tmp_path):
    root, index = indexed("casme2")
    whole = _crop(root, index, 1, tmp_path / "all.safetensors")
    for row in read_index(index).query("subject == 1").itertuples():
        for path in (root / row.frames_dir).iterdir():
            if int(path.stem.removeprefix("img")) not in (row.onset, row.apex):
                path.write_text("not to be read")
    keys = _crop(root, index, 1, tmp_path / "keys.safetensors", choose="key-frames")
    assert keys.meta["axes"] == ["key", "y", "x", "colour"]
    for name, record in keys.meta["clips"].items():
        assert record["frames"] == [record["onset"], record["apex"]]
        frames = whole.meta["clips"][name]["frames"]
        np.testing.assert_array_equal(keys[name], whole[name][[frames.index(n) for n in record["frames"]]])


def test_frames_around_the_apex_are_mixed_where_a_clip_lacks_them(indexed, tmp_path):
    """A window longer than the clip: the onset as it is, then frames between those that there are."""
    root, index = indexed("casme2")
    whole = _crop(root, index, 1, tmp_path / "all.safetensors")
    found = _crop(root, index, 1, tmp_path / "around.safetensors", choose="around-apex", options={"reach": 30})
    assert found.meta["axes"] == ["frame", "y", "x", "colour"]
    for name, record in found.meta["clips"].items():
        numbers = whole.meta["clips"][name]["frames"]
        apex = record["apex"]
        window = np.linspace(max(apex - 30, numbers[1]), min(apex + 30, numbers[-1]), 61)
        np.testing.assert_allclose(record["frames"], [record["onset"], *window])
        low = np.minimum(window.astype(int) - numbers[0], len(numbers) - 2)
        part = (window - numbers[0] - low)[:, None, None, None]
        mixed = (1 - part) * whole[name][low] + part * whole[name][low + 1]
        assert np.abs(found[name][1:] - mixed).max() <= 0.501
        np.testing.assert_array_equal(found[name][0], whole[name][0])
    flow(shard=str(found.path), recipe={"of": "f", "algorithm": "farneback", "pairs": "onset-each"},
         output=str(tmp_path / "flow"))  # fmt: skip
    assert all(len(maps) == 61 for maps in read_tensors(tmp_path / "flow", kind="shard").values())


@pytest.mark.parametrize("choose", ["all", "tim", "most-moving"])
def test_no_more_than_two_frames_are_held_at_a_time(indexed, tmp_path, monkeypatch, choose):
    root, index = indexed("casme2")
    alive, most = set(), []

    def counted(path):
        frame = read_frame(path)
        alive.add(id(frame))
        weakref.finalize(frame, alive.discard, id(frame))
        most.append(len(alive))
        return frame

    monkeypatch.setattr("apexbench.stages.frames.read_frame", counted)
    _crop(root, index, 1, tmp_path / "s.safetensors", choose=choose)
    assert len(most) > 20 and max(most) <= 2


def test_pixels_are_resampled_once(indexed, tmp_path):
    """A crop of another size is cut from the frame, not from another crop; its interpolation is the recipe's."""
    root, index = indexed("casme2")
    row = _row(index, 1)
    frame = read_frame(_onset_frame(root, row))
    crops = {
        kind: _crop(root, index, 1, tmp_path / f"{kind}.safetensors", cropped=True, size=100, interpolation=kind)
        for kind in ("bilinear", "pil-bilinear")
    }
    name = next(name for name in crops["bilinear"] if row["clip"] in name)
    np.testing.assert_array_equal(crops["bilinear"][name][0], cv2.resize(frame, (100, 100)))
    pillow = Image.fromarray(np.ascontiguousarray(frame)).resize((100, 100), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(crops["pil-bilinear"][name][0], np.asarray(pillow))


def test_one_detection_serves_crops_of_every_size(indexed, tmp_path):
    root, index = indexed("samm")
    where = {"index": str(index), "clips": str(root), "subjects": [11]}
    find_faces(**where, detector="mesh", missing_face="fail", output=str(tmp_path / "faces.csv"))
    assert all(found.shape == (3, 2) and by == "mesh" for found, by in read_faces(tmp_path / "faces.csv").values())
    matrices = []
    for size, margin in ((64, 0.0), (96, 0.0), (128, 0.25)):
        recipe = {"crop": {"size": size, "margin": margin}, "choose": "key-frames", "options": {}}
        crop_frames(**where, faces=str(tmp_path / "faces.csv"), recipe=recipe, output=str(tmp_path / f"{size}"))
        shard = read_tensors(tmp_path / f"{size}", kind="shard")
        matrices.append(np.array(next(iter(shard.meta["clips"].values()))["matrix"]))
    scale = [np.hypot(*matrix[0, :2]) for matrix in matrices]
    np.testing.assert_allclose([scale[1] / scale[0], scale[2] / scale[0]], [1.5, 1.0])


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
def test_crops_of_the_release_are_only_resized(indexed, tmp_path, dataset, subject, channels):
    root, index = indexed(dataset)
    shard = _crop(root, index, subject, tmp_path / "s.safetensors", cropped=True)
    row = _row(index, subject)
    name = f"{dataset}/{subject}/{row['clip']}/{row.onset}"
    path = next(p for p in (root / row.frames_dir).iterdir() if int(p.stem.split("_")[-1]) == row.onset)
    expected = cv2.resize(read_frame(path), (64, 64), interpolation=cv2.INTER_AREA).reshape(64, 64, channels)
    np.testing.assert_array_equal(shard[name][0], expected)
    assert shard.meta["clips"][name]["detector"] == "release"


def test_crops_of_the_release_need_no_face(indexed, tmp_path):
    root, index = indexed("casme2")
    _paint_gray(root, _row(index, 1))
    assert len(_crop(root, index, 1, tmp_path / "s.safetensors", cropped=True)) == 3


# what is made of the frames


@pytest.fixture(scope="module")
def frames(rendered, tmp_path_factory):
    """Return a function: the shard of the SAMM clips of subjects 6 and 11 with a choice of frames."""
    root = rendered["samm"][0]
    folder = tmp_path_factory.mktemp("frames")
    write_index(load_index("samm", root, fps=200.0), folder / "index.csv")

    def made(choose, **options):
        path = folder / f"{choose}.safetensors"
        _crop(root, folder / "index.csv", [6, 11], path, choose=choose, options=options)
        return path

    return made


def test_several_factors_are_an_axis_and_the_flow_has_it_too(frames, tmp_path):
    shard = read_tensors(frames("key-frames"), kind="shard")
    recipe = {"of": "keys", "arm": "evm", "factors": [2.0, 4.0], "options": {}}
    magnify_shard(shard=str(shard.path), recipe=recipe, output=str(tmp_path / "evm"))
    magnified = read_tensors(tmp_path / "evm", kind="shard")
    assert magnified.meta["axes"] == ["key", "factor", "y", "x", "colour"]
    for name in magnified:
        onset, apex = shard[name]
        for place, factor in enumerate(recipe["factors"]):
            np.testing.assert_array_equal(magnified[name][0, place], onset)
            np.testing.assert_array_equal(magnified[name][1, place], magnify(onset, apex, "evm", factor))
    flow(shard=str(tmp_path / "evm"), recipe={"of": "evm", "algorithm": "farneback"}, output=str(tmp_path / "flow"))
    maps = read_tensors(tmp_path / "flow", kind="shard")
    assert not maps.meta["circular"]
    assert maps.meta["axes"] == ["factor", "y", "x", "motion"] and maps[name].shape == (2, 64, 64, 3)
    size = np.abs(maps[name].astype(float)).mean((1, 2, 3))
    assert size[1] > size[0], "more magnified, more motion"
    pack(
        shards=[str(tmp_path / "flow")], recipe={"map": 16}, axes=["factor", "motion", "y", "x"], output=tmp_path / "p"
    )
    assert read_pack(tmp_path / "p").x.shape == (len(maps), 2, 3, 16, 16)


def test_flow_of_frames_that_it_warped_says_so(frames, tmp_path):
    warped = {"of": "keys", "arm": "flow-warp", "factors": [3.0], "options": {"flow": "farneback"}}
    magnify_shard(shard=str(frames("key-frames")), recipe=warped, output=str(tmp_path / "warped"))
    for algorithm in ("farneback", "tvl1"):
        recipe = {"of": "warped", "algorithm": algorithm}
        flow(shard=str(tmp_path / "warped"), recipe=recipe, output=str(tmp_path / algorithm))
        assert read_tensors(tmp_path / algorithm, kind="shard").meta["circular"] == (algorithm == "farneback")


def test_flow_of_sequences(frames, tmp_path):
    shard = read_tensors(frames("uniform", count=4), kind="shard")
    name = next(iter(shard))
    gray_frames = [gray(frame) for frame in shard[name]]
    for pairs, wanted in (("onset-each", [(0, 1), (0, 2), (0, 3)]), ("consecutive", [(0, 1), (1, 2), (2, 3)])):
        flow(shard=str(shard.path), recipe={"of": "four", "pairs": pairs}, output=str(tmp_path / pairs))
        maps = read_tensors(tmp_path / pairs, kind="shard")
        assert maps.meta["axes"] == ["pair", "y", "x", "motion"] and maps[name].shape == (3, 64, 64, 3)
        for found, (first, second) in zip(maps[name], wanted, strict=True):
            expected = tvl1_flow(gray_frames[first], gray_frames[second]).astype(np.float16)
            np.testing.assert_array_equal(found[..., :2], expected)


def test_clips_of_fewer_frames_than_are_taken_are_named(frames, caplog):
    lengths = {name: len(x) for name, x in read_tensors(frames("all"), kind="shard").items()}
    shortest, longest = min(lengths.values()), max(lengths.values())
    for choose in ("uniform", "first", "tim"):
        frames(choose, count=shortest)
        assert caplog.messages == []
        frames(choose, count=longest)
        few = [f"{name} ({lengths[name]})" for name in sorted(lengths, key=ClipId.parse) if lengths[name] < longest]
        assert few and caplog.messages == [
            f"{len(few)} of {len(lengths)} clips have fewer frames than are taken of each, {longest}: some are "
            f"repeated or interpolated: {', '.join(few)}"
        ]
        caplog.clear()


def test_packs_of_ragged_clips_say_how_much_holds(frames, tmp_path):
    for choose, options, axes in (
        ("all", {}, ["frame", "colour", "y", "x"]),
        ("near-keys", {"after_onset": 1.0, "before_apex": 1.0}, ["key", "near", "colour", "y", "x"]),
    ):
        shard = read_tensors(frames(choose, **options), kind="shard")
        pack(shards=[str(shard.path)], recipe={}, axes=axes, output=tmp_path / choose)
        found = read_pack(tmp_path / choose)
        assert found.ids == tuple(sorted(shard)) and list(found.axes) == axes and isinstance(found.x, np.memmap)
        assert found.x.shape[-3:] == (3, 64, 64), "gray clips repeat their channel"
        for row, name in enumerate(found.ids):
            given = shard[name][..., 0]
            held = found.x[row][..., 0, :, :]
            if choose == "all":
                length = found.lengths[row]
                assert length == len(given)
                np.testing.assert_array_equal(held[:length], given)
                assert (held[length:] == given[-1]).all()
            else:
                record = shard.meta["clips"][name]
                assert found.lengths[row].tolist() == record["lengths"]
                np.testing.assert_array_equal(held[:, : given.shape[1]], given)
                assert [numbers[0] for numbers in record["frames"]] == [record["onset"], record["apex"]]


def test_clips_of_several_shapes_do_not_make_a_pack(frames, tmp_path):
    shard = read_tensors(frames("key-frames"), kind="shard")
    tensors = dict(shard)
    name = sorted(tensors)[1]
    tensors[name] = tensors[name][:, :32]
    write_tensors(tmp_path / "s", tensors, shard.meta)
    with pytest.raises(InputError, match=rf"clip {name} has the shape \(2, 3, 32, 64\), others \(2, 3, 64, 64\)"):
        pack(shards=[str(tmp_path / "s")], recipe={}, axes=["key", "colour", "y", "x"], output=tmp_path / "p")
    assert not (tmp_path / "p").exists()


FEATURES = {"of": "keys", "extractor": "resnet", "options": {"layer": "layer1"}}


def test_features_of_flow_get_the_landmarks_of_the_first_frame(indexed, rendered, tmp_path, caplog):
    """In px of the maps as computed; a clip whose crop shows no face is refused, or left out and named."""
    root, index = indexed("casme2")
    frames = _crop(root, index, [1, 17], tmp_path / "s.safetensors", choose="uniform", options={"count": 3}, size=112)
    recipe = {"of": "frames", "algorithm": "farneback", "pairs": "onset-each", "map": 28}
    flow(shard=str(frames.path), recipe=recipe, output=str(tmp_path / "flow"))
    job = {"shard": str(tmp_path / "flow"), "recipe": {"of": "each", "extractor": "mdmo", "options": {}}}
    output = tmp_path / "rows"
    features(**job, frames=str(frames.path), output=str(output))
    rows, maps = read_tensors(output, kind="shard"), read_tensors(tmp_path / "flow")
    assert set(rows) == set(frames) and rows.meta["axes"] == ["feature"] and rows.meta["skipped"] == []
    for name in rows:
        mesh, matrix = detect_landmarks(frames[name][0]), np.array(frames.meta["clips"][name]["matrix"])
        np.testing.assert_array_equal(rows[name], create("mdmo")(maps[name], mesh))
        _, subject, clip, _ = name.split("/")
        truth = rendered["casme2"][1][f"{subject}/{clip}/landmarks"] @ matrix[:, :2].T + matrix[:, 2]
        assert maps.shape(name) == (2, 112, 112, 3) and np.hypot(*(mesh - truth).T).mean() < 0.03 * 112
    (blank, *others), before = sorted(frames), file_hash(output)
    tensors = dict(frames) | {blank: np.full_like(frames[blank], 128)}
    write_tensors(tmp_path / "blank", tensors, frames.meta)
    job["frames"] = str(tmp_path / "blank")
    with pytest.raises(
        InputError, match=rf"no face in the crop of 1 clip\(s\), and 'mdmo' .*: {blank}; set missing_face"
    ):
        features(**job, output=str(output))
    assert file_hash(output) == before
    features(**job, missing_face="skip", output=str(output))
    rows = read_tensors(output, kind="shard")
    assert rows.meta["skipped"] == [blank] and sorted(rows) == others and f"clip {blank} is left out" in caplog.text


def test_features_are_taken_up_again_by_subject(frames, tmp_path, monkeypatch):
    shard, output = frames("key-frames"), tmp_path / "features.safetensors"
    features(shard=str(shard), recipe=FEATURES, output=str(output))
    whole = file_hash(output)
    made = read_tensors(output, kind="shard")
    assert made.meta["axes"] == ["key", "feature", "y", "x"] and next(iter(made.values())).dtype == np.float16
    output.unlink()
    from apexbench.features.resnet import ResNet

    plain, seen = ResNet.__call__, []

    def killed_at_the_second_subject(self, clip):
        if len(seen) == sum(name.startswith("samm/6/") for name in made):
            raise KeyboardInterrupt
        seen.append(1)
        return plain(self, clip)

    monkeypatch.setattr(ResNet, "__call__", killed_at_the_second_subject)
    with pytest.raises(KeyboardInterrupt):
        features(shard=str(shard), recipe=FEATURES, output=str(output))
    assert [path.name for path in (tmp_path / "features.safetensors.subjects").iterdir()] == ["6.safetensors"]
    monkeypatch.setattr(ResNet, "__call__", lambda self, clip: plain(self, clip) if seen.append(1) is None else None)
    del seen[:]
    features(shard=str(shard), recipe=FEATURES, output=str(output))
    assert len(seen) == sum(name.startswith("samm/11/") for name in made) and file_hash(output) == whole
    assert not (tmp_path / "features.safetensors.subjects").exists()
