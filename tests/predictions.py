"""Writes small predictions files for tests."""

import json

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

CLASSES = ["negative", "positive", "surprise"]
SUBJECTS = {6: 4, 7: 5, 9: 3, 10: 4, 11: 6}


def predictions(run="ststnet", protocol="samm-3", seed=0, epochs=4, skill=0.8, subjects=SUBJECTS):
    """Return a predictions frame; `skill` is added to the score of the true class."""
    labels, rng, rows = np.random.default_rng(1), np.random.default_rng([seed, epochs]), []
    for subject, clips in subjects.items():
        for clip in range(clips):
            label = int(labels.integers(3))
            for epoch in range(1, epochs + 1):
                scores = rng.random(3) + skill * np.eye(3)[label]
                where = ("samm", subject, f"0{subject}_1_{clip}", 100 + clip)
                rows.append(("test", protocol, run, run, seed, f"samm:{subject}", *where, label, epoch, *scores))
    names = [
        "study",
        "protocol",
        "run",
        "method",
        "seed",
        "fold",
        "dataset",
        "subject",
        "clip",
        "onset",
        "label",
        "epoch",
    ]
    frame = pd.DataFrame(rows, columns=[*names, "p0", "p1", "p2"])
    return frame.astype(dict.fromkeys(["p0", "p1", "p2"], "float32"))


def write(path, frame, **changes):
    """Write a predictions file, `changes` going into its metadata; return the path."""
    meta = {
        "classes": CLASSES, "data_source": "licensed", "config_hash": "c0", "code_hash": "k0", "versions": {},
        "device": "cpu", "seconds": 2.5, "folds": frame["fold"].nunique(), "budget": "quick", **changes,
    }  # fmt: skip
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    pyarrow.parquet.write_table(table.replace_schema_metadata({b"apexbench": json.dumps(meta).encode()}), path)
    return path
