"""LBP-TOP against scikit-image, and what its histograms must have."""

from itertools import pairwise

import numpy as np
import pytest
from skimage.feature import local_binary_pattern

from apexbench.errors import InputError
from apexbench.features import create
from apexbench.features.lbp_top import LBPTOP, SETS, LBPTOPOptions, _spans, top_codes, uniform_bins

VOLUME = np.random.default_rng(0).integers(0, 256, (14, 31, 37), dtype=np.uint8)
CLIP = np.random.default_rng(1).integers(0, 256, (10, 60, 64, 3), dtype=np.uint8)


def _by_skimage(volume, points, radius, method="default"):
    """Codes of XY, XT and YT of the inner voxels, slice by slice; all radii alike."""
    inner = slice(radius, -radius)

    def plane(slices):
        return np.stack([local_binary_pattern(image, points, radius, method) for image in slices])

    xy = plane(volume)
    xt = plane(volume.transpose(1, 0, 2)).transpose(1, 0, 2)
    yt = plane(volume.transpose(2, 0, 1)).transpose(1, 2, 0)
    return tuple(codes[inner, inner, inner] for codes in (xy, xt, yt))


@pytest.mark.filterwarnings("ignore:Applying `local_binary_pattern`")
@pytest.mark.parametrize("points", [4, 8])
@pytest.mark.parametrize("radius", [1, 2, 3])
def test_codes_are_those_of_scikit_image(points, radius):
    for ours, theirs in zip(top_codes(VOLUME, points, (radius,) * 3), _by_skimage(VOLUME, points, radius), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_radii_differ_by_axis():
    """A neighbour of 4 points is a voxel: to the right, up, left, down, as far as the radius of the axis."""
    xy, xt, yt = top_codes(VOLUME, 4, (1, 2, 4))
    volume = VOLUME.astype(int)
    centre = volume[4:-4, 2:-2, 2:-2]
    right, left = volume[4:-4, 2:-2, 3:-1], volume[4:-4, 2:-2, 1:-3]
    up, down = volume[4:-4, :-4, 2:-2], volume[4:-4, 4:, 2:-2]
    before, after = volume[:-8, 2:-2, 2:-2], volume[8:, 2:-2, 2:-2]
    for codes, ring in (
        (xy, (right, up, left, down)),
        (xt, (right, before, left, after)),
        (yt, (down, before, up, after)),
    ):
        expected = sum((neighbour >= centre) << bit for bit, neighbour in enumerate(ring))
        np.testing.assert_array_equal(codes, expected)


@pytest.mark.filterwarnings("ignore:Applying `local_binary_pattern`")
def test_uniform_bins_are_those_of_scikit_image_in_another_order():
    theirs = _by_skimage(VOLUME, 8, 1, "nri_uniform")[0].astype(int)
    ours = uniform_bins()[top_codes(VOLUME, 8)[0]]
    pairs = set(zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True))
    assert len(pairs) == 59 == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    np.testing.assert_array_equal(uniform_bins()[[0, 1, 2, 3, 4, 5, 255]], [0, 1, 2, 3, 4, 58, 57])


@pytest.mark.parametrize("level", [0, 1, 77, 100, 255])
@pytest.mark.parametrize("points", [4, 8])
def test_a_constant_volume_has_all_bits_set(points, level):
    for codes in top_codes(np.full((9, 20, 22), level, np.uint8), points, (3, 2, 3)):
        assert (codes == 2**points - 1).all()


def test_a_still_clip_has_patterns_of_one_dimension_in_time():
    """Without change in t, a neighbour is only to the right, to the left, or the same."""
    still = np.broadcast_to(VOLUME[:1], VOLUME.shape)
    _, xt, yt = top_codes(still, 4, (2, 2, 3))
    image = VOLUME[0].astype(int)
    centre = image[2:-2, 2:-2]
    for codes, ring in ((xt, (image[2:-2, 4:], image[2:-2, :-4])), (yt, (image[4:, 2:-2], image[:-4, 2:-2]))):
        expected = (ring[0] >= centre) | 2 | (ring[1] >= centre) << 2 | 8
        np.testing.assert_array_equal(codes, np.broadcast_to(expected, codes.shape))


def test_sizes_of_the_sets():
    """Every set is what it is named for: none claims to be code whose blocks, bins or neighbours are others."""
    sizes = {"elbptop-casme2": 6144, "elbptop-samm": 2400, "casme2": 1200, "smic": 11328}
    assert {name: LBPTOP(options)(CLIP).size for name, options in SETS.items()} == sizes
    for options in SETS.values():
        row = LBPTOP(options)(CLIP)
        assert row.dtype == np.float32
        planes = row.reshape(-1, 16 if options.points == 4 else 59).sum(1)
        np.testing.assert_allclose(planes, 1, atol=1e-5)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.7])
@pytest.mark.parametrize("blocks", [(1, 1, 1), (3, 2, 2), (5, 4, 3)])
def test_histograms_are_those_of_their_blocks(blocks, overlap):
    options = LBPTOPOptions(points=8, radii=(1, 2, 1), blocks=blocks, overlap=overlap, bins="uniform", normalise=False)
    row = LBPTOP(options)(VOLUME[..., None])
    codes = top_codes(VOLUME, 8, (1, 2, 1))
    rows, columns, times = (
        _spans(length, count, overlap)
        for length, count in zip((*codes[0].shape[1:], codes[0].shape[0]), blocks, strict=True)
    )
    expected = [
        np.bincount(uniform_bins()[plane[t[0] : t[1], y[0] : y[1], x[0] : x[1]]].ravel(), minlength=59)
        for y in rows for x in columns for t in times for plane in codes
    ]  # fmt: skip
    np.testing.assert_array_equal(row, np.concatenate(expected))
    if not overlap:
        assert row.sum() == 3 * codes[0].size


def test_blocks_share_what_the_overlap_says_and_cover_all():
    spans = _spans(58, 8, 0.7)
    assert spans[0][0] == 0 and spans[-1][1] == 58
    assert all(0.6 < (a[1] - b[0]) / (a[1] - a[0]) < 0.8 for a, b in pairwise(spans))


def test_a_row_is_the_same_again_and_knows_no_other_clip():
    extractor = create("lbp-top", {"points": 8, "bins": "uniform"})
    first = extractor(CLIP)
    extractor(CLIP[::-1, 3:])
    np.testing.assert_array_equal(extractor(CLIP), first)
    np.testing.assert_array_equal(create("lbp-top", {"points": 8, "bins": "uniform"})(np.asfortranarray(CLIP)), first)


def test_gray_is_colour_three_times():
    gray = CLIP[..., :1]
    np.testing.assert_array_equal(create("lbp-top")(gray), create("lbp-top")(np.repeat(gray, 3, -1)))


def test_axes():
    extractor = create("lbp-top")
    assert extractor.axes(("frame", "y", "x", "colour")) == ("feature",)
    with pytest.raises(
        InputError, match=r"LBPTOP reads clips of axes \(frame, y, x, colour\), not \(key, y, x, colour"
    ):
        extractor.axes(("key", "y", "x", "colour"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 3}, "recipe.options: unknown option 'radius'; did you mean 'radii'"),
        ({"points": 6}, "recipe.options: option 'points': Input should be 4 or 8; found 6"),
        ({"points": 4, "bins": "uniform"}, "recipe.options: bins: uniform is for 8 points"),
        ({"radii": [1, 1, 0]}, r"recipe.options: option 'radii.2': .*greater than or equal to 1; found 0"),
        ({"blocks": [5, 5]}, "recipe.options: option 'blocks.2': Field required"),
        ({"overlap": 1.0}, "recipe.options: option 'overlap': Input should be less than or equal to 0.9"),
        ({"normalise": "often"}, "recipe.options: option 'normalise': Input should be a valid boolean"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        create("lbp-top", options, where="recipe.options")


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (
            CLIP[:8],
            r"radii \(x, y, t\) \(1, 1, 4\) need more than 8 frames of more than 2 px, the clip has 8 of 64 x 60",
        ),
        (CLIP[:, :6], "5 blocks in 4 voxels: take fewer blocks"),
        (CLIP[0], "uint8"),
        (CLIP / 255, "uint8"),
        (CLIP[..., :2], "uint8"),
    ],
)
def test_clips_that_cannot_be(clip, message):
    with pytest.raises(ValueError, match=message):
        create("lbp-top")(clip)
