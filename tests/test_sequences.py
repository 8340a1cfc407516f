"""Flow of sequences: which pairs, and that each is the flow of the two frames."""

import cv2
import numpy as np
import pytest
from textures import Texture, blobs, to_uint8

from apexbench.motion import FLOWS, PAIRS, flow_of_pairs, optical_strain, pairs


def test_pairs():
    assert pairs("onset-apex", 5, 0, 3) == [(0, 3)]
    assert pairs("onset-apex", 2, 1, 0) == [(1, 0)]
    assert pairs("onset-each", 4) == [(0, 1), (0, 2), (0, 3)]
    assert pairs("onset-each", 4, 2, 3) == [(2, 3)]
    assert pairs("consecutive", 4, 1, 3) == [(0, 1), (1, 2), (2, 3)]
    assert PAIRS == ("onset-apex", "onset-each", "consecutive")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("onset-aped", 3, 0, 1), "did you mean 'onset-apex'"),
        (("onset-apex", 3, 0), "apex: expected the index of one of 3 frames, got None"),
        (("onset-apex", 3, 0, 3), "apex"),
        (("onset-each", 3, -1), "onset"),
        (("onset-each", 3, 2), "no pair 'onset-each' in 3"),
        (("consecutive", 1), "no pair"),
    ],
)
def test_pairs_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        pairs(*call)


@pytest.fixture(scope="module")
def clip():
    """Four gray frames that move ever further."""
    rng = np.random.default_rng(4)
    texture, motion = Texture((48, 56), rng), blobs((48, 56), 1.0, rng)
    return np.stack([to_uint8(texture.at(-part * motion)) for part in (0, 0.3, 0.6, 1)])


@pytest.mark.parametrize("algorithm", FLOWS)
def test_each_map_is_the_flow_of_its_pair(clip, algorithm):
    cv2.setNumThreads(1)
    chosen = pairs("onset-each", 4)
    maps = flow_of_pairs(clip, chosen, algorithm, strain="forward", scales=2)
    assert maps.shape == (3, 48, 56, 3) and maps.dtype == np.float32
    for (start, end), found in zip(chosen, maps, strict=True):
        flow = FLOWS[algorithm](clip[start], clip[end], scales=2)
        np.testing.assert_array_equal(found[..., :2], flow)
        np.testing.assert_array_equal(found[..., 2], optical_strain(flow, "forward"))
    lengths = np.linalg.norm(maps[..., :2], axis=-1).mean((1, 2))
    assert (np.diff(lengths) > 0).all()
    np.testing.assert_allclose(maps.astype(np.float16), maps, rtol=1e-3, atol=1e-4)


def test_flow_that_cannot_be(clip):
    with pytest.raises(ValueError, match="did you mean 'farneback'"):
        flow_of_pairs(clip, [(0, 1)], "farnebeck")
    with pytest.raises(ValueError, match="gray"):
        flow_of_pairs(np.stack([clip] * 3, -1), [(0, 1)], "tvl1")
    with pytest.raises(ValueError, match="derivative"):
        flow_of_pairs(clip, [(0, 1)], "farneback", strain="scharr")
