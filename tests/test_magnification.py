"""Magnification arms on textures whose motion is known."""

import cv2
import numpy as np
import pytest
from textures import Texture, blobs, to_uint8

from apexbench.errors import InputError
from apexbench.frames.magnification import check_arm, magnify, magnify_clip
from apexbench.frames.magnifying import create, names
from apexbench.frames.steerable import SteerablePyramid
from apexbench.motion import FLOWS

SHAPE = (96, 96)
PEAK = 0.3


@pytest.fixture(scope="module")
def scene():
    """Onset, apex, ideal image at a factor of 5, and the change of grey level per unit of gain; noise-free."""
    rng = np.random.default_rng(5)
    texture, motion = Texture(SHAPE, rng), blobs(SHAPE, PEAK, rng, count=3)
    still = texture.at(0 * motion)
    slope = (texture.at(1e-3 * motion) - still) / 1e-3
    return to_uint8(still), to_uint8(texture.at(motion)), texture.at(5 * motion), slope


def gain(image, onset, slope):
    """How many times the true motion a picture shows against the onset, to first order."""
    return ((image.astype(float) - onset) * slope).sum() / (slope**2).sum()


def test_none_is_the_identity(scene):
    onset, apex, *_ = scene
    assert magnify(onset, apex, "none") is apex
    assert magnify(onset, apex, "none", 7) is apex
    clip = np.stack([onset, apex])
    assert magnify_clip(clip, "none") is clip


def test_gain_rises_with_the_factor(scene):
    onset, apex, _, slope = scene
    gains = [gain(magnify(onset, apex, "evm", factor, displacement=PEAK), onset, slope) for factor in (1, 2, 3, 5, 9)]
    assert gains[0] == pytest.approx(1, abs=0.05)
    assert np.all(np.diff(gains) > 0.1)
    assert 2 < gains[3] < 5


def test_magnified_image_is_nearer_to_the_truth(scene):
    onset, apex, ideal, _ = scene
    magnified = magnify(onset, apex, "evm", 5, displacement=PEAK)
    assert np.square(magnified - ideal).mean() < 0.8 * np.square(apex - ideal).mean()


def test_gain_ends_where_linear_magnification_does(scene):
    onset, apex, *_ = scene
    np.testing.assert_array_equal(magnify(onset, apex, "evm", 50), magnify(onset, apex, "evm", 90))
    wider = magnify(onset, apex, "evm", 50, displacement=0.05)
    assert (wider != magnify(onset, apex, "evm", 50)).any()


def test_light_and_fine_noise_are_not_magnified():
    flat = np.full(SHAPE, 100, np.uint8)
    np.testing.assert_array_equal(magnify(flat, flat + 5, "evm", 10), flat + 5)
    checks = (flat + 4 * (np.indices(SHAPE).sum(axis=0) % 2)).astype(np.uint8)
    change = magnify(flat, checks, "evm", 10).astype(int) - checks
    assert np.abs(change[8:-8, 8:-8]).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(28, 28), (37, 52), (37, 52, 3), (20, 21, 1), (15, 16)])
def test_type_and_size_stay(dtype, shape):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, *shape), dtype=np.uint8)
    images = images if dtype == np.uint8 else (images / 255).astype(dtype)
    before = images.copy()
    for result in (magnify(images[0], images[1], "evm", 5), magnify_clip(images, "evm", 5)[1]):
        assert result.shape == shape
        assert result.dtype == dtype
        assert result.min() >= 0
        assert result.max() <= (255 if dtype == np.uint8 else 1)
    np.testing.assert_array_equal(images, before)


def test_colour_is_gray_three_times(scene):
    onset, apex, *_ = scene
    colour = magnify(np.dstack([onset] * 3), np.dstack([apex] * 3), "evm", 5)
    for channel in range(3):
        np.testing.assert_array_equal(colour[..., channel], magnify(onset, apex, "evm", 5))


def test_float_and_uint8_agree(scene):
    onset, apex, *_ = scene
    as_float = magnify(onset / 255, apex / 255, "evm", 5)
    np.testing.assert_allclose(255 * as_float, magnify(onset, apex, "evm", 5), atol=0.51)


def test_clip_mode_onset_is_each_frame_against_the_onset(scene):
    onset, apex, *_ = scene
    clip = np.stack([apex, onset, apex])
    result = magnify_clip(clip, "evm", 5, onset=1)
    np.testing.assert_array_equal(result[0], magnify(onset, apex, "evm", 5))
    np.testing.assert_array_equal(result[1], onset)


@pytest.mark.parametrize("options", [{}, {"mode": "video", "band": (4, 16)}, {"displacement": 0.2, "levels": 3}])
@pytest.mark.parametrize("colours", [(), (1,), (3,)])
def test_several_factors_are_each_of_them_alone(scene, options, colours):
    clip = np.random.default_rng(3).integers(0, 256, (12, 40, 37, *colours), dtype=np.uint8)
    factors = (1, 2.5, 9, 40)
    together = magnify_clip(clip, "evm", factors=factors, fps=FPS, **options)
    assert together.shape == (12, 4, 40, 37, *colours) and together.dtype == np.uint8
    for i, factor in enumerate(factors):
        np.testing.assert_array_equal(together[:, i], magnify_clip(clip, "evm", factor, FPS, **options))
    as_float = magnify_clip(clip / 255, "evm", factors=(2.5,), fps=FPS, **options)
    np.testing.assert_allclose(255 * as_float[:, 0], together[:, 1], atol=0.51)


def test_factors_change_nothing_where_nothing_is_magnified(scene):
    clip = np.stack(scene[:2])
    assert magnify_clip(clip, "none", factors=(2, 4)) is clip


FPS, CYCLE = 100, 8.0


@pytest.fixture(scope="module")
def wobble():
    """A clip that moves to and fro at 8 Hz by at most 0.2 px, and the slope as in `scene`."""
    rng = np.random.default_rng(2)
    texture, motion = Texture((64, 64), rng), blobs((64, 64), 0.2, rng)
    still = texture.at(0 * motion)
    slope = (texture.at(1e-3 * motion) - still) / 1e-3
    phase = np.sin(2 * np.pi * CYCLE * np.arange(50) / FPS)
    return np.stack([to_uint8(texture.at(p * motion)) for p in phase]), slope, phase


def wobble_gain(clip, slope, phase):
    gains = [gain(frame, clip.mean(axis=0), slope) for frame in clip]
    middle = slice(10, -10)
    return (gains * phase)[middle].sum() / (phase**2)[middle].sum()


def test_video_mode_magnifies_inside_its_band_only(wobble):
    clip, slope, phase = wobble
    inside, outside = (
        magnify_clip(clip, "evm", 7, FPS, mode="video", band=band, displacement=0.2) for band in ((4, 16), (25, 45))
    )
    plain = wobble_gain(clip, slope, phase)
    assert plain == pytest.approx(1, abs=0.1)
    assert wobble_gain(inside, slope, phase) > 3 * plain
    assert wobble_gain(outside, slope, phase) == pytest.approx(plain, abs=0.1)


@pytest.mark.parametrize("options", [{}, {"mode": "video", "band": (1, 10)}])
@pytest.mark.parametrize("length", [1, 2, 40])
def test_constant_clip_stays(scene, options, length):
    clip = np.stack([scene[0]] * length)
    np.testing.assert_array_equal(magnify_clip(clip, "evm", 10, FPS, **options), clip)


def test_unknown_names_are_refused_with_the_nearest(scene):
    onset, apex, *_ = scene
    with pytest.raises(InputError, match="unknown magnification arm 'emv'; did you mean 'evm'"):
        magnify(onset, apex, "emv", 2)
    with pytest.raises(InputError, match="option 'mode': Input should be 'onset' or 'video'"):
        magnify_clip(np.stack([onset, apex]), "evm", 2, mode="vidoe")
    with pytest.raises(InputError, match="unknown option 'level'; did you mean 'levels'"):
        magnify(onset, apex, "phase", 2, level=3)
    assert names() == ["evm", "flow-warp", "magnet", "none", "phase"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"factor": None}, "factor"),
        ({"factor": 0.5}, "factor"),
        ({"factor": float("nan")}, "factor"),
        ({"reference": np.zeros((14, 16)), "target": np.zeros((14, 16))}, "14 px are too small for EVM as it is set, 15"),
        ({"target": np.zeros((16, 16, 2)), "reference": np.zeros((16, 16, 2))}, "1 or 3 colours"),
        ({"target": np.zeros((9, 8))}, "differ"),
        ({"target": np.full((8, 8), 200.0)}, r"\[0, 1\]"),
        ({"target": np.full((8, 8), np.nan)}, "NaN"),
        ({"target": np.zeros(8)}, "dimensions"),
        ({"target": np.zeros((8, 8), int)}, "uint8"),
        ({"reference": np.full((8, 8), 2.0)}, "reference"),
    ],
)
def test_bad_input_is_refused(change, message):
    image = np.zeros((8, 8))
    with pytest.raises(ValueError, match=message):
        magnify(**{"reference": image, "target": image, "arm": "evm", "factor": 2} | change)


@pytest.mark.parametrize(
    ("arm", "options", "message"),
    [
        ("evm", {"levels": 1}, "option 'levels': Input should be greater than or equal to 2"),
        ("evm", {"displacement": 0}, "option 'displacement': Input should be greater than 0"),
        ("evm", {"mode": "video"}, "needs band"),
        ("evm", {"mode": "video", "band": (0, 5)}, "0 < low"),
        ("phase", {"orientations": 1}, "option 'orientations'"),
        ("phase", {"smoothing": -1}, "option 'smoothing'"),
        ("flow-warp", {}, "option 'flow': Field required"),
        ("flow-warp", {"flow": "raft"}, "'tvl1' or 'farneback'"),
        ("magnet", {"weights": {"timm": "resnet18.tv_in1k"}}, "MagNet's weights are a file"),
        ("none", {"levels": 3}, "unknown option 'levels'"),
    ],
)
def test_bad_options_are_refused(arm, options, message):
    with pytest.raises(InputError, match=message):
        create(arm, options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "video", "band": (1, 10), "fps": None}, "fps"),
        ({"mode": "video", "band": (10, 60)}, "50 Hz"),
        ({"onset": 4}, "onset"),
        ({"factors": (1, 2)}, "either factor or factors"),
        ({"factor": None, "factors": ()}, "one or more"),
        ({"factor": None, "factors": (1, 0.5)}, "1 or more, got 0.5"),
    ],
)
def test_bad_clip_options_are_refused(options, message):
    clip = np.zeros((4, 16, 16), np.uint8)
    with pytest.raises(ValueError, match=message):
        magnify_clip(**{"frames": clip, "arm": "evm", "factor": 2, "fps": FPS} | options)
