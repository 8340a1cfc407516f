"""Of a copy that has changed only the changed clips are computed, in every stage before the methods."""

import os
import shutil

import pytest

from apexbench.clips import read_index, write_index
from apexbench.datasets import load_index
from apexbench.features.lbp_top import LBPTOP
from apexbench.stages import faces, flow, frames, magnify
from apexbench.stages.features import features
from apexbench.stages.pack import pack
from apexbench.store.tensors import read_tensors
from apexbench.taken_over import put_aside

SUBJECTS = [6, 11, 35]
CROPS = {"crop": {"size": 32, "detector": "haar"}, "choose": "tim", "options": {"count": 7}}
MAGNIFIED = {"of": "frames", "arm": "evm", "factors": [3]}
FLOW = {"of": "magnified", "algorithm": "farneback", "pairs": "onset-each"}
FEATURES = {"of": "frames", "extractor": "lbp-top", "options": {"points": 4, "radii": [1, 1, 1], "blocks": [2, 2, 1]}}


@pytest.fixture
def chain(copy, tmp_path, monkeypatch):
    """Return the copy's root, and a function that runs the stages and returns how many clips each has computed."""
    root, counts = copy("samm"), {}

    def counted(owner, name, what):
        plain = getattr(owner, name)

        def called(*args, **more):
            counts[what] = counts.get(what, 0) + 1
            return plain(*args, **more)

        monkeypatch.setattr(owner, name, called)

    counted(faces, "find_anchors", "faces")
    counted(frames, "crop_clip", "frames")
    counted(magnify, "magnify_clip", "magnified")
    counted(flow, "flow_of_pairs", "flow")
    counted(LBPTOP, "__call__", "features")

    def run(folder="first", code="one"):
        counts.clear()
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        for name in ("faces", "frames", "magnified", "flow"):
            put_aside(place / name)  # as the `snakemake` command does
        where = {"index": str(tmp_path / "index.csv"), "clips": str(root), "subjects": SUBJECTS, "code": code}
        path = {name: str(place / name) for name in ("faces", "frames", "magnified", "flow", "features", "pack")}
        faces.find_faces(**where, detector="haar", missing_face="skip", output=path["faces"])
        frames.crop_frames(**where, faces=path["faces"], recipe=CROPS, output=path["frames"])
        magnify.magnify(shard=path["frames"], recipe=MAGNIFIED, output=path["magnified"], code=code)
        flow.flow(shard=path["magnified"], recipe=FLOW, output=path["flow"], code=code)
        features(shard=path["frames"], recipe=FEATURES, output=path["features"], code=code, pack=path["pack"])
        pack(shards=[path["features"]], recipe=FEATURES, axes=["feature"], output=path["pack"])
        return dict(counts)

    write_index(load_index("samm", root, fps=200.0), tmp_path / "index.csv")
    return root, run


def _same(folder, other):
    """Whether two runs have written the same rows; what they were made of tells of times, and may differ."""
    for name in ("frames", "magnified", "flow", "features"):
        one, two = (read_tensors(place / name) for place in (folder, other))
        assert list(one) == list(two) and one.meta["clips"] == two.meta["clips"]
        assert all((one[clip] == two[clip]).all() for clip in one)


def _clip(root, subject):
    return next(folder for folder in sorted((root / subject).rglob("*")) if any(folder.glob("*.jpg")))


def test_a_replaced_frame_makes_its_clip_anew_and_no_other(chain, tmp_path):
    root, run = chain
    clips = len(read_index(tmp_path / "index.csv"))
    assert run() == dict.fromkeys(["faces", "frames", "magnified", "flow", "features"], clips)
    assert run() == {}, "nothing has changed"
    pictures = sorted(_clip(root, "011").glob("*.jpg"))
    shutil.copyfile(pictures[0], pictures[len(pictures) // 2])
    changed = run()
    assert changed == dict.fromkeys(["faces", "frames", "magnified", "flow", "features"], 1)
    run("from nothing")
    _same(tmp_path / "first", tmp_path / "from nothing")


def test_another_row_of_the_index_makes_its_clip_anew(chain, tmp_path):
    _, run = chain
    run()
    frame = read_index(tmp_path / "index.csv")
    frame.loc[frame["subject"] == 35, "emotion"] = "another word"
    write_index(frame, tmp_path / "index.csv")
    assert run() == {}, "a label is no pixel"
    frame.loc[3, "offset"] -= 2
    write_index(frame, tmp_path / "index.csv")
    assert run() == {"frames": 1, "magnified": 1, "flow": 1, "features": 1}
    frame = frame.drop(index=3)
    write_index(frame, tmp_path / "index.csv")
    assert run() == {}, "a clip less"
    run("from nothing")
    _same(tmp_path / "first", tmp_path / "from nothing")


def test_only_times_changed_makes_no_pixel_anew_below(chain):
    """A copy that was laid down anew has other times: its frames are read again, and found to be the same."""
    root, run = chain
    run()
    for file in _clip(root, "006").glob("*.jpg"):
        os.utime(file, ns=(1, 1))
    assert run() == {"faces": 1, "frames": 1}


def test_other_code_or_a_damaged_file_takes_nothing_over(chain, tmp_path):
    _, run = chain
    everything = run()
    assert run(code="two") == everything
    assert run(code="") == everything, "a code that is not known"
    run()
    for name in ("faces", "frames"):
        file = tmp_path / "first" / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    again = run()
    assert again["faces"] == everything["faces"] and again["frames"] >= 1 and "flow" not in again


def test_a_job_that_fails_leaves_no_earlier_file_and_the_next_try_takes_over_what_it_can(chain, tmp_path, monkeypatch):
    root, run = chain
    run()
    pictures = sorted(_clip(root, "011").glob("*.jpg"))
    shutil.copyfile(pictures[0], pictures[len(pictures) // 2])
    with monkeypatch.context() as patched:
        patched.setattr(frames, "write_tensors", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run()
    assert not (tmp_path / "first/frames").exists(), "what is there could be taken for the new one"
    assert run()["frames"] == 1
    assert [path.name for path in (tmp_path / "first").iterdir() if ".before" in path.name] == []
