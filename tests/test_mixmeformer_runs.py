"""Runs of MixMeFormer: what they mix and where they look, drawn; folds alone, and with other weights."""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from packs import write_pack
from safetensors.torch import save_file
from small_networks import RESNET, VIT

from apexbench.methods.base import FLOW, KEY_FRAMES
from apexbench.protocols import COLUMNS, read_protocol
from apexbench.stages import inside_picture as stage
from apexbench.torchvision_shim import ensure_torchvision
from apexbench.training import run
from apexbench.training.record import Job
from apexbench.training.run import train_fold

SIZES = {
    "image_size": 48,
    "vit": VIT,
    "resnet": RESNET,
    "statistics": "fold",
    "epochs": 1,
}


def _study(folder):
    clips = [("a", 1 + n // 3, f"c{n}", 1, "x", n % 2, "x", f"a:{1 + n // 3}") for n in range(9)]
    pd.DataFrame(clips, columns=list(COLUMNS)).to_csv(folder / "p.csv", index=False)
    ids = read_protocol(folder / "p.csv")["id"].tolist()
    rng = np.random.default_rng(0)
    write_pack(folder / "flow.safetensors", ids, rng.normal(size=(9, 3, 48, 48)).astype("f2"), {"axes": FLOW})
    frames = rng.integers(0, 256, (9, 2, 3, 48, 48), dtype="u1")
    write_pack(folder / "frames.safetensors", ids, frames, {"axes": KEY_FRAMES})
    return {role: [str(folder / f"{role}.safetensors")] for role in ("flow", "frames")}


def _job(method, **params):
    return Job(0, "p", ("x", "y"), "run", method, {**SIZES, **params}, 0, "quick", "synthetic", "c")


def test_the_picture_shows_clips_of_a_subject_that_the_model_has_not_seen(tmp_path, monkeypatch):
    packs, drawn, learnt = _study(tmp_path), [], []
    train = stage.epochs
    monkeypatch.setattr(stage, "mixing_figure", lambda clips, *rest: drawn.append(clips))
    monkeypatch.setattr(
        stage, "epochs", lambda m, inputs, *rest: learnt.extend(inputs["id"]) or train(m, inputs, *rest)
    )
    picture = {"protocol": str(tmp_path / "p.csv"), "packs": packs, "output": "out.png", "title": "t"}
    monkeypatch.setattr(stage, "SHOWN", 2)
    stage.inside_picture(job=_job("mixmeformer"), **picture)
    (clips,) = drawn
    assert [clip["name"] for clip in clips] == ["1: c0", "1: c1"]
    assert len(learnt) == 6 and not any(name.startswith("a/1/") for name in learnt)
    for clip in clips:
        assert clip["onset"].shape == (144, 144, 3) and clip["attention"].shape == (9, 9), "enlarged 3 times"
        assert (clip["flow"] == clip["blend"])[~clip["mixed"]].all()  # what is kept is kept
        patches = clip["mixed"].reshape(9, 16, 9, 16).mean((1, 3))
        assert set(patches.ravel()) <= {0.0, 1.0} and patches.any()


def test_the_picture_is_written_with_or_without_an_onset_frame(tmp_path):
    packs = _study(tmp_path)
    vit = {key: value for key, value in SIZES.items() if key != "resnet"}
    for name, job in {
        "two": _job("mixmeformer"),
        "one": Job(0, "p", ("x", "y"), "run", "vit-flow", {**vit, "mixing": "cutmix"}, 0, "quick", "", "c"),
    }.items():
        picture = {"protocol": str(tmp_path / "p.csv"), "packs": packs, "title": "t"}
        stage.inside_picture(job=job, output=str(tmp_path / f"{name}.png"), **picture)
    wide, narrow = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("two", "one"))
    assert wide.shape[1] > narrow.shape[1] > 500


def test_other_weights_are_no_reason_to_take_up_old_folds(tmp_path, monkeypatch):
    ensure_torchvision()
    import timm

    packs, seen = _study(tmp_path), []
    folds = ["a:1", "a:2"]

    def write(seed):
        torch.manual_seed(seed)
        save_file(
            timm.create_model("vit_base_patch16_224", img_size=48, **VIT).state_dict(), tmp_path / "w.safetensors"
        )

    def cut_short(*given):
        if len(seen) == 1:
            raise KeyboardInterrupt
        seen.append(given[3]["id"][0])
        return train_fold(*given)

    write(0)
    path = str(tmp_path / "w.safetensors")
    job = _job("mixmeformer", weights={"file": path})
    given = (job, str(tmp_path / "p.csv"), packs, folds, str(tmp_path / "o.parquet"))
    named = {"weights": {"weights": path}}
    with monkeypatch.context() as patch:
        patch.setattr(run, "train_fold", cut_short)
        with pytest.raises(KeyboardInterrupt):
            run.run_folds(*given, **named)
    write(1)
    again = []
    monkeypatch.setattr(run, "train_fold", lambda *rest: again.append(rest[3]["id"][0]) or train_fold(*rest))
    run.run_folds(*given, **named)
    assert len(seen) == 1 and len(again) == 2


def test_a_fold_of_both_networks_alone_is_the_same_as_in_a_batch(tmp_path):
    packs, frames = _study(tmp_path), {}
    for name, folds in {"whole": ["a:1", "a:2", "a:3"], "alone": ["a:2"]}.items():
        run.run_folds(_job("mixmeformer"), str(tmp_path / "p.csv"), packs, folds, str(tmp_path / f"{name}.parquet"))
        frames[name] = pd.read_parquet(tmp_path / f"{name}.parquet")
    whole = frames["whole"][frames["whole"]["fold"] == "a:2"].reset_index(drop=True)
    pd.testing.assert_frame_equal(frames["alone"], whole)
