"""AMAN's trained part: counts, slots in one call as in a loop, and factors in any order; what it weighs, drawn."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from random_clips import clips, small
from torch import nn

from apexbench.errors import InputError
from apexbench.figures.attention import attention_figure
from apexbench.methods import create
from apexbench.methods.networks.aman import Network, SlotNorm
from apexbench.stages import inside_picture
from apexbench.store.tensors import read_tensors, write_tensors


def count(module):
    return sum(x.numel() for x in module.parameters())


def test_the_network_has_the_parameters_of_the_released_one():
    with torch.device("meta"):
        network = Network(5)
    parts = [count(part) for part in (network.layer4, network.factors, network.frames, network.head)]
    assert parts == [8_393_728, 513, 513, 2_565] and count(network) == 8_397_319


def test_slots_in_one_call_are_slots_in_a_loop():
    """Outputs, gradients and running statistics, as a loop over the slots with one BatchNorm has them."""
    torch.manual_seed(0)
    x = torch.randn(4, 6, 5, 3, 3, requires_grad=True)  # clips, slots, channels
    together, loop = SlotNorm(5), nn.BatchNorm2d(5)
    with torch.no_grad():
        for norm in (together, loop):
            norm.weight.copy_(torch.linspace(0.5, 2, 5))
    ours = together(x.flatten(0, 1), groups=6).unflatten(0, (4, 6))
    theirs = torch.stack([loop(x[:, slot]) for slot in range(6)], dim=1)
    torch.testing.assert_close(ours, theirs)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        torch.testing.assert_close(getattr(together, name), getattr(loop, name))
    weights = torch.randn_like(ours)
    torch.testing.assert_close(
        *(torch.autograd.grad((out * weights).sum(), x, retain_graph=True)[0] for out in (ours, theirs))
    )


def test_factors_may_come_in_any_order_and_weights_are_means():
    torch.manual_seed(0)
    network = Network(3, 8, width=0.05).eval()
    maps = torch.randn(2, 4, 3, 8, 5, 5)
    output = network(maps)
    mixed = network(maps[:, :, [2, 0, 1]])
    torch.testing.assert_close(output.scores, mixed.scores)
    torch.testing.assert_close(output.factors[..., [2, 0, 1]], mixed.factors)
    torch.testing.assert_close(output.factors.sum(-1), torch.ones(2, 4))
    torch.testing.assert_close(output.frames.sum(-1), torch.ones(2))
    # by hand: sigmoids over their sum
    vectors = maps.flatten(0, 2)
    for block in network.layer4:
        vectors = block(vectors, 1)
    vectors = vectors.mean((2, 3)).unflatten(0, (2, 4, 3))
    alpha = torch.sigmoid(network.factors.score(vectors))
    frames = (alpha * vectors).sum(2) / alpha.sum(2)
    beta = torch.sigmoid(network.frames.score(frames))
    torch.testing.assert_close(network.head((beta * frames).sum(1) / beta.sum(1)), output.scores)


def test_without_attention_all_weigh_alike():
    network = Network(3, 8, width=0.05, frame_attention=False, magnification_attention=False).eval()
    output = network(torch.randn(2, 4, 3, 8, 5, 5))
    assert (output.factors == 1 / 3).all() and (output.frames == 1 / 4).all()


def test_one_factor_of_all_and_one_that_there_is_not():
    inputs = clips("aman", 4)
    maps = small("aman", factor=1).tensors(inputs)["maps"]
    np.testing.assert_array_equal(maps, inputs["features"][:, :, 1:2])
    with pytest.raises(ValueError, match="factor 5, but the pack has 2, counted from 0"):
        small("aman", factor=5).tensors(inputs)
    with pytest.raises(ValueError, match="reads maps of 3 x 3 px at least; the pack's are 2 x 2"):
        small("aman").tensors({"features": inputs["features"][..., :2, :2]})
    ragged = {**inputs, "features_lengths": np.array([4, 3, 4, 4])}
    with pytest.raises(ValueError, match="as many frames of each clip"):
        small("aman").tensors(ragged)


def test_the_layer_may_begin_with_given_weights():
    torch.manual_seed(0)
    given = {f"layer4.{name}": x.clone() for name, x in Network(3, 8, width=0.05).layer4.state_dict().items()}
    method = create("aman", 3, width=0.05, weights={"file": "w.pth"})
    method.channels = 8
    model = method.build({"weights": given | {"fc.weight": torch.zeros(3)}})
    assert all(torch.equal(x, given[f"layer4.{name}"]) for name, x in model.layer4.state_dict().items())
    with pytest.raises(InputError, match="no layer4 among fc"):
        method.build({"weights": {"fc.weight": torch.zeros(3)}})
    with pytest.raises(InputError, match=r"layer4: does not fit the network; .* of another shape \['0.conv1"):
        create("aman", 3, width=0.1, weights={"file": "w.pth"}).build({"weights": given})


def test_the_first_frame_is_taken_away():
    inputs = clips("aman", 4)
    batch = {"maps": torch.from_numpy(inputs["features"])}
    apart = small("aman", subtract_first=True).transform(batch)["maps"]
    maps = batch["maps"].float()
    torch.testing.assert_close(apart, maps[:, 1:] - maps[:, :1])
    with pytest.raises(ValueError, match="one frame"):
        small("aman", subtract_first=True).tensors({"features": inputs["features"][:, :1]})


@pytest.mark.parametrize(
    ("magnified", "changes"), [(True, {}), (True, {"factor": 1, "subtract_first": True}), (False, {})]
)
def test_what_is_weighed_is_drawn_beside_its_pictures(tmp_path, monkeypatch, magnified, changes):
    """Each weight with its own picture: the frame next to the apex, and the frames that the network saw."""
    drawn = []
    monkeypatch.setattr(inside_picture, "attention_figure", lambda rows, *_: drawn.extend(rows))
    inputs, method = clips("aman", 4, alternative=int(not magnified)), small("aman", **changes)
    method.fit(inputs)
    torch.manual_seed(0)
    model, ids = method.build(), list(inputs["id"])
    fold = SimpleNamespace(
        method=method,
        models=iter([model]),
        test=[2, 0],
        device="cpu",
        pictures=[_shard(tmp_path / "part.safetensors", ids, magnified)],
        inputs=lambda rows: {name: x[rows] for name, x in inputs.items()},
        names=lambda rows: [f"clip {n}" for n in rows],
        opened=SimpleNamespace(table=pd.DataFrame({"id": ids})),
    )
    inside_picture.draw_attention(fold, "no.png", "")
    row, first = drawn[0], int(changes.get("subtract_first", False))
    assert row["name"] == "clip 2" and row["frame_names"] == ["5", "8", "11", "14"][first:]
    assert (row["factors"] == 22).all() and row["frames"][:, 0, 0, 0].tolist() == [2, 12, 22, 32][first:]
    names = ["x1"] if not magnified else ["x7.5"] if changes else ["x2", "x7.5"]
    assert row["factor_names"] == names and len(row["factors"]) == len(row["factor_weights"]) == len(names)
    maps = torch.from_numpy(method.tensors(fold.inputs([2]))["maps"])
    with torch.inference_mode():
        output = model.eval()(**method.transform({"maps": maps}))
    np.testing.assert_allclose(row["factor_weights"], output.factors[0, 2 - first], atol=1e-6)
    np.testing.assert_allclose(row["frame_weights"], output.frames[0], atol=1e-6)


def _shard(path, ids, magnified):
    """Frames 5, 8, 11 and 14 of each clip, whose grey level is ten times the frame's place, and the clip's."""
    shape, factor = ((4, 2, 6, 6, 3), ["factor"]) if magnified else ((4, 6, 6, 3), [])
    levels = np.arange(0, 40, 10, dtype=np.uint8).reshape(4, *[1] * (len(shape) - 1))
    record = {"frames": [5, 8, 11, 14], "onset": 5, "apex": 10}
    meta = {"kind": "shard", "axes": ["frame", *factor, "y", "x", "colour"], "clips": dict.fromkeys(ids, record)}
    tensors = {name: np.full(shape, n, np.uint8) + levels for n, name in enumerate(ids)}
    write_tensors(path, tensors, meta | ({"factors": [2, 7.5]} if magnified else {}))
    return read_tensors(path)


def test_the_attention_figure_is_the_same_twice(tmp_path):
    rng = np.random.default_rng(0)
    clip = {"name": "samm 6 c1", "factor_names": ["x2", "x7"], "frame_names": ["1", "5", "9"]}
    for kind, count in (("factor", 2), ("frame", 3)):
        clip[f"{kind}s"] = rng.integers(0, 256, (count, 8, 8, 1 if kind == "frame" else 3), dtype=np.uint8)
        clip[f"{kind}_weights"] = rng.dirichlet(np.ones(count))
    for name in ("a.png", "b.png"):
        attention_figure([clip, clip], tmp_path / name, "AMAN")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
