"""Flow and strain against analytic truth, and the two TV-L1 backends against each other."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from textures import blobs, end_point_error, pair

from apexbench.config.recipes import FlowRecipe
from apexbench.motion import FLOWS, farneback_flow, optical_strain, tvl1_flow
from apexbench.stages.flow import flow
from apexbench.stages.flow_picture import flow_picture
from apexbench.stages.pack import pack
from apexbench.store.packs import read_pack
from apexbench.store.tensors import read_tensors, write_tensors


@pytest.fixture(autouse=True)
def one_thread():
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


@pytest.fixture(scope="module")
def scene():
    return pair((128, 128), peak=1.0, noise=1.0, seed=3)


@pytest.mark.parametrize("shape", [(128, 128), (96, 136), (28, 28), (17, 40)])
def test_backends_agree_and_neither_is_further_from_the_truth(shape):
    scene = pair(shape, peak=1.0, noise=1.0, seed=1)
    ours = tvl1_flow(scene.first, scene.second)
    theirs = tvl1_flow(scene.first, scene.second, backend="opencv")
    assert ours.shape == (*shape, 2)
    assert ours.dtype == np.float32
    assert np.linalg.norm(ours - theirs, axis=2).mean() <= 0.02
    assert end_point_error(ours, scene.flow, 4) <= 1.02 * end_point_error(theirs, scene.flow, 4) + 1e-3


@pytest.mark.parametrize(
    "options",
    [
        {"scale_step": 0.5, "scales": 3, "warps": 2},
        {"median": 1},
        {"scales": 1, "lambda_": 0.3},
        {"scales": 1, "median": 1},
        {"epsilon": 0.03},
    ],
)
def test_backends_agree_away_from_the_defaults(scene, options):
    ours, theirs = (tvl1_flow(scene.first, scene.second, backend=b, **options) for b in ("numba", "opencv"))
    assert np.linalg.norm(ours - theirs, axis=2).mean() <= 0.02


def test_opencv_backend_forgets_small_images(scene):
    before = tvl1_flow(scene.first, scene.second, backend="opencv")
    small = scene.first[:28, :28], scene.second[:28, :28]
    tvl1_flow(*small, backend="opencv")
    np.testing.assert_array_equal(tvl1_flow(scene.first, scene.second, backend="opencv"), before)


@pytest.mark.parametrize(("name", "limit"), [("tvl1", 0.1), ("farneback", 0.1)])
def test_flow_finds_known_motion_with_the_right_sign(scene, name, limit):
    flow = FLOWS[name](scene.first, scene.second)
    strong = np.linalg.norm(scene.flow, axis=2) > 0.5
    gain = (flow * scene.flow)[strong].sum() / (scene.flow**2)[strong].sum()
    assert 0.6 < gain < 1.1
    assert end_point_error(flow, scene.flow) < limit


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_uint8_and_float_agree(scene, flow):
    from_float = flow(scene.first / 255, scene.second / 255)
    np.testing.assert_allclose(flow(scene.first, scene.second), from_float, atol=1e-3)
    strided = flow(np.asfortranarray(scene.first), scene.second[:, ::-1][:, ::-1])
    np.testing.assert_array_equal(strided, flow(scene.first, scene.second))


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_same_image_gives_no_flow(scene, flow):
    assert np.abs(flow(scene.first, scene.first)).mean() < 1e-2  # Farnebäck's is not quite zero at the border
    blank = np.full((20, 30), 0.5)
    assert not flow(blank, blank).any()


def test_deterministic_alone_and_in_threads(scene):
    jobs = [(scene.first, scene.second), (scene.second, scene.first)] * 2
    alone = [tvl1_flow(*job) for job in jobs]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda job: tvl1_flow(*job), jobs))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(alone[0], alone[2])


def test_inputs_stay_untouched(scene):
    first, second = scene.first / 255, scene.second / 255
    copies = first.copy(), second.copy()
    tvl1_flow(first, second)
    np.testing.assert_array_equal(first, copies[0])
    np.testing.assert_array_equal(second, copies[1])


GOOD = np.zeros((32, 32), np.float32)


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (GOOD, GOOD[:30], "differ in size"),
        (GOOD, GOOD.astype(np.uint8), "differ in type"),
        (GOOD + 2, GOOD, r"\[0, 1\]"),
        (GOOD, GOOD - 0.1, "second image"),
        (GOOD * np.nan, GOOD, "NaN"),
        (GOOD + np.inf, GOOD, r"\[0, 1\]"),
        (GOOD.astype(np.int32), GOOD.astype(np.int32), "uint8"),
        (GOOD > 1, GOOD > 1, "uint8"),
        (np.zeros((32, 32, 3)), np.zeros((32, 32, 3)), "cvtColor"),
        (np.zeros((1, 32)), np.zeros((1, 32)), "at least"),
        (np.zeros((0, 0)), np.zeros((0, 0)), "at least"),
    ],
)
def test_bad_images_are_refused_with_advice(flow, first, second, message):
    with pytest.raises(ValueError, match=message):
        flow(first, second)


@pytest.mark.parametrize(
    "options",
    [{"tau": 0}, {"epsilon": float("nan")}, {"scales": 0}, {"scale_step": 1}, {"warps": 1.5}, {"median": 4}],
)
@pytest.mark.parametrize("backend", ["numba", "opencv"])
def test_bad_parameters_are_refused(options, backend):
    with pytest.raises(ValueError, match=next(iter(options))):
        tvl1_flow(GOOD, GOOD, backend=backend, **options)


def test_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="backend"):
        tvl1_flow(GOOD, GOOD, backend="cuda")


def test_importing_motion_leaves_numba_alone():
    code = "import sys, apexbench.motion; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


DERIVATIVES = ["sobel", "forward", "central"]
Y, X = np.mgrid[:24, :31].astype(np.float64)


@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize(
    ("flow", "strain"),
    [
        (np.dstack([-0.01 * Y, 0.01 * X]), 0.0),  # rotation, to first order
        (np.dstack([0 * X + 3, 0 * X - 1]), 0.0),  # shift
        (np.dstack([0.02 * X, 0 * Y]), 0.02),
        (np.dstack([0 * X, -0.02 * Y]), 0.02),
        (np.dstack([0.02 * Y, 0 * X]), 0.02 / np.sqrt(2)),  # shear: norm of the symmetric tensor
        (np.dstack([0.03 * X, 0.04 * Y]), 0.05),
    ],
)
def test_strain_of_linear_fields_up_to_the_border(flow, strain, derivative):
    result = optical_strain(flow, derivative)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, strain, atol=1e-6)


@pytest.mark.parametrize("derivative", DERIVATIVES)
def test_strain_of_a_smooth_field_is_near_its_analytic_value(derivative):
    wave = 2 * np.pi / 60
    flow = np.dstack([np.sin(wave * X), np.cos(wave * Y)])
    truth = wave * np.hypot(np.cos(wave * X), np.sin(wave * Y))
    np.testing.assert_allclose(optical_strain(flow, derivative), truth, atol=0.08 * wave)


def test_strain_refuses_bad_input():
    with pytest.raises(ValueError, match="flow"):
        optical_strain(np.zeros((5, 5)))
    with pytest.raises(ValueError, match="derivative"):
        optical_strain(np.zeros((5, 5, 2)), "scharr")


def test_truth_is_scaled_to_its_peak():
    field = blobs((40, 60), 0.7, np.random.default_rng(0))
    assert np.linalg.norm(field, axis=2).max() == pytest.approx(0.7)


def test_farneback_is_opencv_on_uint8(scene):
    theirs = cv2.calcOpticalFlowFarneback(scene.first, scene.second, None, 0.5, 3, 15, 3, 5, 1.2, 0)
    np.testing.assert_array_equal(farneback_flow(scene.first, scene.second), theirs)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_stage_and_its_picture(scene, tmp_path, channels):
    frames = np.stack([np.repeat(image[..., None], channels, -1) for image in (scene.first, scene.second)])
    record = {"frames": [4, 9], "onset": 4, "apex": 9}
    meta = {"kind": "shard", "axes": ["key", "y", "x", "colour"], "clips": {"samm/6/006_1_2/4": record}}
    write_tensors(tmp_path / "clips", {"samm/6/006_1_2/4": frames}, meta)
    recipe = FlowRecipe(of="keys", algorithm="farneback", map=48).model_dump(mode="json")
    flow(shard=tmp_path / "clips", recipe=recipe, output=tmp_path / "flow")
    shard = read_tensors(tmp_path / "flow", kind="shard")
    (maps,) = (shard[name] for name in shard)
    assert maps.shape == (128, 128, 3) and shard.meta["axes"] == ["y", "x", "motion"] and shard.meta["units"] == "px"
    np.testing.assert_array_equal(maps[..., :2], farneback_flow(scene.first, scene.second).astype(np.float16))
    pack(shards=[tmp_path / "flow"], recipe=recipe, axes=["motion", "y", "x"], output=tmp_path / "pack")
    small = cv2.resize(maps.astype(np.float32), (48, 48), interpolation=cv2.INTER_AREA).astype(np.float16)
    np.testing.assert_array_equal(read_pack(tmp_path / "pack").x[0], small.transpose(2, 0, 1))
    flow_picture(crops=[tmp_path / "clips"], flow=[tmp_path / "flow"], output=tmp_path / "flow.png", title="t")
    assert (tmp_path / "flow.png").stat().st_size > 10_000
