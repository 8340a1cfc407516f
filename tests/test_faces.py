"""Detection and alignment on the two public-domain portraits."""

import importlib.util

import cv2
import matplotlib.cbook
import numpy as np
import pytest
import skimage.data

from apexbench.frames import detection
from apexbench.frames.alignment import alignment, canonical_anchors, crop
from apexbench.frames.detection import FaceNotFound, anchor_points, detect_landmarks, haar_landmarks


def _hopper():
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


PORTRAITS = {"astronaut": skimage.data.astronaut(), "hopper": _hopper()}


@pytest.fixture(params=PORTRAITS)
def portrait(request):
    return PORTRAITS[request.param]


def _error(found, expected):
    """Mean distance as a share of the distance between the outer eye corners."""
    return np.linalg.norm(found - expected, axis=1).mean() / np.linalg.norm(expected[33] - expected[263])


def test_landmarks_of_a_portrait(portrait):
    landmarks = detect_landmarks(portrait)
    assert landmarks.shape == (468, 2) and landmarks.dtype == np.float32
    right, left, mouth = anchor_points(landmarks)
    assert right[0] < mouth[0] < left[0] and mouth[1] > max(right[1], left[1])


def test_gray_and_colour_agree(portrait):
    gray = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)
    found = detect_landmarks(gray)
    assert _error(found, detect_landmarks(portrait)) < 0.02
    np.testing.assert_array_equal(found, detect_landmarks(gray[..., None]))


@pytest.mark.parametrize("degrees", [-25, 20])
def test_landmarks_turn_with_the_head(portrait, degrees):
    turn = cv2.getRotationMatrix2D((256, 220), degrees, 1)
    expected = detect_landmarks(portrait) @ turn[:, :2].T + turn[:, 2]
    turned = cv2.warpAffine(portrait, turn, portrait.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
    assert _error(detect_landmarks(turned), expected) < 0.03


def test_face_in_a_large_frame_and_face_that_fills_it(portrait):
    landmarks = detect_landmarks(portrait)
    scale = 400 / np.ptp(landmarks[:, 1])
    place = np.float32([[scale, 0, 1300], [0, scale, 560]])
    place[:, 2] -= scale * landmarks.mean(0)
    frame = cv2.warpAffine(portrait, place, (2040, 1088), flags=cv2.INTER_CUBIC, borderValue=(90, 90, 90))
    assert _error(detect_landmarks(frame), landmarks @ place[:, :2].T + place[:, 2]) < 0.02

    (left, top), (right, bottom) = landmarks.min(0).astype(int), landmarks.max(0).astype(int)
    tight = np.ascontiguousarray(portrait[top:bottom, left:right])
    assert _error(detect_landmarks(tight), landmarks - [left, top]) < 0.05


def test_a_small_face_is_found_in_tiles(portrait):
    landmarks = detect_landmarks(portrait)
    scale = 100 / np.ptp(landmarks[:, 1])
    place = np.float32([[scale, 0, 1500], [0, scale, 800]])
    place[:, 2] -= scale * landmarks.mean(0)
    frame = cv2.warpAffine(portrait, place, (1920, 1080), flags=cv2.INTER_AREA, borderValue=(120, 120, 120))
    assert _error(detect_landmarks(frame), landmarks @ place[:, :2].T + place[:, 2]) < 0.05


@pytest.mark.parametrize("find", [detect_landmarks, haar_landmarks])
def test_no_face(find):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    for image in (noise, np.full((240, 320), 128, np.uint8)):
        with pytest.raises(FaceNotFound):
            find(image)


def test_other_arrays_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        detect_landmarks(np.zeros((64, 64, 3), np.float32))


def test_missing_wheel_says_what_to_do(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    detection._net.cache_clear()
    with pytest.raises(RuntimeError, match="make setup"):
        detect_landmarks(PORTRAITS["hopper"])


def test_haar_anchors_are_near_those_of_the_mesh():
    anchors = anchor_points(detect_landmarks(PORTRAITS["hopper"]))
    found = haar_landmarks(PORTRAITS["hopper"])
    assert found.shape == (3, 2)
    assert np.linalg.norm(found - anchors, axis=1).max() < 0.15 * np.linalg.norm(anchors[1] - anchors[0])


def test_alignment_is_the_similarity_that_fits():
    expected = np.array([[0.8, -0.3, 12.0], [0.3, 0.8, -7.0]])
    target = canonical_anchors(128)
    anchors = (target - expected[:, 2]) @ np.linalg.inv(expected[:, :2]).T
    np.testing.assert_allclose(alignment(anchors, 128), expected, atol=1e-9)


def test_alignment_carries_a_face_to_its_place(portrait):
    landmarks = detect_landmarks(portrait)
    matrix = alignment(anchor_points(landmarks), 128)
    linear = matrix[:, :2]
    np.testing.assert_allclose(linear @ linear.T, np.eye(2) * np.linalg.det(linear), atol=1e-9)  # no shear
    placed = landmarks @ linear.T + matrix[:, 2]
    assert np.abs(anchor_points(placed) - canonical_anchors(128)).max() < 4
    brows_and_chin = placed[[70, 105, 107, 336, 334, 300, 152, 61, 291]]
    assert brows_and_chin.min() > 0 and brows_and_chin.max() < 128


def test_alignment_refuses_what_it_cannot_use():
    with pytest.raises(ValueError, match="coincide"):
        alignment(np.ones((3, 2)), 128)


def test_crop_with_the_identity_cuts_the_corner():
    frames = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    identity = np.eye(2, 3)
    np.testing.assert_array_equal(crop(frames, identity, 32), frames[:, :32, :32])
    np.testing.assert_array_equal(crop(frames[..., 0], identity, 32), frames[:, :32, :32, 0])
    np.testing.assert_array_equal(crop(frames[..., :1], identity, 32), frames[:, :32, :32, :1])


def test_crop_repeats_the_border():
    shifted = np.array([[1.0, 0, 20], [0, 1, 20]])
    assert (crop(np.full((1, 30, 30), 77, np.uint8), shifted, 60) == 77).all()


def test_crop_averages_where_it_shrinks():
    checks = np.indices((300, 300)).sum(0) % 2 * 255
    shrunk = crop(checks[None].astype(np.uint8), np.array([[0.3, 0, 0.3], [0, 0.3, 0.2]]), 80)
    assert np.abs(shrunk[0, 2:-2, 2:-2].astype(int) - 127).max() < 45  # point samples would be black or white


@pytest.mark.parametrize("scale", [0.31, 0.5, 0.8, 1.3])
def test_crop_places_pixels_where_the_matrix_says(scale):
    y, x = np.mgrid[:400, :400]
    matrix = np.array([[scale, 0.02, 3.3], [-0.02, scale, 5.1]])
    blob = 255 * np.exp(-((x - 150.4) ** 2 + (y - 120.7) ** 2) / 300)
    small = crop(blob[None].astype(np.uint8), matrix, 300)[0].astype(float)
    rows, columns = np.mgrid[:300, :300]
    centre = np.array([(columns * small).sum(), (rows * small).sum()]) / small.sum()
    np.testing.assert_allclose(centre, matrix[:, :2] @ [150.4, 120.7] + matrix[:, 2], atol=0.03)
