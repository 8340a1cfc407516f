"""The stages against the rendered truth: where the face is, how it moves, and what magnification makes of it."""

import cv2
import numpy as np
import pytest

from apexbench.clips import write_index
from apexbench.datasets import load_index
from apexbench.frames import anchor_points, magnify
from apexbench.frames.magnifying import create
from apexbench.motion import FLOWS
from apexbench.stages.faces import find_faces
from apexbench.stages.flow import gray
from apexbench.stages.frames import crop_frames
from apexbench.stages.shards import onset_and_apex
from apexbench.store.tensors import read_tensors

SIZE = 192
MARGIN = 8  # px at the border of the crop, where flow looks outside


def true_flow(truth, matrix, shape):
    """The true flow of the frame, carried into the crop: positions by the similarity, vectors by its linear part."""
    turned = truth.astype(np.float64) @ matrix[:, :2].T
    return cv2.warpAffine(turned.astype(np.float32), matrix, shape, flags=cv2.INTER_LINEAR)


@pytest.fixture(scope="module")
def crops(rendered, tmp_path_factory):
    """For every clip of MMEW (colour) and SAMM (gray, sheet apex): onset, apex (gray crops), true flow, anchors."""
    folder = tmp_path_factory.mktemp("truth")
    found = []
    for dataset in ("mmew", "samm"):
        root, truth = rendered[dataset]
        index = load_index(dataset, root)
        write_index(index, folder / f"{dataset}.csv")
        path = folder / f"{dataset}.safetensors"
        faces = str(folder / f"{dataset}-faces.csv")
        where = {"index": str(folder / f"{dataset}.csv"), "clips": str(root), "subjects": sorted(set(index["subject"]))}
        find_faces(**where, detector="mesh", missing_face="fail", output=faces)
        recipe = {"crop": {"size": SIZE}, "choose": "key-frames", "options": {}}
        crop_frames(**where, faces=faces, recipe=recipe, output=str(path))
        shard = read_tensors(path)
        for name, record in shard.meta["clips"].items():
            key = "/".join(name.split("/")[1:3])
            matrix = np.array(record["matrix"])
            onset, apex = (gray(frame) for frame in onset_and_apex(shard, name))
            flow = true_flow(truth[f"{key}/flow"], matrix, (SIZE, SIZE))
            anchors = anchor_points(truth[f"{key}/landmarks"]) @ matrix[:, :2].T + matrix[:, 2]
            found.append((onset, apex, flow, anchors))
    return found


def inner(field):
    return field[MARGIN:-MARGIN, MARGIN:-MARGIN]


def gain(flow, truth):
    """Measured over true motion, projected on the truth, where the face moves at least half as much as at its peak."""
    flow, truth = inner(flow), inner(truth)
    size = np.hypot(*np.moveaxis(truth, -1, 0))
    moving = size > size.max() / 2
    return float((flow[moving] * truth[moving]).sum() / (truth[moving] ** 2).sum())


def test_eyes_and_mouth_of_all_clips_stand_at_the_same_places(crops):
    anchors = np.array([item[3] for item in crops])
    apart = np.linalg.norm(anchors - anchors.mean(axis=0), axis=-1)
    eyes = np.linalg.norm(anchors[:, 0] - anchors[:, 1], axis=-1).mean()
    assert apart[:, :2].max() < 0.06 * eyes, "eyes"
    assert apart[:, 2].max() < 0.15 * eyes, "the mouth: faces differ in length"


@pytest.mark.parametrize("algorithm", ["tvl1", "farneback"])
def test_flow_is_near_the_truth(crops, algorithm):
    errors, still = [], []
    for onset, apex, truth, _ in crops:
        flow = FLOWS[algorithm](onset, apex)
        size = np.hypot(*np.moveaxis(inner(truth), -1, 0))
        moving = size > size.max() / 2
        error = np.linalg.norm(inner(flow) - inner(truth), axis=-1)
        errors.append(error[moving].mean())
        still.append(size[moving].mean())
    assert np.median(np.array(errors) / still) < 0.4, "of the motion itself"
    assert np.mean(errors) < 0.25, "px"


def test_tvl1_is_as_near_the_truth_as_opencv(crops):
    ours, theirs = (
        np.mean(
            [
                np.linalg.norm(inner(FLOWS["tvl1"](onset, apex, backend=backend)) - inner(truth), axis=-1).mean()
                for onset, apex, truth, _ in crops[:4]
            ]
        )
        for backend in ("numba", "opencv")
    )
    assert ours <= 1.02 * theirs


@pytest.mark.parametrize(
    ("arm", "options", "least", "most"),  # times the motion that is measured without magnification
    [
        ("evm", {}, 1.3, 2.0),
        ("phase", {}, 2.2, 3.2),
        ("flow-warp", {"flow": "tvl1"}, 2.2, 3.2),
        ("flow-warp", {"flow": "farneback"}, 2.6, 3.3),
        ("magnet", {}, 2.6, 3.3),
    ],
)
def test_magnification_enlarges_the_true_motion(crops, arm, options, least, most):
    arm, some = create(arm, options), crops[::3]
    plain = np.median([gain(FLOWS["farneback"](onset, apex), truth) for onset, apex, truth, _ in some])
    larger = np.median(
        [gain(FLOWS["farneback"](onset, magnify(onset, apex, arm, 3)), truth) for onset, apex, truth, _ in some]
    )
    assert 0.5 < plain < 1.2
    assert least < larger / plain < most
