"""Bi-WOOF against a loop over blocks, and on fields whose row is known."""

import sys
from pathlib import Path

import numpy as np
import pytest

from apexbench.errors import InputError
from apexbench.features import create
from apexbench.features.bi_woof import block_ends
from apexbench.features.directions import direction_sums

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import descriptor_loops

FLOW = np.random.default_rng(0).standard_normal((33, 47, 3), np.float32)
FLOW[..., 2] = abs(FLOW[..., 2])


def _field(degrees, size=0.5, strain=0.01, side=28):
    """Flow that is the same everywhere, with a strain that no such flow has."""
    angle = np.radians(degrees)
    return np.full((side, side, 3), [size * np.cos(angle), size * np.sin(angle), strain], np.float32)


def _row(flow, **options):
    row = create("bi-woof", options)(flow)
    return row.reshape(*[options.get("blocks", 5)] * 2, 8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("shape", [(33, 47), (28, 28), (192, 192), (5, 9)])
def test_rows_are_those_of_a_loop_over_blocks(shape, dtype):
    flow = np.random.default_rng(sum(shape)).standard_normal((*shape, 3), np.float32).astype(dtype)
    flow[:2, :4] = 0
    row = create("bi-woof")(flow)
    assert row.shape == (200,) and row.dtype == np.float32 and np.isclose(np.linalg.norm(row), 1)
    np.testing.assert_allclose(row, descriptor_loops.bi_woof(flow), rtol=1e-4, atol=1e-6)


def test_blocks_are_those_of_the_released_code():
    """Rows max(0, i h - 1) to (i + 1) h, both included, and to the end of the last; h = 192 // 5."""
    assert block_ends(192, 5) == [(0, 39), (37, 77), (75, 115), (113, 153), (151, 192)]
    assert block_ends(60, 6)[-1] == (49, 60) and block_ends(7, 1) == [(0, 7)]


@pytest.mark.parametrize("eighth", range(8))
def test_a_shift_has_one_bin_in_each_block(eighth):
    for degrees in (-180 + 45 * eighth + 1, -180 + 45 * eighth + 44):
        row = _row(_field(degrees))
        assert (row[..., eighth] > 0).all() and not np.delete(row, eighth, axis=-1).any()
        np.testing.assert_allclose(row[2, 2, eighth], row[1, 3, eighth])  # blocks of one size weigh the same


def test_edges_belong_to_the_bin_that_begins_there():
    for eighth, (u, v) in enumerate([(-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1)]):
        assert _row(np.full((20, 20, 3), [u, v, 1], np.float32))[0, 0].argmax() == eighth


def test_released_edges_lose_what_lies_above_135_degrees():
    assert not _row(_field(150), bins="released7").any()
    assert (_row(_field(150))[..., 7] > 0).all()
    for degrees in (-179, -91, 44, 134):
        np.testing.assert_array_equal(_row(_field(degrees), bins="released7"), _row(_field(degrees)))
    exact = np.full((20, 20, 3), [-1, 1, 1], np.float32)  # 135 degrees itself is counted
    np.testing.assert_array_equal(_row(exact, bins="released7"), _row(exact))
    assert _row(FLOW, bins="released7")[..., 7].max() == 0 < _row(FLOW)[..., 7].min()


def test_no_motion_and_no_strain_give_zeros():
    assert not create("bi-woof")(np.zeros((28, 28, 3), np.float16)).any()
    assert not create("bi-woof")(_field(20, strain=0)).any()


def test_a_row_does_not_depend_on_the_scale():
    for scale in ((8, 8, 1), (1, 1, 8), (8, 8, 8)):
        np.testing.assert_allclose(create("bi-woof")(FLOW * np.float32(scale)), create("bi-woof")(FLOW), rtol=1e-5)


def test_blocks_weigh_by_their_strain():
    flow = _field(20, side=30)
    flow[:15, :, 2] *= 3
    plain = _row(flow, normalise=False)[..., 4]
    np.testing.assert_allclose(plain[0, 1], 3 * 0.01 * 7 * 8, rtol=1e-4)
    np.testing.assert_allclose(plain[4, 1], 0.01 * 7 * 8, rtol=1e-4)
    mean = _row(flow, normalise=False, strain="mean")[..., 4]
    np.testing.assert_allclose([mean[0], mean[4]], [[0.03] * 5, [0.01] * 5], rtol=1e-4)


def test_sums_by_direction():
    """Against angles; vectors without length have no direction."""
    u, v = np.random.default_rng(3).standard_normal((2, 500)).astype(np.float32)
    u[:40] = v[:40] = 0
    place = np.arange(500) % 3
    for centred in (False, True):
        sums = direction_sums(u, v, place, 3, centred)
        eighth = (np.degrees(np.arctan2(v, u)) % 360 + 22.5 * centred) % 360 // 45
        for where in range(3):
            for k in range(8):
                its = (place == where) & (eighth == k) & (np.hypot(u, v) > 0)
                expected = [its.sum(), np.hypot(u, v)[its].sum(), u[its].sum(), v[its].sum()]
                np.testing.assert_allclose(sums[where, k], expected, rtol=1e-5, atol=1e-5)


def test_what_cannot_be():
    with pytest.raises(ValueError, match="5 blocks in 4 px: take fewer blocks or larger maps"):
        create("bi-woof")(FLOW[:4])
    with pytest.raises(ValueError, match=r"expected flow \(H, W, 3\) of floats, got \(33, 47, 2\) float32"):
        create("bi-woof")(FLOW[..., :2])
    with pytest.raises(ValueError, match="uint8"):
        create("bi-woof")(FLOW.astype(np.uint8))
    with pytest.raises(InputError, match="recipe: option 'bins': Input should be 'full8' or 'released7'"):
        create("bi-woof", {"bins": "full"}, where="recipe")
