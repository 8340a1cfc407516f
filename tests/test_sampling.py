"""Which frames are chosen, by numbers and by pixels."""

import inspect

import numpy as np
import pytest

from apexbench.frames.sampling import CHOICES, check_choice, resample, rows, take, tim_weights

NUMBERS = np.arange(100, 141)
GAPPED = np.array([10, 11, 12, 15, 16, 18, 19, 20])


def test_all_and_keys():
    np.testing.assert_array_equal(rows("all", GAPPED, 10, 15).rows, np.arange(8))
    assert rows("all", GAPPED, 10, 15).lengths is None
    np.testing.assert_array_equal(rows("key-frames", NUMBERS, 100, 120).rows, [0, 20])


@pytest.mark.parametrize(("apex", "row"), [(13, 2), (14, 3), (17, 4), (25, 7), (2, 0)])
def test_a_missing_frame_gives_way_to_the_nearest_the_earlier_of_two(apex, row):
    assert rows("key-frames", GAPPED, 10, apex).rows[1] == row


def test_near_keys_is_the_jitter_of_mmnet():
    """Rise 20 frames, fall 20: floor(0.2 * 20 / 4) = 1 after the onset, floor(0.4 * 20 / 4) = 2 before the apex."""
    found = rows("near-keys", NUMBERS, 100, 120, after_onset=0.2, before_apex=0.4, after_apex=0.2)
    np.testing.assert_array_equal(found.rows, [[0, 1, 1, 1], [20, 19, 21, 18]])
    np.testing.assert_array_equal(found.lengths, [2, 4])


def test_near_keys_without_jitter_is_the_key_frames():
    found = rows("near-keys", NUMBERS, 100, 120)
    np.testing.assert_array_equal(found.rows, [[0], [20]])
    np.testing.assert_array_equal(found.lengths, [1, 1])


@pytest.mark.parametrize(("after_onset", "after_apex"), [(0.15, 0.0), (0.2, 0.15), (1.0, 1.0)])
@pytest.mark.parametrize("apex", [100, 101, 113, 139, 140])
def test_near_keys_are_exactly_the_allowed_frames(apex, after_onset, after_apex):
    jitter = {"after_onset": after_onset, "before_apex": after_onset, "after_apex": after_apex}
    found = rows("near-keys", NUMBERS, 100, apex, **jitter)
    d1, d2 = apex - 100, 140 - apex
    around = int(after_onset * d1 / 4)
    expected = [range(100, 101 + around), range(apex - around, apex + int(after_apex * d2 / 4) + 1)]
    for group, length, allowed, key in zip(found.rows, found.lengths, expected, (100, apex), strict=True):
        assert sorted(NUMBERS[group[:length]]) == list(allowed)
        assert NUMBERS[group[0]] == key and (group[length:] == group[length - 1]).all()
        assert (np.diff(np.abs(NUMBERS[group[:length]] - key)) >= 0).all()


@pytest.mark.parametrize(
    ("numbers", "apex", "near"),
    [
        (NUMBERS, 120, [120, 119, 121, 118, 122]),
        (NUMBERS, 101, [101, 100, 102, 103]),
        (NUMBERS, 140, [140, 139, 138]),
        (GAPPED, 16, [16, 15, 18]),
    ],
)
def test_near_keys_around_the_apex_are_those_within_two_frames(numbers, apex, near):
    found = rows("near-keys", numbers, numbers[0], apex, around_apex=2)
    assert found.lengths.tolist() == [1, len(near)] and numbers[found.rows[1]].tolist() == near
    assert set(numbers[found.rows[0]]) == {numbers[0]}


def test_near_keys_take_the_wider_of_two_jitters():
    found = rows("near-keys", NUMBERS, 100, 120, before_apex=1.0, around_apex=2)
    assert sorted(NUMBERS[found.rows[1]]) == [*range(115, 123)]


def test_near_keys_of_a_clip_with_gaps_are_frames_that_exist():
    found = rows("near-keys", GAPPED, 10, 17, after_onset=1.0, before_apex=1.0, after_apex=1.0)
    np.testing.assert_array_equal(GAPPED[found.rows], [[10, 11], [16, 16]])  # 17 is missing: 16 stands for it
    np.testing.assert_array_equal(found.lengths, [2, 1])


@pytest.mark.parametrize(
    ("apex", "wanted"),
    [
        (120, range(115, 126)),
        (106, range(101, 112)),
        (135, range(130, 141)),
        (103, np.linspace(101, 108, 11)),  # not before the frame after the onset
        (138, np.linspace(133, 140, 11)),  # nor after the offset
        (100, np.linspace(101, 105, 11)),
    ],
)
def test_around_apex_is_the_onset_and_the_window_of_slstt(apex, wanted):
    found = rows("around-apex", NUMBERS, 100, apex).rows
    np.testing.assert_allclose(found, [0, *np.subtract(wanted, 100)], rtol=0, atol=1e-12)
    assert rows("around-apex", NUMBERS, 100, apex, reach=0).rows.tolist() == [0, max(apex, 101) - 100]


def test_around_apex_interpolates_missing_frames_and_repeats_a_single_one():
    found = rows("around-apex", GAPPED, 10, 15, reach=3).rows  # 12 to 18, of which 13, 14 and 17 are missing
    np.testing.assert_allclose(found, [0, 2, 2 + 1 / 3, 2 + 2 / 3, 3, 4, 4.5, 5])
    assert rows("around-apex", [7], 7, 7, reach=1).rows.tolist() == [0, 0, 0, 0]


def test_take_mixes_neighbours_by_distance_and_leaves_whole_places_as_they_are():
    frames = np.random.default_rng(2).integers(0, 256, (5, 3, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(take(frames, np.array([[3, 0], [4, 4]])), frames[[[3, 0], [4, 4]]])
    found = take(frames, np.array([4.0, 1.25]))
    np.testing.assert_array_equal(found[0], frames[4])
    np.testing.assert_array_equal(found[1], np.rint(0.75 * frames[1] + 0.25 * frames[2]))
    assert found.dtype == np.uint8


def test_first_repeats_the_last_frame_of_a_short_clip():
    np.testing.assert_array_equal(rows("first", GAPPED, 10, 15, count=3).rows, [0, 1, 2])
    np.testing.assert_array_equal(rows("first", GAPPED, 10, 15, count=10).rows, [0, 1, 2, 3, 4, 5, 6, 7, 7, 7])


def test_uniform_is_linspace_rounded_down():
    for total in (5, 30, 31, 97):
        found = rows("uniform", np.arange(total), 0, 3, count=30).rows
        np.testing.assert_array_equal(found, np.linspace(0, total - 1, 30).astype(int))
    np.testing.assert_array_equal(rows("uniform", [7, 8], 7, 8, count=4).rows, [0, 0, 0, 1])
    np.testing.assert_array_equal(GAPPED[rows("uniform", GAPPED, 10, 15, count=6).rows], [10, 12, 15, 16, 18, 20])
    np.testing.assert_array_equal(rows("uniform", GAPPED, 10, 15, count=1).rows, [0])


@pytest.fixture
def clip():
    """Ten frames that change by known amounts: most before rows 6, 2, 4, all others alike."""
    steps = [1, 1, 20, 1, 10, 1, 40, 1, 1]
    levels = np.cumsum([0, *steps])
    return np.broadcast_to(levels[:, None, None, None], (10, 4, 5, 3)).astype(np.uint8)


def test_most_moving_takes_the_earlier_frame_of_the_largest_changes_in_order(clip):
    found = resample("most-moving", clip, count=3)
    np.testing.assert_array_equal(found.places, [2, 4, 6])
    np.testing.assert_array_equal(found.frames, clip[[2, 4, 6]])
    np.testing.assert_array_equal(resample("most-moving", clip, count=5).places, [0, 1, 2, 4, 6])  # ties: the earlier
    np.testing.assert_array_equal(resample("most-moving", clip[..., 0], count=3).frames, clip[[2, 4, 6], ..., 0])


def test_most_moving_weighs_colours_as_gray():
    frames = np.zeros((4, 2, 2, 3), np.uint8)
    frames[1, ..., 2], frames[2:, ..., 2], frames[2:, ..., 1] = 100, 100, 60  # blue by 100 counts less than green by 60
    np.testing.assert_array_equal(resample("most-moving", frames, count=1).places, [1])


def test_most_moving_in_a_short_clip_repeats_evenly(clip):
    np.testing.assert_array_equal(resample("most-moving", clip, count=9).places, np.arange(9))
    np.testing.assert_array_equal(resample("most-moving", clip[:3], count=4).places, [0, 0, 0, 1])
    np.testing.assert_array_equal(resample("most-moving", clip[:1], count=2).frames, clip[[0, 0]])


def _tim_by_svd(frames, count):
    """The model as its authors do it."""
    n = len(frames)
    data = frames.reshape(n, -1).T.astype(float)
    mean = data.mean(1, keepdims=True)
    basis, sizes, right = np.linalg.svd(data - mean, full_matrices=False)
    basis, coefficients = basis[:, : n - 1], (sizes[:, None] * right)[: n - 1]
    laplacian = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    laplacian[0, 0] = laplacian[-1, -1] = 1
    vectors = np.linalg.eigh(laplacian)[1][:, 1:]
    k = np.arange(1, n)

    def curve(time):
        return np.sin(np.pi * np.outer(time, k) + np.pi * (n - k) / (2 * n))

    vectors = vectors * np.sign((vectors * curve(np.arange(1, n + 1) / n)).sum(0))
    lengths = np.linalg.norm(curve(np.arange(1, n + 1) / n), axis=0)
    solved = np.linalg.lstsq(vectors, coefficients.T, rcond=None)[0]
    values = (basis @ (solved.T @ (curve(np.linspace(1 / n, 1, count)) / lengths).T) + mean).T
    return values.reshape(count, *frames.shape[1:])


@pytest.mark.parametrize(("length", "count"), [(7, 10), (23, 10), (2, 5), (40, 11)])
def test_tim_is_the_embedding_of_the_path_graph(length, count):
    frames = np.random.default_rng(length).integers(60, 190, (length, 6, 8, 3), dtype=np.uint8)
    ours = resample("tim", frames, count=count).frames
    theirs = np.clip(_tim_by_svd(frames, count), 0, 255)
    assert np.abs(ours - theirs).max() <= 0.5 + 1e-6


def test_tim_keeps_what_needs_no_interpolation():
    frames = np.random.default_rng(0).integers(0, 256, (13, 5, 4, 1), dtype=np.uint8)
    np.testing.assert_array_equal(resample("tim", frames, count=13).frames, frames)
    found = resample("tim", frames, count=10)
    np.testing.assert_array_equal(found.frames[[0, -1]], frames[[0, -1]])
    np.testing.assert_allclose(found.places, np.linspace(0, 12, 10))
    still = np.broadcast_to(frames[:1], frames.shape)
    np.testing.assert_array_equal(resample("tim", still, count=10).frames, still[:10])
    np.testing.assert_array_equal(resample("tim", frames[:1], count=3).frames, frames[[0, 0, 0]])


def test_tim_follows_a_smooth_change():
    time = np.linspace(0, 1, 31)
    frames = np.rint(128 + 100 * np.cos(np.pi * time))[:, None, None].astype(np.uint8)
    expected = 128 + 100 * np.cos(np.pi * np.linspace(0, 1, 10))
    assert np.abs(resample("tim", frames, count=10).frames.ravel() - expected).max() <= 2


def test_tim_sums_are_exact_in_any_order():
    weights = tim_weights(300, 10)
    assert (weights * 2.0**40 == np.rint(weights * 2.0**40)).all()
    assert 255 * np.abs(weights).sum(1).max() * 2.0**40 < 2**53
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-9)


def test_tim_does_not_depend_on_how_many_pixels_go_at_a_time(monkeypatch):
    frames = np.random.default_rng(1).integers(0, 256, (9, 20, 21), dtype=np.uint8)
    whole = resample("tim", frames).frames
    monkeypatch.setattr("apexbench.frames.sampling._NUMBERS", 17)
    tim_weights.cache_clear()
    np.testing.assert_array_equal(resample("tim", frames).frames, whole)


def test_options_can_be_read_from_signatures_and_have_defaults():
    for kind, choice in CHOICES.items():
        options = [p for p in inspect.signature(choice.choose).parameters.values() if p.kind is p.KEYWORD_ONLY]
        assert all(type(p.default) in (int, float) and p.annotation is type(p.default) for p in options)
        check_choice(kind)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rows("uniforn", [1], 1, 1), "did you mean 'uniform'"),
        (lambda: rows("tim", [1], 1, 1), "call resample"),
        (lambda: resample("first", np.zeros((2, 3, 3), np.uint8)), "call rows"),
        (lambda: resample("tim", np.zeros((2, 3, 3))), "uint8"),
        (lambda: resample("tim", np.zeros((0, 3, 3), np.uint8)), "uint8"),
        (lambda: rows("all", [], 1, 1), "ascending"),
        (lambda: rows("all", [2, 2], 1, 1), "ascending"),
        (lambda: check_choice("first", count=0), "count"),
        (lambda: check_choice("uniform", count=2.5), "count"),
        (lambda: check_choice("tim", count=True), "count"),
        (lambda: check_choice("most-moving", count=-1), "count"),
        (lambda: check_choice("around-apex", reach=-1), "reach"),
        (lambda: check_choice("near-keys", before_apex=1.5), "before_apex"),
        (lambda: check_choice("near-keys", around_apex=-1), "around_apex"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_unknown_option_is_a_type_error():
    with pytest.raises(TypeError, match="size"):
        check_choice("all", size=3)
