"""LBP-SIP against LBP-TOP with four points and scikit-image, of both of which it is a part."""

import cv2
import numpy as np
import pytest
from skimage.feature import local_binary_pattern

from apexbench.errors import InputError
from apexbench.features import create
from apexbench.features.lbp_sip import sip_codes
from apexbench.features.lbp_top import top_codes

VOLUME = np.random.default_rng(0).integers(0, 9, (9, 21, 26), dtype=np.uint8)  # many neighbours are equal
CLIP = np.random.default_rng(1).integers(0, 256, (10, 40, 44, 3), dtype=np.uint8)


@pytest.mark.parametrize("radii", [(1, 1, 1), (1, 2, 3), (3, 3, 3)])
def test_codes_are_those_of_lbp_top_with_four_points(radii):
    spatial, temporal = sip_codes(VOLUME, radii)
    xy, xt, yt = top_codes(VOLUME, 4, radii)
    np.testing.assert_array_equal(spatial, xy)
    for plane in (xt, yt):  # its bits 1 and 3 are before and after
        np.testing.assert_array_equal(temporal, (plane >> 1 & 1) | (plane >> 3 & 1) << 1)


@pytest.mark.filterwarnings("ignore:Applying `local_binary_pattern`")
def test_spatial_codes_are_those_of_scikit_image():
    theirs = [local_binary_pattern(frame, 4, 2, "default")[2:-2, 2:-2] for frame in VOLUME[1:-1]]
    np.testing.assert_array_equal(sip_codes(VOLUME, (2, 2, 1))[0], theirs)


def test_strict_codes_leave_equal_neighbours_out():
    """By the definition: no bit more than without, and the bits that differ are those of equal neighbours."""
    spatial, temporal = sip_codes(VOLUME)
    above, later = sip_codes(VOLUME, strict=True)
    centre = VOLUME[1:-1, 1:-1, 1:-1]
    equal = [VOLUME[1:-1, 1:-1, 2:], VOLUME[1:-1, :-2, 1:-1], VOLUME[1:-1, 1:-1, :-2], VOLUME[1:-1, 2:, 1:-1]]
    np.testing.assert_array_equal(spatial - above, sum((x == centre) << bit for bit, x in enumerate(equal)))
    np.testing.assert_array_equal(
        temporal - later, sum((x[:, 1:-1, 1:-1] == centre) << bit for bit, x in enumerate((VOLUME[:-2], VOLUME[2:])))
    )


def test_histograms_are_those_of_their_blocks():
    row = create("lbp-sip", {"blocks": (2, 3, 1), "normalise": False})(VOLUME[..., None]).reshape(2, 3, 20)
    codes = sip_codes(VOLUME)
    for y, rows in enumerate((slice(0, 9), slice(9, 19))):
        for x, columns in enumerate((slice(0, 8), slice(8, 16), slice(16, 24))):
            both = [np.bincount(c[:, rows, columns].ravel(), minlength=n) for c, n in zip(codes, (16, 4), strict=True)]
            np.testing.assert_array_equal(row[y, x], np.concatenate(both))
    joint = create("lbp-sip", {"blocks": (1, 1, 1), "joint": True, "normalise": False})(VOLUME[..., None])
    np.testing.assert_array_equal(joint.reshape(4, 16).sum(0), row.sum((0, 1))[:16])
    np.testing.assert_array_equal(joint.reshape(4, 16).sum(1), row.sum((0, 1))[16:])


def test_sizes_and_sums():
    row = create("lbp-sip")(CLIP)
    assert row.shape == (500,) and row.dtype == np.float32
    parts = row.reshape(25, 20)
    np.testing.assert_allclose([parts[:, :16].sum(1), parts[:, 16:].sum(1)], 1, atol=1e-6)
    assert create("lbp-sip", {"joint": True})(CLIP).shape == (1600,)
    assert create("lbp-sip", {"radii": (3, 3, 3), "strict": True})(CLIP).shape == (500,)


def test_levels_are_blurred_and_halved():
    both = create("lbp-sip", {"levels": 2})(CLIP)
    np.testing.assert_array_equal(both[:500], create("lbp-sip")(CLIP))
    gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in CLIP])
    half = np.stack([cv2.pyrDown(frame) for frame in gray])[..., None]
    assert half.shape == (10, 20, 22, 1)
    np.testing.assert_array_equal(both[500:], create("lbp-sip")(half))


def test_what_cannot_be():
    with pytest.raises(ValueError, match="5 blocks in 3 voxels: take fewer blocks"):
        create("lbp-sip", {"levels": 4})(CLIP)
    with pytest.raises(ValueError, match=r"radii \(x, y, t\) \(1, 1, 5\) need more than 10 frames"):
        create("lbp-sip", {"radii": (1, 1, 5)})(CLIP)
    with pytest.raises(ValueError, match="uint8"):
        create("lbp-sip")(CLIP / 255)
    with pytest.raises(InputError, match="recipe: unknown option 'radius'; did you mean 'radii'"):
        create("lbp-sip", {"radius": 3}, where="recipe")
