"""A file that is not as it was written is refused, or what is read of it is the same: no flipped bit goes unseen."""

import json

import numpy as np
import pandas as pd
import pytest
from packs import write_pack

from apexbench.clips import COLUMNS, read_index, write_index
from apexbench.errors import InputError
from apexbench.evaluation.predictions import read_predictions
from apexbench.evaluation.score_files import read_scores, write_scores
from apexbench.protocols import COLUMNS as PROTOCOL
from apexbench.protocols import read_protocol, write_protocol
from apexbench.stages.faces import read_faces
from apexbench.store.checksums import sealed
from apexbench.store.packs import read_pack
from apexbench.store.tensors import read_tensors, write_tensors
from apexbench.tables.table import read_csv
from apexbench.training.record import Job, Scored, record_of, write_predictions
from apexbench.training.run import taken_up

RNG = np.random.default_rng(0)
FLIPS = 150


def _tensors(path):
    write_tensors(path, {"b": RNG.random((3, 4)), "a": np.arange(5, dtype="u1"), "n": np.float32(2)}, {"kind": "fold"})


def _pack(path):
    ids = [f"samm/6/c{number}/10" for number in range(4)]
    lengths = np.array([1, 2, 2, 1])
    meta = {"recipe": "r", "axes": ["frame", "y"]}
    write_pack(path, ids, RNG.integers(0, 9, (4, 2, 5), dtype="u1"), meta, lengths)


def _read_pack(path):
    pack = read_pack(path)
    return pack.ids, pack.read(np.arange(4)).tolist(), pack.lengths.tolist(), pack.meta


def _predictions(path):
    job = Job(0, "p", ("bad", "good"), "mine", "draws", {}, 0, "quick", "synthetic", "c0de")
    table = pd.DataFrame([("samm", 6, f"c{n}", 10, n % 2) for n in range(6)],
                         columns=["dataset", "subject", "clip", "onset", "label"])  # fmt: skip
    done = [Scored("samm:6", list(range(6)), RNG.random((4, 6, 2)).astype("f4"), [0.5, 0.4, 0.3, 0.2])]
    write_predictions(job, table, done, record_of(job, 1), path)


def _read_predictions(path):
    frame, metas = read_predictions([path])
    return frame.to_json(), json.dumps([{k: v for k, v in meta.items() if k != "path"} for meta in metas])


def _index(path):
    row = ["samm", 6, "c", 1, 5, 9, 200.0, "anger", "4", "x/c", 9, "sheet", "v1", "", ""]
    write_index(pd.DataFrame([[*row[:2], f"c{n}", *row[3:]] for n in range(3)], columns=list(COLUMNS)), path)


def _protocol(path):
    rows = [("samm", 6, f"c{n}", 1, "anger", n, "bad", "samm:6") for n in range(3)]
    write_protocol(pd.DataFrame(rows, columns=list(PROTOCOL)), path)


def _text(path):
    with sealed(path) as part:
        part.write_text("clip,by,a,b,c,d,e,f,of\nc0,mesh,1,2,3,4,5,6,x\nc1,mesh,1,2,3,4,5,6,x\n")


KINDS = {
    "tensors": (_tensors, lambda path: {name: x.tolist() for name, x in read_tensors(path, "fold").items()}),
    "pack": (_pack, _read_pack),
    "predictions": (_predictions, _read_predictions),
    "index": (_index, lambda path: read_index(path).to_json()),
    "protocol": (_protocol, lambda path: read_protocol(path).to_json()),
    "faces": (_text, lambda path: {name: (xy.tolist(), by) for name, (xy, by) in read_faces(path).items()}),
    "table": (_text, lambda path: read_csv(path, ["clip"], "rerun").to_json()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_goes_unseen(kind, tmp_path):
    write, read = KINDS[kind]
    path = tmp_path / "file"
    write(path)
    whole, content = path.read_bytes(), read(path)
    refused = 0
    places = range(len(whole)) if len(whole) <= FLIPS else np.sort(RNG.choice(len(whole), FLIPS, replace=False))
    for place in places:
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << int(RNG.integers(8))
        path.write_bytes(spoilt)
        try:
            assert read(path) == content, f"byte {place} of {len(whole)}"
        except InputError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 0.8 * len(places)  # the rest is padding, or what nobody reads


@pytest.mark.parametrize("kind", ["index", "protocol", "faces", "table"])
def test_a_text_cut_at_the_end_of_a_line(kind, tmp_path):
    write, read = KINDS[kind]
    path = tmp_path / "file.csv"
    write(path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=r"file\.csv: not as it was written: .* --cores 2 --force .*file\.csv"):
        read(path)


def test_scores_too(tmp_path):
    write_scores(pd.DataFrame({"run": ["a", "b"]}), tmp_path / "s.csv")
    (tmp_path / "s.csv").write_text("run\na\n")
    with pytest.raises(InputError, match=r"2 lines, .* where its seal says .*3 lines"):
        read_scores(tmp_path / "s.csv")


def test_a_kept_fold_that_has_changed_is_trained_again(tmp_path):
    path = tmp_path / "fold.safetensors"
    meta = {"kind": "fold", "key": "k", "seconds": 1.0, "peak_mb": 9, "micro_batches": {}}
    write_tensors(path, {"losses": np.zeros(2), "scores": np.arange(6.0)}, meta)
    assert taken_up(path, "k") is not None and taken_up(path, "other") is None
    spoilt = bytearray(path.read_bytes())
    spoilt[-3] ^= 4
    path.write_bytes(spoilt)
    assert taken_up(path, "k") is None
