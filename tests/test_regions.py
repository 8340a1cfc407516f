"""The crop by a clip's action units: an oracle, its rules, its boxes, and what must not be made of it."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from test_faces import PORTRAITS
from test_input_stages import _crop, _row, indexed  # noqa: F401  (a fixture)

from apexbench.clips import action_units, clip_ids, read_index
from apexbench.config.model import descriptions, validate
from apexbench.config.recipes import CropRecipe, Recipes
from apexbench.errors import InputError
from apexbench.frames import regions
from apexbench.frames.detection import FaceNotFound, detect_landmarks
from apexbench.frames.pictures import read_frame
from apexbench.frames.regions import POINTS, REGIONS, crop_region, region_box, region_of
from apexbench.recipes import check_recipes
from apexbench.stages.pack import pack
from apexbench.store.packs import read_pack
from apexbench.study import Study

ROOT = Path(__file__).parent.parent
UNITS = {"region": "action-units"}

# the rules


def _as_specified(units):
    """The released code's rules, once more, as a chain of conditions."""
    known = units & {1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 43}
    if known & {4, 5, 7, 43}:
        return {19, 24, 15, 1}
    if known & {10, 12, 14, 15, 17}:
        return {3, 5, 11, 13}
    if known & {1, 2}:
        return {17, 19, 24, 26}
    if known & {6, 9}:
        return {1, 29, 15, 3, 13}
    return set(range(17)) | set(range(17, 27)) | {29}  # of all 68 those that can reach the edge of their box


def test_every_two_units_choose_the_landmarks_of_the_rules():
    for first in range(65):
        for second in range(65):
            region = region_of({first, second})
            assert set(REGIONS[region].points) == _as_specified({first, second}), (first, second)
    assert region_of(()) == "face"


@pytest.mark.parametrize(
    ("cell", "region"),
    [
        ("4", "eyes"),  # CASME II
        ("4+L7", "eyes"),
        ("R12+15", "mouth"),
        ("L1+L2", "brows"),
        ("1+2+L14", "mouth"),
        ("6+12", "mouth"),
        ("9", "cheeks"),
        ("?", "face"),
        ("", "face"),  # SMIC has no units
        ("AU12A or 14", "mouth"),  # SAMM
        ("R12A or R14A", "mouth"),
        ("AU4B + AU17A", "eyes"),
        ("1B + 2C", "brows"),
        ("24", "face"),
        ("AU43E", "eyes"),
        ("A6+25", "cheeks"),
        ("4,12", "eyes"),  # CAS(ME)^3, part A, and part C with its wide comma
        ("12\uff0c1", "mouth"),
        ("0", "face"),
        ("4(k)+12", "mouth"),  # 4DME: a unit that is kept moves nothing
    ],
)
def test_cells_of_the_sheets(cell, region):
    assert region_of(action_units(cell)) == region


# the boxes


@pytest.mark.parametrize(
    ("name", "boxes"),
    [
        (
            "astronaut",
            {
                "eyes": (180, 87, 270, 120), "mouth": (182, 139, 265, 163), "brows": (186, 87, 265, 99),
                "cheeks": (180, 116, 270, 143), "face": (179, 87, 272, 178),
            },
        ),
        (
            "hopper",
            {
                "eyes": (181, 161, 353, 226), "mouth": (192, 262, 347, 310), "brows": (189, 161, 340, 188),
                "cheeks": (181, 218, 353, 270), "face": (178, 161, 355, 333),
            },
        ),
    ],
)  # fmt: skip
def test_boxes_are_all_but_those_of_dlib(name, boxes):
    """The boxes are those of dlib 20.0 and its 68 landmarks, all 68 for the face, on the same two pictures."""
    landmarks = detect_landmarks(PORTRAITS[name])
    width = np.linalg.norm(landmarks[33] - landmarks[263])
    for region, dlib in boxes.items():
        found = region_box(landmarks, region, *PORTRAITS[name].shape[:2])
        assert np.abs(found - dlib).max() < 0.08 * width, region
        shared = np.minimum(found[2:], dlib[2:]) - np.maximum(found[:2], dlib[:2])
        total = np.prod(found[2:] - found[:2]) + np.prod(np.subtract(dlib[2:], dlib[:2])) - shared.prod()
        assert shared.prod() / total > (0.65 if region == "brows" else 0.75), region


def test_left_and_right_are_alike():
    image = PORTRAITS["astronaut"]
    height, width = image.shape[:2]
    mirrored = np.ascontiguousarray(image[:, ::-1])
    for region in REGIONS:
        box = region_box(detect_landmarks(image), region, height, width)
        left, top, right, bottom = region_box(detect_landmarks(mirrored), region, height, width)
        assert np.abs(box - [width - right, top, width - left, bottom]).max() <= 4


def _inside(box, points):
    left, top, right, bottom = box
    return bool(np.all((points >= [left, top]) & (points < [right, bottom])))


def test_boxes_hold_what_they_are_named_after(rendered):
    """On rendered faces, by their true landmarks; and none of them holds another's part."""
    places = {
        "eyes": [33, 133, 159, 145, 263, 362, 386, 374],
        "mouth": [61, 291, 13, 14, 17],
        "brows": [52, 53, 282, 283],  # the lower edge: dlib's points run along the middle of a brow
        "cheeks": [205, 425, 4],
    }
    for dataset in ("casme2", "samm"):
        truth = rendered[dataset][1]
        for clip in truth.meta["clips"]:
            name = f"{clip['subject']}/{clip['clip']}/landmarks"
            landmarks = truth[name].astype(np.float64)
            for region, parts in places.items():
                box = region_box(landmarks, region, 10**4, 10**4)
                assert _inside(box, landmarks[parts]), (name, region)
                for other in set(places) - {region, "cheeks"} - ({"brows"} if region == "eyes" else set()):
                    assert not _inside(box, landmarks[places[other]]), (name, region, other)
            assert _inside(region_box(landmarks, "face", 10**4, 10**4), landmarks[[*places["brows"], *places["mouth"]]])


def _points(region, *corners):
    """468 landmarks (NaN but for a region's), so that its box has these corners."""
    landmarks = np.full((468, 2), np.nan)
    for place, number in enumerate(REGIONS[region].points):
        landmarks[list(POINTS[number])] = corners[min(place, len(corners) - 1)]
    return landmarks


def test_a_box_has_whole_pixels_and_ends_at_the_frame():
    assert region_box(_points("mouth", (10.4, 20.6), (60.6, 40.4)), "mouth", 100, 200).tolist() == [10, 21, 61, 40]
    assert region_box(_points("mouth", (-7.0, -3.0), (260.0, 40.0)), "mouth", 100, 200).tolist() == [0, 0, 200, 40]


@pytest.mark.parametrize("corners", [((5, 7), (5, 60)), ((5, 7), (60, 7)), ((5, -9), (60, -2)), ((210, 5), (230, 60))])
def test_an_empty_box_is_the_whole_frame(corners):
    assert region_box(_points("mouth", *corners), "mouth", 100, 200).tolist() == [0, 0, 200, 100]


@pytest.fixture
def scripted(monkeypatch):
    """Return a function: let the detector give these landmarks, one after the other; None: no face."""

    def script(given):
        left = iter(given)

        def found(frame):
            landmarks = next(left)
            if landmarks is None:
                raise FaceNotFound("none")
            return landmarks

        monkeypatch.setattr(regions, "detect_landmarks", found)

    return script


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_frames_without_a_face(scripted, channels):
    """The whole frame before there is any, then the box, not the picture, of the frame before."""
    frames = np.random.default_rng(0).integers(0, 256, (5, 40, 50, *channels), dtype=np.uint8)
    one, two = _points("eyes", (4, 6), (34, 30)), _points("eyes", (10, 11), (40, 33))
    scripted([None, one, None, two, None])
    crops, boxes, found = crop_region(frames, "eyes", 16)
    assert boxes.tolist() == [[0, 0, 50, 40], [4, 6, 34, 30], [4, 6, 34, 30], [10, 11, 40, 33], [10, 11, 40, 33]]
    assert found.tolist() == [False, True, False, True, False]
    assert crops.shape == (5, 16, 16, *channels) and crops.dtype == np.uint8
    for crop, frame, (left, top, right, bottom) in zip(crops, frames, boxes, strict=True):
        wanted = cv2.resize(frame[top:bottom, left:right], (16, 16), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(crop, wanted.reshape(crop.shape))


# the stage


def test_the_record_says_what_was_done_and_that_it_is_an_oracle(indexed, tmp_path):  # noqa: F811
    root, index = indexed("casme2")
    shard = _crop(root, index, [1, 17], tmp_path / "s", choose="uniform", options={"count": 4}, **UNITS)
    assert shard.meta["oracle"] is True and shard.meta["recipe"]["crop"]["region"] == "action-units"
    frame = read_index(index)
    frame = frame[frame["subject"].isin([1, 17])]
    assert set(shard) == {str(clip_id) for clip_id in clip_ids(frame)}
    for (_, row), clip_id in zip(frame.iterrows(), clip_ids(frame), strict=True):
        record, crops = shard.meta["clips"][str(clip_id)], shard[str(clip_id)]
        assert record["units"] == sorted(action_units(row.aus)) and record["region"] == region_of(record["units"])
        assert record["detector"] == "mesh" and record["faceless"] == [] and "matrix" not in record
        assert crops.shape == (4, 64, 64, 3)
        for number, box, crop in zip(record["frames"], record["boxes"], crops, strict=True):
            image = read_frame(root / row.frames_dir / f"img{number}.jpg")
            left, top, right, bottom = region_box(detect_landmarks(image), record["region"], *image.shape[:2])
            assert box == [left, top, right, bottom]
            wanted = cv2.resize(image[top:bottom, left:right], (64, 64), interpolation=cv2.INTER_AREA)
            np.testing.assert_array_equal(crop, wanted)


def test_a_face_is_no_oracle(indexed, tmp_path):  # noqa: F811
    root, index = indexed("casme2")
    assert _crop(root, index, 17, tmp_path / "s", choose="key-frames").meta["oracle"] is False


@pytest.mark.parametrize(
    ("choose", "options"),
    [
        ("most-moving", {"count": 5}),
        ("most-moving", {"count": 60}),
        ("uniform", {"count": 60}),
        ("near-keys", {"after_onset": 1.0, "before_apex": 1.0}),
        ("all", {}),
    ],
)
def test_both_crops_of_a_clip_hold_the_same_frames(indexed, tmp_path, choose, options):  # noqa: F811
    root, index = indexed("samm")
    face = _crop(root, index, 11, tmp_path / "face", choose=choose, options=options)
    region = _crop(root, index, 11, tmp_path / "region", choose=choose, options=options, **UNITS)
    assert set(face) == set(region) and face.meta["axes"] == region.meta["axes"]
    for name, record in region.meta["clips"].items():
        known = face.meta["clips"][name]
        assert record["frames"] == known["frames"] and record.get("lengths") == known.get("lengths")
        assert region[name].shape == face[name].shape
        assert np.shape(record["boxes"]) == (*np.shape(record["frames"]), 4)


def test_a_face_is_looked_for_in_the_chosen_frames_only_and_once_in_each(indexed, tmp_path, monkeypatch):  # noqa: F811
    root, index = indexed("casme2")
    seen = []
    monkeypatch.setattr(regions, "detect_landmarks", lambda frame: seen.append(1) or detect_landmarks(frame))
    for choose, options in (("uniform", {"count": 40}), ("most-moving", {"count": 3})):
        seen.clear()
        shard = _crop(root, index, 17, tmp_path / choose, choose=choose, options=options, **UNITS)
        assert len(seen) == sum(len(set(record["frames"])) for record in shard.meta["clips"].values())


def test_frames_without_a_face_are_named(indexed, tmp_path, caplog):  # noqa: F811
    root, index = indexed("casme2")
    row = _row(index, 17)
    path = root / row.frames_dir / f"img{row.apex}.jpg"
    cv2.imwrite(str(path), np.full_like(cv2.imread(str(path)), 128))
    shard = _crop(root, index, 17, tmp_path / "s", choose="key-frames", **UNITS)
    record = next(r for name, r in shard.meta["clips"].items() if row["clip"] in name)
    assert record["faceless"] == [row.apex] and record["boxes"][0] == record["boxes"][1]
    assert f"no face in 1 of 2 frames of clip 17/{row['clip']}" in caplog.text


def test_frames_that_are_faces_already(indexed, tmp_path):  # noqa: F811
    root, index = indexed("mmew")
    shard = _crop(root, index, 2, tmp_path / "s", cropped=True, choose="most-moving", options={"count": 4}, **UNITS)
    for name, record in shard.meta["clips"].items():
        assert record["faceless"] == [] and shard[name].shape == (4, 64, 64, 3)


def test_a_release_without_units_gives_faces(indexed, tmp_path):  # noqa: F811
    root, index = indexed("smic-hs")
    shard = _crop(root, index, 3, tmp_path / "s", choose="first", options={"count": 2}, **UNITS)
    assert {record["region"] for record in shard.meta["clips"].values()} == {"face"}


def test_a_pack_of_regions(indexed, tmp_path):  # noqa: F811
    root, index = indexed("samm")
    shard = _crop(root, index, [6, 11], tmp_path / "s", choose="uniform", options={"count": 3}, **UNITS)
    pack(shards=[str(shard.path)], recipe={}, axes=["frame", "colour", "y", "x"], output=tmp_path / "pack")
    assert read_pack(tmp_path / "pack").x.shape == (len(shard), 3, 3, 64, 64)


# the recipes


def _recipes(**changes):
    """The crop and frames of a study, and what a test adds to them."""
    crops = {"face": {"size": 32}, "regions": {"size": 32, "region": "action-units"}}
    frames = {"keys": {"crop": "regions", "choose": "key-frames"}, "faces": {"crop": "face", "choose": "key-frames"}}
    return Recipes.model_validate({"crops": crops, "frames": frames} | changes)


def test_a_recipe_is_an_oracle_if_what_it_is_made_of_is():
    recipes = _recipes(
        magnification={"same": {"of": "keys", "arm": "none"}, "evm": {"of": "faces", "arm": "evm", "factors": [2]}},
        flow={"flow": {"of": "evm"}},
        features={"rows": {"of": "same", "extractor": "resnet"}},
    )
    check_recipes(recipes)
    assert {name for name in recipes.names() if recipes.is_oracle(name)} == {"keys", "same", "rows"}


def test_the_oracles_that_are_shipped():
    recipes = validate(Recipes, yaml.safe_load((ROOT / "config/recipes.yaml").read_text()), Path("recipes.yaml"))
    check_recipes(recipes)
    named = {name for name in recipes.names() if name.startswith("regions")}
    assert named == {name for name in recipes.names() if recipes.is_oracle(name)}
    assert named == {"regions-10", "regions-uniform-30", "regions-moving-30", "regions-moving-8", "regions-quick"}
    assert recipes.size("regions-moving-30") == 128 and recipes.size("regions-quick") == 24


def test_the_field_says_that_it_is_an_oracle():
    assert "ORACLE" in descriptions(CropRecipe)["region"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"frames": {"tim": {"crop": "regions", "choose": "tim"}}},
            "field 'frames.tim.choose': 'tim' makes frames that the clip does not have, but 'regions' needs a face in "
            "each; choose all, key-frames, near-keys, first, uniform, most-moving",
        ),
        (
            {"flow": {"flow": {"of": "keys"}}},
            "field 'flow.flow.of': 'keys' is cropped by 'regions', by a box of its own in each frame",
        ),
        (
            {"frames": {"some": {"crop": "regions", "choose": "uniform"}}, "flow": {"flow": {"of": "some"}}},
            "field 'flow.flow.of': 'some' is cropped by 'regions', by a box of its own in each frame",
        ),
        (
            {"magnification": {"evm": {"of": "keys", "arm": "evm", "factors": [2]}}},
            "field 'magnification.evm.of': 'keys' is cropped by 'regions', by a box of its own in each frame",
        ),
    ],
)
def test_what_cannot_be_made_of_regions(changes, message):
    with pytest.raises(InputError, match=re.escape(f"config/recipes.yaml: {message}")):
        check_recipes(_recipes(**changes))


@pytest.mark.parametrize(("name", "value"), [("detector", "haar"), ("margin", 0.1), ("interpolation", "bilinear")])
def test_a_region_leaves_no_choice(name, value):
    with pytest.raises(InputError, match=f"field '{name}': goes with region: face"):
        validate(CropRecipe, {"size": 32, **UNITS, name: value}, Path("config/recipes.yaml"))
    validate(CropRecipe, {"size": 32, name: value}, Path("config/recipes.yaml"))


def test_an_unknown_region():
    with pytest.raises(InputError, match=r"field 'region': Input should be 'face', 'action-units' or 'puzzle'"):
        validate(CropRecipe, {"size": 32, "region": "mouth"}, Path("config/recipes.yaml"))


def test_a_sheet_of_crops_shows_faces(monkeypatch):
    study = Study(yaml.safe_load((ROOT / "config/config.yaml").read_text()), ROOT)
    monkeypatch.setattr(study, "recipes_in_use", lambda: ["mmnet-32", "regions-uniform-30", "puzzle-192"])
    assert all("/mmnet-32/" in path for path in study.onset_frames("samm"))
    monkeypatch.setattr(study, "recipes_in_use", lambda: ["regions-uniform-30"])
    assert study.onset_frames("samm") == []
