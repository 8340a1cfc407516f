"""Writes small predictions files for tests, and the protocol that they belong to."""

import json

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

from apexbench.config.protocols import ProtocolCard
from apexbench.evaluation.conventions import from_folds, score_columns
from apexbench.evaluation.metrics import grouped_confusion

CLASSES = ["negative", "positive", "surprise"]
SUBJECTS = {6: 4, 7: 5, 9: 3, 10: 4, 11: 6}
CLIP = ["dataset", "subject", "clip", "onset"]
NAMES = ["protocol", "run", "method", "seed", "fold", *CLIP, "label", "epoch"]

# negative/positive/surprise clips of every subject of the official MEGC2019 list
MEGC2019 = {
    "smic-hs": "1:3/2/1 2:0/1/5 3:22/11/6 4:10/4/5 5:1/0/1 6:2/0/2 8:9/4/0 9:0/1/3 11:3/3/1 12:0/8/1 13:0/10/0 "
    "14:3/2/5 15:1/1/2 18:2/0/5 19:0/1/1 20:14/3/5",
    "casme2": "1:2/1/0 2:5/1/3 3:4/0/1 4:2/0/0 5:0/1/5 6:1/1/2 7:5/0/0 8:1/0/0 9:5/5/0 11:4/0/0 12:5/2/4 13:0/2/0 "
    "14:0/3/0 15:1/1/1 16:1/2/0 17:23/7/1 19:3/3/5 20:2/0/0 21:1/0/0 22:2/0/0 23:7/1/0 24:2/0/1 25:3/0/2 26:9/2/0",
    "samm": "6:9/0/2 7:1/5/2 9:3/0/1 10:4/0/0 11:13/7/0 12:2/0/1 13:6/0/0 14:2/7/1 15:2/0/1 16:2/1/2 17:3/0/1 "
    "18:2/0/1 19:0/1/0 20:2/2/0 21:2/0/0 22:3/2/0 23:1/0/0 24:1/0/0 26:9/0/0 28:1/0/2 30:3/0/0 31:1/0/0 32:4/0/0 "
    "33:4/1/0 34:3/0/0 35:7/0/1 36:1/0/0 37:1/0/0",
}


def card(classes=CLASSES, datasets=("samm",), **changes):
    """Return a protocol's card."""
    fields = {"title": "a protocol", "datasets": datasets, "label_set": "test/3", "classes": {c: [c] for c in classes}}
    return ProtocolCard(**{**fields, **changes})


def table_of(frame):
    """Return the protocol's table that belongs to predictions."""
    return frame.drop_duplicates(CLIP)[[*CLIP, "label", "fold"]].reset_index(drop=True)


def predictions(run="ststnet", protocol="samm-3", seed=0, epochs=4, skill=0.8, subjects=SUBJECTS):
    """Return a predictions frame; `skill` is added to the score of the true class."""
    labels, rng, rows = np.random.default_rng(1), np.random.default_rng([seed, epochs]), []
    for subject, clips in subjects.items():
        for clip in range(clips):
            label = int(labels.integers(3))
            for epoch in range(1, epochs + 1):
                scores = rng.random(3) + skill * np.eye(3)[label]
                where = ("samm", subject, f"0{subject}_1_{clip}", 100 + clip)
                rows.append((protocol, run, run, seed, f"samm:{subject}", *where, label, epoch, *scores))
    frame = pd.DataFrame(rows, columns=[*NAMES, "p0", "p1", "p2"])
    return frame.astype(dict.fromkeys(["p0", "p1", "p2"], "float32"))


def megc2019():
    """Return the clips of the official MEGC2019 list: dataset, subject, clip, onset, label, fold."""
    rows = []
    for dataset, subjects in MEGC2019.items():
        for entry in subjects.split():
            subject, counts = entry.split(":")
            for label, count in enumerate(counts.split("/")):
                rows += [(dataset, int(subject), label, f"{dataset}:{subject}")] * int(count)
    frame = pd.DataFrame(rows, columns=["dataset", "subject", "label", "fold"])
    frame["clip"] = "c" + frame.groupby(["dataset", "subject"]).cumcount().astype(str)
    return frame.assign(onset=1)[[*CLIP, "label", "fold"]]


def random_predictions(table, epochs, seed=0, run="ststnet", classes=3):
    """Return predictions of a protocol's table whose scores know nothing of the labels."""
    rng = np.random.default_rng(seed)
    frame = pd.concat([table] * epochs, ignore_index=True)
    frame["epoch"] = np.repeat(np.arange(1, epochs + 1), len(table))
    frame = frame.assign(protocol="megc2019", run=run, method=run, seed=seed)
    names = [f"p{number}" for number in range(classes)]
    frame[names] = rng.random((len(frame), classes), dtype=np.float32)
    return frame[[*NAMES, *names]]


def every_score(frame):
    """Return {name: score} of predictions with one row for each clip; folds count in the order in which they appear."""
    codes, _ = pd.factorize(frame["fold"])
    scores = frame[score_columns(frame)].to_numpy()
    folds = grouped_confusion(codes, frame["label"], scores.argmax(axis=1), scores.shape[1])
    return {name: float(value) for name, value in from_folds(folds).items()}


def write(path, frame, **changes):
    """Write a predictions file, `changes` going into its metadata; return the path."""
    meta = {
        "classes": CLASSES, "data_source": "licensed", "config_hash": "c0", "code_hash": "k0", "versions": {},
        "device": "cpu", "seconds": 2.5, "folds": frame["fold"].nunique(), "budget": "quick", **changes,
    }  # fmt: skip
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    pyarrow.parquet.write_table(table.replace_schema_metadata({b"apexbench": json.dumps(meta).encode()}), path)
    return path
