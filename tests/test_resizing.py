"""Crops and whole frames by the ways of resampling that released codes have, against the libraries themselves."""

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from apexbench.frames.alignment import INTERPOLATIONS, alignment, canonical_anchors, crop, resize

FRAME = skimage.data.astronaut()[:400, :320]
NOISE = np.random.default_rng(0).integers(0, 256, (3, 90, 70, 3), dtype=np.uint8)


def _scaling(width, height, size):
    """The matrix (2, 3) of a resize, pixel centres at whole numbers."""
    x, y = size / width, size / height
    return np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5]])


def _by_pillow(frame, size):
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("size", [28, 64, 70, 224])
def test_whole_frames_are_what_the_libraries_make(size):
    area = cv2.INTER_AREA if size <= 70 else cv2.INTER_CUBIC
    for frame, cubic, linear, pillow in zip(
        NOISE, *(resize(NOISE, size, name) for name in INTERPOLATIONS), strict=True
    ):
        np.testing.assert_array_equal(cubic, cv2.resize(frame, (size, size), interpolation=area))
        np.testing.assert_array_equal(linear, cv2.resize(frame, (size, size)))
        np.testing.assert_array_equal(pillow, _by_pillow(frame, size))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", [40, 120])
def test_gray_is_colour_three_times(interpolation, size):
    gray = NOISE[..., :1]
    matrix = np.array([[size / 100, 0.1, 2], [-0.1, size / 100, 3]])
    for change in (lambda x: resize(x, size, interpolation), lambda x: crop(x, matrix, size, interpolation)):
        found = change(gray)
        assert found.shape == (3, size, size, 1) and found.dtype == np.uint8
        np.testing.assert_array_equal(change(gray[..., 0]), found[..., 0])
        colour = change(np.repeat(gray, 3, -1)).astype(int)
        assert np.abs(colour - found).max() <= 1  # OpenCV's bicubic resize of colour rounds differently here and there


def test_crop_is_cubic_unless_told_otherwise():
    matrix = np.array([[0.7, 0.1, 2], [-0.1, 0.7, 3]])
    np.testing.assert_array_equal(crop(NOISE, matrix, 40), crop(NOISE, matrix, 40, "cubic"))
    warped = cv2.warpAffine(NOISE[0], matrix, (40, 40), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    np.testing.assert_array_equal(crop(NOISE, matrix, 40, "bilinear")[0], warped)


@pytest.mark.parametrize("shrink", [2, 4, 5])
def test_pillow_crop_by_a_whole_factor_is_its_resize(shrink):
    square = FRAME[None, :320]
    size = 320 // shrink
    found = crop(square, _scaling(320, 320, size), size, "pil-bilinear")
    np.testing.assert_array_equal(found[0], _by_pillow(square[0], size))


@pytest.mark.parametrize("size", [150, 200, 310, 500])
def test_pillow_crop_by_any_factor_is_near_its_resize(size):
    square = FRAME[None, :320]
    found = crop(square, _scaling(320, 320, size), size, "pil-bilinear")[0].astype(int)
    away = np.abs(found - _by_pillow(square[0], size))[2:-2, 2:-2]
    assert away.mean() < (2 if size < 320 else 0.5)


@pytest.mark.parametrize("size", [64, 200, 500])
def test_bilinear_crop_is_near_opencvs_resize(size):
    square = FRAME[None, :320]
    found = crop(square, _scaling(320, 320, size), size, "bilinear")[0].astype(int)
    assert np.abs(found - cv2.resize(square[0], (size, size)))[1:-1, 1:-1].mean() < 1


def test_only_pillow_and_strong_shrinking_average():
    checks = (np.indices((300, 300)).sum(0) % 2 * 255).astype(np.uint8)[None]

    def spread(scale, interpolation):
        matrix = np.array([[scale, 0, 0.3], [0, scale, 0.2]])
        return crop(checks, matrix, 80, interpolation)[0, 2:-2, 2:-2].std()

    assert spread(0.3, "pil-bilinear") < 12 and spread(0.3, "cubic") < 20
    assert spread(0.3, "bilinear") > 30
    assert spread(0.6, "pil-bilinear") < 0.7 * spread(0.6, "cubic")


def test_a_margin_passes_through_the_matrix():
    anchors = canonical_anchors(300) + np.array([7, 11])
    plain, wide = (crop(FRAME[None], alignment(anchors, 100, margin), 100, "pil-bilinear") for margin in (0, 0.2))
    inner = cv2.resize(wide[0, 20:80, 20:80], (100, 100))
    assert np.abs(inner.astype(int) - plain[0]).mean() < 8 and (wide != plain).any()


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_identity_cuts_the_corner_and_the_border_is_repeated(interpolation):
    np.testing.assert_array_equal(crop(NOISE, np.eye(2, 3), 64, interpolation), NOISE[:, :64, :64])
    shifted = np.array([[0.5, 0, 20], [0, 0.5, 20]])
    assert (crop(np.full((1, 30, 30), 77, np.uint8), shifted, 60, interpolation) == 77).all()


@pytest.mark.parametrize("change", [lambda x, name: resize(x, 8, name), lambda x, name: crop(x, np.eye(2, 3), 8, name)])
def test_what_cannot_be_is_refused(change):
    with pytest.raises(ValueError, match="did you mean 'pil-bilinear'"):
        change(NOISE, "pil-bilinea")
    with pytest.raises(ValueError, match="uint8"):
        change(NOISE / 255, "cubic")
