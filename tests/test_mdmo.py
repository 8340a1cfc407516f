"""MDMO against loops over regions and pairs, and what turning, mirroring and moving a face must do to its row."""

import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.draw import polygon

from apexbench.datasets.synthetic.portraits import portrait
from apexbench.errors import InputError
from apexbench.features import create
from apexbench.features.mdmo import DLIB_68, REGIONS, RIGID, head_motion, main_directions, pixels_inside, region_corners
from apexbench.frames.alignment import alignment
from apexbench.frames.detection import anchor_points

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import descriptor_loops

SIDE = 128
# of dlib's landmarks, which is which in a mirror: jaw, brows, nose, eyes, mouth
MIRRORED = np.array([
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
    41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
])  # fmt: skip
PAIRS = [(1, 6), (2, 5), (3, 4), (7, 14), (8, 13), (9, 12), (10, 11), (15, 20), (16, 19), (17, 18), (21, 22), (23, 24),
         (25, 28), (26, 27), (29, 30), (31, 32), (33, 36), (34, 35)]  # fmt: skip


def _mesh(of_68, height):
    """A mesh that has these landmarks (68, 2) px, and this height."""
    mesh = np.tile(of_68.mean(0), (468, 1))
    mesh[DLIB_68] = of_68
    mesh[10] = of_68.mean(0) * [1, 0] + [0, of_68[:, 1].max() - height]
    return mesh


def _face():
    """dlib's landmarks (68, 2) px of a face in a map of 128 px, not quite symmetric."""
    jaw = np.pi * np.arange(17) / 16
    half = {
        17: (-0.65, -0.2), 18: (-0.52, -0.3), 19: (-0.4, -0.32), 20: (-0.28, -0.3), 21: (-0.15, -0.25), 27: (0, -0.05),
        28: (0, 0.1), 29: (0, 0.25), 30: (0, 0.38), 31: (-0.15, 0.45), 32: (-0.08, 0.47), 33: (0, 0.48), 36: (-0.5, 0),
        37: (-0.42, -0.06), 38: (-0.3, -0.06), 39: (-0.2, 0), 40: (-0.3, 0.05), 41: (-0.42, 0.05), 48: (-0.28, 0.68),
        49: (-0.18, 0.62), 50: (-0.07, 0.6), 51: (0, 0.61), 57: (0, 0.81), 58: (-0.08, 0.8), 59: (-0.18, 0.76),
        60: (-0.22, 0.69), 61: (-0.07, 0.66), 62: (0, 0.66), 66: (0, 0.74), 67: (-0.07, 0.74),
    }  # fmt: skip
    points = np.zeros((68, 2))
    points[:17] = np.stack([-0.8 * np.cos(jaw), np.sin(jaw)], -1)
    for number, place in half.items():
        points[number] = place
        points[MIRRORED[number]] = np.multiply(place, (-1, 1))
    return points * [58, 75] + [63.1, 41.3] + 0.4 * np.random.default_rng(5).standard_normal((68, 2))


FACE = _mesh(_face(), 105.0)
CORNERS = region_corners(FACE)


def _waves(seed, pairs=3):
    """Flow that changes from place to place and from pair to pair, so that every region has its own."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[:SIDE, :SIDE]
    flow = np.zeros((pairs, SIDE, SIDE, 3), np.float32)
    for pair in flow:
        for part in (0, 1):
            a, b, c = rng.uniform(0.02, 0.08), rng.uniform(0.02, 0.08), rng.uniform(0, 6)
            pair[..., part] = np.sin(a * x + b * y + c)
    return flow


def _constant(*vectors):
    """Flow that is the same everywhere, of one pair for each vector."""
    flow = np.zeros((len(vectors), SIDE, SIDE, 3), np.float32)
    flow[..., :2] = np.array(vectors)[:, None, None]
    return flow


def _still_head(flow, **options):
    """Magnitudes and angles (36,) of a row, without taking the head's motion away."""
    row = create("mdmo", {"alpha": 0.5, "align": False, **options})(flow, FACE)
    return 2 * row[:36], 2 * row[36:]


def _same_angle(one, other, limit=1e-4):
    return (abs((one - other + np.pi) % (2 * np.pi) - np.pi) < limit).all()


# regions


def test_the_landmarks_that_regions_are_drawn_between():
    corners = " ".join(REGIONS).replace("^", "").replace("/", " ").split()
    wanted = {*range(7), 8, *range(10, 18), 19, 21, 22, 24, 26, 27, 28, 29, 33, 36, 38, 39, 41, 42, 43, 45, 46}
    assert {int(corner) for corner in corners} == wanted | set(range(55, 60)) and len(wanted) + 5 == 38
    assert len(REGIONS) == 36 and len(DLIB_68) == len(set(DLIB_68.tolist())) == 68 and DLIB_68.max() < 468
    assert DLIB_68[[0, 8, 16, 17, 26, 30, 36, 45, 48, 59]].tolist() == [162, 152, 389, 70, 300, 4, 33, 263, 61, 181]


def test_corners_are_landmarks_middles_and_lifted_ones():
    at = _face()
    lift = np.array([0, 0.06 * 105.0])
    np.testing.assert_allclose(CORNERS[0], [at[17], at[17] - lift, at[19] - lift, at[19]])
    np.testing.assert_allclose(CORNERS[2], [at[21], at[21] - lift, (at[21] + at[22]) / 2 - lift, at[27]])
    np.testing.assert_allclose(CORNERS[14], [at[3], at[2], (at[2] + at[41]) / 2, (at[3] + at[29]) / 2])
    np.testing.assert_allclose(CORNERS[35], [at[11], at[10], (at[10] + at[56]) / 2, (at[11] + at[55]) / 2])


@pytest.mark.parametrize("name", ["astronaut", "admiral"])
def test_no_region_of_a_portrait_is_empty_or_crosses_itself(name):
    points = portrait(name, False).landmarks
    matrix = alignment(anchor_points(points), SIDE)
    corners = region_corners(points @ matrix[:, :2].T + matrix[:, 2])
    region, y, x = pixels_inside(corners, SIDE, SIDE)
    sizes = np.bincount(region, minlength=36)
    assert sizes.min() > 60 and sizes.max() < 800 and x.min() >= 0 and x.max() < SIDE
    assert len(np.unique(y * SIDE + x)) > 0.95 * len(x), "regions share no more than borders"
    (x0, y0), (x1, y1) = (np.moveaxis(ends, -1, 0) for ends in (corners, np.roll(corners, -1, axis=1)))
    area = abs((x0 * y1 - x1 * y0).sum(1)) / 2
    np.testing.assert_allclose(area, sizes, rtol=0.15, atol=12)  # a polygon that crosses itself has less


@pytest.mark.parametrize("seed", range(3))
def test_pixels_are_those_of_scikit_image(seed):
    """Of any four corners, beyond the map and crossing edges too."""
    corners = np.random.default_rng(seed).uniform(-8, 40, (25, 4, 2))
    region, y, x = pixels_inside(corners, 30, 35)
    for number, points in enumerate(corners):
        theirs = polygon(*points.T[::-1], shape=(30, 35))
        ours = np.stack([y[region == number], x[region == number]])
        np.testing.assert_array_equal(ours[:, np.lexsort(ours[::-1])], np.stack(theirs)[:, np.lexsort(theirs[::-1])])


# directions


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rows_are_those_of_loops_over_regions_and_pairs(dtype):
    for flow in (_waves(1), np.random.default_rng(2).standard_normal((2, SIDE, SIDE, 3), np.float32)):
        row = create("mdmo")(flow.astype(dtype), FACE)
        assert row.shape == (72,) and row.dtype == np.float32 and row[:36].max() == 0.5
        np.testing.assert_allclose(row, descriptor_loops.mdmo(flow.astype(dtype), FACE), atol=1e-4)


def test_turning_all_flow_by_an_eighth_adds_to_the_angles():
    flow = _waves(3)
    turned = flow.copy()
    turned[..., 0], turned[..., 1] = (flow[..., 0] - flow[..., 1]) / 2**0.5, (flow[..., 0] + flow[..., 1]) / 2**0.5
    (size, angle), (same, more) = _still_head(flow), _still_head(turned)
    np.testing.assert_allclose(same, size, atol=1e-5)
    assert _same_angle(more, angle + np.pi / 4)


def test_a_mirrored_clip_exchanges_regions():
    flow, options = _waves(4), {"align": True}
    mirror = flow[:, :, ::-1] * np.float32([-1, 1, 1])
    mesh = FACE * [-1, 1] + [SIDE - 1, 0]
    mesh[DLIB_68] = mesh[DLIB_68[MIRRORED]]
    one, other = create("mdmo", options)(flow, FACE), create("mdmo", options)(mirror, mesh)
    partner = np.arange(36)
    for a, b in PAIRS:
        partner[[a - 1, b - 1]] = b - 1, a - 1
    np.testing.assert_allclose(other[:36], one[:36][partner], atol=1e-4)
    assert _same_angle(2 * other[36:], np.pi - 2 * one[36:][partner], 1e-3)


@pytest.mark.parametrize("about", [0, 90, 180, 270])
def test_vectors_are_averaged_not_angles(about):
    ways = [np.radians(about + step) for step in (-8, 8)]
    size, angle = _still_head(_constant(*[(np.cos(way), np.sin(way)) for way in ways]))
    np.testing.assert_allclose(size, 1, atol=1e-6)
    assert _same_angle(angle, np.radians(about))


def test_all_eight_directions_are_told_apart():
    """Of three pixels two go to one eighth and one to the next: the main direction is that of the two, as it is."""
    for eighth in range(8):
        for next_one in (eighth + 1, eighth - 1):
            way = np.radians(45 * np.array([eighth + 0.4, eighth - 0.4, next_one]))
            u, v = (np.tile(part, 36).astype(np.float32) for part in (np.cos(way), np.sin(way)))
            main = main_directions(u, v, np.repeat(np.arange(36), 3))
            expected = np.cos(np.radians(18)) * np.array([np.cos(np.pi * eighth / 4), np.sin(np.pi * eighth / 4)])
            np.testing.assert_allclose(main, np.tile(expected, (36, 1)), atol=1e-6)


def test_pixels_that_do_not_move_have_no_direction():
    u, v = np.float32([0, 0, 0, 0, -1]), np.float32([0, 0, 0, 0, 2])
    main = main_directions(u, v, np.array([0, 0, 0, 1, 1]))
    np.testing.assert_array_equal(main[:3], [[0, 0], [-1, 2], [0, 0]])


def test_weights_of_magnitudes_and_angles():
    flow = _waves(6)
    half = create("mdmo")(flow, FACE)
    row = create("mdmo", {"alpha": 0.9})(flow, FACE)
    np.testing.assert_allclose(row, half * np.repeat([1.8, 0.2], 36), rtol=1e-5)


# the head's motion


def test_the_heads_motion_is_taken_away():
    """The head turns, grows, leans and shifts after the brows have moved: what is left is how the brows moved."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    brows = np.exp(-(((x - 60) / 20) ** 2) - ((y - 22) / 8) ** 2)[..., None] * [0.5, -1.0]
    place = np.dstack([x, y]) + brows
    turn, shift = np.array([[1.02, 0.03], [-0.05, 0.98]]), np.array([2.0, -1.5])
    flow, alone = np.zeros((2, 1, SIDE, SIDE, 3), np.float32)
    flow[0, ..., :2], alone[0, ..., :2] = place @ turn + shift - np.dstack([x, y]), brows
    undone = create("mdmo")(flow, FACE)
    still = create("mdmo", {"align": False})(alone, FACE)
    moving = still[:36] > 0.01
    assert 4 <= moving.sum() < 36
    np.testing.assert_allclose(undone[:36], still[:36], atol=2e-3)
    assert _same_angle(2 * undone[36:][moving], 2 * still[36:][moving], 0.02)
    assert abs(create("mdmo", {"align": False})(flow, FACE)[:36] - still[:36]).max() > 0.1


def test_a_shift_of_the_head_needs_the_constant():
    motion = head_motion(_constant((1.5, -2.5)), FACE[DLIB_68[list(RIGID)]])
    np.testing.assert_allclose(motion, [[[0, 0], [0, 0], [-1.5, 2.5]]], atol=1e-9)


# what is not there


def test_regions_without_pixels_and_clips_without_motion_are_zero():
    assert not create("mdmo")(np.zeros((2, SIDE, SIDE, 3), np.float16), FACE).any()
    small = FACE / 16  # a face of 7 px
    sizes = np.bincount(pixels_inside(region_corners(small), SIDE, SIDE)[0], minlength=36)
    row = create("mdmo", {"align": False})(_constant((1, 1)), small)
    assert (sizes == 0).any() and (sizes > 0).any() and np.isfinite(row).all()
    np.testing.assert_allclose(row[:36], 0.5 * (sizes > 0))
    assert not create("mdmo")(_waves(7), FACE + 500).any(), "a face beyond the map"


def test_what_cannot_be():
    extractor = create("mdmo")
    with pytest.raises(ValueError, match=r"expected flow \(P, H, W, 3\) of floats, got \(128, 128, 3\) float32"):
        extractor(_waves(1)[0], FACE)
    with pytest.raises(ValueError, match=r"landmarks: expected the mesh's \(468, 2\) px, got \(68, 2\)"):
        extractor(_waves(1), FACE[:68])
    with pytest.raises(InputError, match="recipe: option 'alpha': Input should be less than or equal to 1"):
        create("mdmo", {"alpha": 2}, where="recipe")
    with pytest.raises(InputError, match=r"MDMO reads clips of axes \(pair, y, x, motion\), not \(y, x, motion\)"):
        extractor.axes(("y", "x", "motion"))
