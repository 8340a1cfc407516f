"""What a run mixes and where it looks, drawn."""

import cv2
import numpy as np
import pandas as pd

from apexbench.protocols import COLUMNS, read_protocol
from apexbench.stages import mixing
from apexbench.store import write_pack
from apexbench.training.run import Job

SIZES = {
    "image_size": 48,
    "vit": {"embed_dim": 32, "depth": 2, "num_heads": 4},
    "resnet": {"layers": [1, 1, 1, 1], "channels": [8, 16, 32, 64], "stem_type": "deep", "stem_width": 4},
    "statistics": "fold",
    "epochs": 1,
}


def _study(folder):
    clips = [("a", 1 + n // 3, f"c{n}", 1, "x", n % 2, "x", f"a:{1 + n // 3}") for n in range(9)]
    pd.DataFrame(clips, columns=list(COLUMNS)).to_csv(folder / "p.csv", index=False)
    ids = read_protocol(folder / "p.csv")["id"].tolist()
    rng = np.random.default_rng(0)
    write_pack(folder / "flow.safetensors", ids, rng.normal(size=(9, 3, 48, 48)).astype("f2"), {})
    write_pack(folder / "frames.safetensors", ids, rng.integers(0, 256, (9, 2, 3, 48, 48), dtype="u1"), {})
    return {role: [str(folder / f"{role}.safetensors")] for role in ("flow", "frames")}


def _job(method, **params):
    return Job("s", 0, "p", ("x", "y"), "run", method, {**SIZES, **params}, 0, "quick", "synthetic", "c")


def test_the_picture_shows_clips_of_a_subject_that_the_model_has_not_seen(tmp_path, monkeypatch):
    packs, drawn, learnt = _study(tmp_path), [], []
    train = mixing.epochs
    monkeypatch.setattr(mixing, "mixing_figure", lambda clips, *rest: drawn.append(clips))
    monkeypatch.setattr(
        mixing, "epochs", lambda m, inputs, *rest: learnt.extend(inputs["id"]) or train(m, inputs, *rest)
    )
    mixing.mixing_picture(_job("mixmeformer"), str(tmp_path / "p.csv"), packs, "out.png", "t", most=2)
    (clips,) = drawn
    assert [clip["name"] for clip in clips] == ["1: c0", "1: c1"]
    assert len(learnt) == 6 and not any(name.startswith("a/1/") for name in learnt)
    for clip in clips:
        assert clip["onset"].shape == (48, 48, 3) and clip["attention"].shape == (3, 3)
        assert (clip["flow"] == clip["blend"])[~clip["mixed"]].all()  # what is kept is kept
        patches = clip["mixed"].reshape(3, 16, 3, 16).mean((1, 3))
        assert set(patches.ravel()) <= {0.0, 1.0} and patches.any()


def test_the_picture_is_written_with_or_without_an_onset_frame(tmp_path):
    packs = _study(tmp_path)
    vit = {key: value for key, value in SIZES.items() if key != "resnet"}
    for name, job in {
        "two": _job("mixmeformer"),
        "one": Job("s", 0, "p", ("x", "y"), "run", "vit-flow", {**vit, "mixing": "cutmix"}, 0, "quick", "", "c"),
    }.items():
        mixing.mixing_picture(job, str(tmp_path / "p.csv"), packs, str(tmp_path / f"{name}.png"), "t")
    wide, narrow = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("two", "one"))
    assert wide.shape[1] > narrow.shape[1] > 500
