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
        (
            {"reference": np.zeros((14, 16)), "target": np.zeros((14, 16))},
            "14 px are too small for EVM as it is set, 15",
        ),
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


# every arm

ARMS = {
    "evm": ("evm", {"displacement": 0.5}, 0.25, 0.75),  # gain over what it should be, at least and at most
    "phase": ("phase", {"levels": 4}, 0.6, 1.05),
    "tvl1": ("flow-warp", {"flow": "tvl1"}, 0.55, 1.15),
    "farneback": ("flow-warp", {"flow": "farneback"}, 0.8, 1.2),
    "magnet": ("magnet", {}, 0.8, 1.15),
}
SEEN = 5  # the factor


@pytest.fixture(scope="module")
def moved():
    """Onset and apex with noise of 1 grey level and 0.5 px of motion, the clean onset, and the truth at factor SEEN."""
    rng = np.random.default_rng(0)
    texture, motion = Texture((128, 128), rng), blobs((128, 128), 0.5, rng)
    still = texture.at(0 * motion)
    onset, apex = (to_uint8(clean, 1, rng) for clean in (still, texture.at(motion)))
    return onset, apex, still, texture.at(SEEN * motion)


def shown(image, still, truth):
    """The change that is shown over the change that should be."""
    return ((image - still) * (truth - still)).sum() / ((truth - still) ** 2).sum()


def error(image, truth):
    return np.square(image - truth).mean()


@pytest.mark.parametrize("name", ARMS)
def test_motion_becomes_the_factor_times_itself(moved, name):
    onset, apex, still, truth = moved
    arm, options, least, most = ARMS[name]
    assert shown(apex, still, truth) == pytest.approx(1 / SEEN, abs=0.05)
    magnified = magnify(onset, apex, arm, SEEN, **options).astype(float)
    assert least < shown(magnified, still, truth) < most
    if name != "magnet":  # which magnifies noise too: docs/magnification.md says where it is no nearer to the truth
        assert error(magnified, truth) < error(apex.astype(float), truth)
    larger = magnify(onset, apex, arm, 2 * SEEN, **options).astype(float)
    assert shown(larger, still, truth) > 1.2 * shown(magnified, still, truth)


def test_without_noise_the_learned_arm_is_nearer_to_the_truth():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        texture, motion = Texture((128, 128), rng), blobs((128, 128), 0.5, rng)
        onset, apex = (to_uint8(texture.at(amount * motion)) for amount in (0, 1))
        truth = texture.at(5 * motion)
        magnified = magnify(onset, apex, "magnet", 5).astype(float)
        assert error(magnified, truth) < 0.4 * error(apex.astype(float), truth)


@pytest.mark.parametrize("name", ARMS)
def test_flow_of_magnified_frames_is_the_larger_motion(name):
    """The way round: not of brightness, but of where things are; by a flow that no arm here uses."""
    rng = np.random.default_rng(4)
    texture, motion = Texture((128, 128), rng), blobs((128, 128), 0.5, rng, count=2)
    onset, apex = (to_uint8(clean) for clean in (texture.at(0 * motion), texture.at(motion)))
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    arm, options, least, most = ARMS[name]
    measured = dis.calc(magnify(onset, apex, arm, 4, **options), onset, None)
    moving = np.linalg.norm(motion, axis=-1) > 0.25
    factor = (measured * motion)[moving].sum() / (motion[moving] ** 2).sum()
    assert 4 * 0.8 * least < factor < 4 * 1.15 * most


@pytest.mark.parametrize("name", sorted(set(ARMS) - {"magnet"}))
@pytest.mark.parametrize("shape", [(64, 64), (67, 81, 3)])
def test_a_factor_of_1_changes_nothing(name, shape):
    images = np.random.default_rng(1).integers(0, 256, (2, *shape), dtype=np.uint8)
    arm, options, *_ = ARMS[name]
    np.testing.assert_array_equal(magnify(*images, arm, 1, **options), images[1])
    as_float = magnify(*(images / 255), arm, 1, **options)
    np.testing.assert_allclose(as_float, images[1] / 255, atol=1e-6)


@pytest.mark.parametrize("name", ARMS)
def test_of_several_factors_and_frames_each_is_for_itself(moved, name):
    onset, apex, *_ = moved
    arm, options, *_ = ARMS[name]
    clip = np.stack([apex[:70, :90], onset[:70, :90], apex[20:90, :90]])
    colour = np.stack([clip, clip[:, ::-1], clip], -1)
    together = magnify_clip(colour, arm, factors=(1, 3.5, 9), onset=1, **options)
    assert together.shape == (3, 3, 70, 90, 3) and together.dtype == np.uint8
    for place, factor in enumerate((1, 3.5, 9)):
        for frame in (0, 2):
            alone = magnify(colour[1], colour[frame], arm, factor, **options)
            assert np.abs(together[frame, place].astype(int) - alone).max() <= 1  # sums in another order
    again = magnify_clip(colour, create(arm, options), factors=(1, 3.5, 9), onset=-2)
    np.testing.assert_array_equal(again, together)


@pytest.mark.parametrize("name", sorted(set(ARMS) - {"magnet"}))
def test_what_does_not_move_stays(name):
    image = to_uint8(Texture((64, 64), np.random.default_rng(2)).at(np.zeros((64, 64, 2))))
    arm, options, *_ = ARMS[name]
    np.testing.assert_array_equal(magnify(image, image, arm, 10, **options), image)


@pytest.mark.parametrize("name", ARMS)
def test_too_small_crops_are_refused_before_any_work(name):
    arm, options, *_ = ARMS[name]
    arm = create(arm, options)
    with pytest.raises(ValueError, match=f"frames of {arm.smallest - 1} px are too small"):
        check_arm(arm, [2], None, arm.smallest - 1)
    with pytest.raises(ValueError, match=r"1 or more, got 0\.9"):
        check_arm(arm, [2, 0.9], None, 500)
    check_arm(arm, [1], None, arm.smallest)
    frame = np.random.default_rng(0).integers(0, 256, (2, arm.smallest, arm.smallest + 3), dtype=np.uint8)
    assert magnify(*frame, arm, 3).shape == frame.shape[1:]


def test_fewer_levels_are_named_where_there_are_any():
    with pytest.raises(ValueError, match="64 px is the least: take a larger crop, or fewer levels"):
        check_arm(create("phase"), [2], None, 32)
    check_arm(create("phase", {"levels": 4}), [2], None, 32)


# the steerable pyramid


@pytest.mark.parametrize("shape", [(64, 64), (70, 61)])
@pytest.mark.parametrize(("levels", "orientations", "octave_bands"), [(3, 4, 1), (4, 6, 2), (2, 2, 1)])
def test_the_pyramid_gives_back_all_between_its_ends(shape, levels, orientations, octave_bands):
    pyramid = SteerablePyramid(shape, levels, orientations, octave_bands)
    pulse = np.zeros(shape, np.float32)
    pulse[0, 0] = 1
    response = np.fft.fft2(pyramid.synthesise(pyramid.analyse(pulse)))
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])
    radius = np.hypot(fy, fx)

    def low(end):  # the squared cosine over the last 1/octave_bands of an octave below `end`
        octaves = np.clip(np.log2(np.maximum(radius, 1e-9) / end) * octave_bands + 1, 0, 1)
        return np.cos(np.pi / 2 * octaves) ** 2

    np.testing.assert_allclose(response, low(0.5) - low(0.5 * 2 ** (-levels / octave_bands)), atol=1e-5)
    between = (radius < 0.5 * 2 ** (-1 / octave_bands)) & (radius > 0.5 * 2 ** (-levels / octave_bands))
    assert between.sum() > 100
    np.testing.assert_allclose(response[between], 1, atol=1e-5)


def test_a_band_s_phase_is_where_its_wave_is():
    columns = np.arange(64)
    for wavelength, level in ((4, 0), (8, 1), (16, 2)):
        still, moved = (np.tile(np.cos(2 * np.pi * (columns - d) / wavelength), (64, 1)) for d in (0, 0.7))
        pyramid = SteerablePyramid((64, 64), 3)
        bands = [np.abs(band).mean() for band in pyramid.analyse(still)]
        assert np.argmax(bands) == level
        turned = np.angle(pyramid.analyse(moved)[level][0] * pyramid.analyse(still)[level][0].conj())
        np.testing.assert_allclose(turned, -2 * np.pi * 0.7 / wavelength, atol=1e-4)


def test_phases_move_a_wave_without_changing_it():
    columns = np.arange(128)
    still, moved, truth = (
        np.tile(0.5 + 0.3 * np.cos(2 * np.pi * (columns - d) / 16), (128, 1)) for d in (0, 0.5, 4 * 0.5)
    )
    magnified = magnify(still, moved, "phase", 4)
    np.testing.assert_allclose(magnified[:, 24:-24], truth[:, 24:-24], atol=0.02)


# flow-warp


def test_flow_warp_takes_the_flow_that_it_names(scene):
    onset, apex, *_ = scene
    rows, columns = np.mgrid[:96, :96].astype(np.float32)
    for name in ("tvl1", "farneback"):
        u, v = np.moveaxis(FLOWS[name](apex, onset), -1, 0)
        wanted = cv2.remap(
            apex.astype(np.float32), columns + 2 * u, rows + 2 * v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        )
        np.testing.assert_array_equal(magnify(onset, apex, "flow-warp", 3, flow=name), to_uint8(wanted))
