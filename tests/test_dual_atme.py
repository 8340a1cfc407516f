"""Dual-ATME: the released network's size and parts, its losses, and the picture of brows above mouth."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from random_clips import clips, small
from test_faces import PORTRAITS
from test_input_stages import _crop, _row, indexed  # noqa: F401  (a fixture)

from apexbench.clips import read_index
from apexbench.config.methods import MethodCard
from apexbench.config.model import read_yaml
from apexbench.config.recipes import CropRecipe
from apexbench.errors import InputError
from apexbench.frames.detection import FaceNotFound, anchor_points, detect_landmarks
from apexbench.frames.pictures import read_frame
from apexbench.frames.puzzle import BROWS, LIPS, puzzle, puzzle_boxes
from apexbench.methods import create
from apexbench.methods.deep import Clips
from apexbench.oracles import reads_action_units
from apexbench.stages import frames as stage

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.usefixtures("one_thread")


def count(module):
    return sum(p.numel() for p in module.parameters())


# the network


def test_it_has_the_size_of_the_released_network():
    with torch.device("meta"):
        model = create("dual-atme", 3).build()
        x = torch.zeros(2, 3, 28, 28)
        assert model.whole(x).shape == model.puzzle(x).shape == (2, 48, 7, 7)  # 2352 numbers each
        assert model(x, x).scores.shape == (2, 3)
    assert (count(model), count(model.head), count(model.attention)) == (4_833_193, 4_823_043, 358)


def test_the_puzzle_s_attention_can_be_left_out():
    outputs = []
    for puzzle_attention in (True, False):
        torch.manual_seed(0)
        model = small("dual-atme", puzzle_attention=puzzle_attention).build().eval()
        with torch.inference_mode():
            x = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
            outputs.append(model(x, x.flip(0)).likeness)
    assert not torch.allclose(*outputs)


# training


def test_branches_that_are_equal_cost_nothing_and_easy_clips_little():
    method, scores = create("dual-atme", 3), torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.5, 0.0]])
    probability = scores.softmax(1)[[0, 1], [0, 1]]
    focal = (-((1 - probability) ** 2) * probability.log()).mean()
    model = small("dual-atme").build()
    output = model(torch.randn(2, 3, 28, 28), torch.randn(2, 3, 28, 28))._replace(scores=scores)
    for targets in (torch.tensor([0, 1]), torch.eye(3)[:2]):
        assert method.score_loss(scores, targets).item() == pytest.approx(focal.item(), rel=1e-5)
        for likeness, cost in ((1.0, 0), (0.0, 0.01), (-1.0, 0.02)):
            loss = method.loss(output._replace(likeness=torch.full((2,), likeness)), targets)
            assert (loss - focal).item() == pytest.approx(cost, abs=1e-6)


def test_a_single_clip_joins_the_batch_before():
    method = small("dual-atme")
    sizes = [[len(x) for x in method.batches(np.zeros(n), torch.Generator())] for n in (9, 10, 8, 3)]
    assert sizes == [[4, 5], [4, 4, 2], [4, 4], [3]]


def test_maps_are_stretched_one_by_one():
    method, inputs = small("dual-atme"), clips("dual-atme", 3)
    inputs["puzzle"][1, 2] = 4
    batch = Clips(method, inputs).batch(np.arange(3), np.random.default_rng(0))
    x = inputs["whole"].astype(np.float32)
    low, high = x.min((2, 3), keepdims=True), x.max((2, 3), keepdims=True)
    np.testing.assert_allclose(batch["whole"], 2 * (x - low) / (high - low) - 1, atol=1e-5)
    assert (batch["puzzle"][1, 2] == -1).all() and batch["puzzle"].amax() == 1


def test_maps_of_another_size_are_refused():
    maps = {"whole": np.zeros((2, 3, 28, 28)), "puzzle": np.zeros((2, 3, 32, 32))}
    with pytest.raises(ValueError, match=r"reads puzzle \(N, 3, 28, 28\); the pack holds \(2, 3, 32, 32\)"):
        create("dual-atme", 3).tensors(maps)


def test_the_card_has_the_published_values():
    card = MethodCard(**read_yaml(ROOT / "config/methods/dual-atme.yaml"))
    assert create("dual-atme", 3, **card.values("paper", "megc2019", 3)).params == create("dual-atme", 3).params


# the puzzle


@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_boxes_hold_brows_and_mouth_and_no_more_than_a_margin(name):
    image = PORTRAITS[name]
    landmarks = detect_landmarks(image)
    eyes = anchor_points(landmarks)[:2]
    margin = 0.25 * np.linalg.norm(eyes[0] - eyes[1])
    for box, part in zip(puzzle_boxes(landmarks, *image.shape[:2]), (BROWS, LIPS), strict=True):
        points = landmarks[list(part)]
        np.testing.assert_allclose(box, [*points.min(0) - margin, *points.max(0) + margin], atol=1)
    brows, mouth = puzzle_boxes(landmarks, *image.shape[:2])
    assert brows[3] < mouth[1] and brows[2] - brows[0] > mouth[2] - mouth[0]


def test_boxes_are_cut_at_the_edge_of_the_frame():
    landmarks = np.random.default_rng(0).uniform(-30, 60, (468, 2)).astype(np.float32)
    for left, top, right, bottom in puzzle_boxes(landmarks, 20, 25):
        assert 0 <= left < right <= 25 and 0 <= top < bottom <= 20
    assert (puzzle_boxes(landmarks + 500, 20, 25) == [24, 19, 25, 20]).all()


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
@pytest.mark.parametrize("size", [16, 64])
def test_each_strip_is_a_box_on_the_whole_width(channels, size):
    frames = np.random.default_rng(0).integers(0, 256, (2, 60, 70, *channels), dtype=np.uint8)
    boxes = np.array([[5, 3, 35, 15], [10, 30, 40, 44]])
    out = puzzle(frames, boxes, size)
    assert out.shape == (2, size, size, *channels)
    way = cv2.INTER_AREA if size == 16 else cv2.INTER_CUBIC
    for place, (left, top, right, bottom) in enumerate(boxes):
        wanted = cv2.resize(frames[1, top:bottom, left:right], (size, size // 2), interpolation=way)
        found = out[1, place * size // 2 : (place + 1) * size // 2]
        np.testing.assert_array_equal(found, wanted.reshape(found.shape))


def test_the_stage_cuts_all_frames_by_the_box_of_the_onset(indexed, tmp_path):  # noqa: F811
    root, index = indexed("casme2")
    shard = _crop(root, index, [1], tmp_path / "s", choose="key-frames", region="puzzle")
    frame = read_index(index)
    for row in frame[frame["subject"] == 1].to_dict("records"):
        name = next(name for name in shard if f"/{row['clip']}/" in name)
        record = shard.meta["clips"][name]
        onset = read_frame(root / row["frames_dir"] / f"img{row['onset']}.jpg")
        apex = read_frame(root / row["frames_dir"] / f"img{row['apex']}.jpg")
        boxes = puzzle_boxes(detect_landmarks(onset), *onset.shape[:2])
        assert record["boxes"] == boxes.tolist() and record["detector"] == "mesh" and not shard.meta["oracle"]
        np.testing.assert_array_equal(shard[name], puzzle(np.stack([onset, apex]), boxes, 64))


def test_a_face_that_the_mesh_does_not_see_is_told(indexed, tmp_path, monkeypatch):  # noqa: F811
    root, index = indexed("casme2")

    def none(image):
        raise FaceNotFound("no face")

    monkeypatch.setattr(stage, "detect_landmarks", none)
    with pytest.raises(InputError, match=r"img\d+\.jpg: no face; region: puzzle needs the mesh, so give the crop"):
        _crop(root, index, [_row(index, 1).subject], tmp_path / "s", choose="key-frames", region="puzzle")


def test_a_puzzle_leaves_no_choice_but_of_the_detector():
    assert not reads_action_units(CropRecipe(size=32, region="puzzle", detector="mesh-only"))
    for field, value in (("margin", 0.1), ("interpolation", "bilinear")):
        with pytest.raises(ValueError, match=f"field '{field}': goes with region: face; region: puzzle leaves no"):
            CropRecipe(size=32, region="puzzle", **{field: value})
