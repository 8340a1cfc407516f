"""Makes a study that was run, in seconds: random predictions of small protocols, scores and tables as the stages do."""

import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import yaml

from apexbench.protocols import COLUMNS
from apexbench.sharing.bundle import FORMATS
from apexbench.stages.save_study import save_study
from apexbench.stages.scores import score_protocol
from apexbench.stages.table import make_table
from apexbench.store import sealed
from apexbench.study import Study
from apexbench.training.record import Job, Scored, record_of, write_predictions

SUBJECTS = {6: 4, 7: 5, 9: 3, 10: 4, 11: 6}
EPOCHS = 2


def protocol_table(study, protocol, label_of=None):
    """Write a protocol's table: some clips of the subjects of its first data set; return it."""
    card, rng, rows = study.project.protocols[protocol], np.random.default_rng(1), []
    names, dataset = list(card.classes), card.datasets[0]
    for subject, clips in SUBJECTS.items():
        for clip in range(clips):
            label = int(rng.integers(len(names)))
            label = (label_of or {}).get((subject, clip), label)
            its = (dataset, subject, f"0{subject}_1_{clip}", 100 + clip, "Anger", label, names[label])
            rows.append((*its, f"{dataset}:{subject}"))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    with sealed(study.protocol_path(protocol)) as part:
        table.to_csv(part, index=False)
    return table


def train(study, protocol, run, table, seed, noise=0, **facts):
    """Write the predictions of a run and a seed: random scores that know a little of the labels."""
    rng, job = (
        np.random.default_rng([seed, zlib.crc32(run.encode()), noise]),
        Job(**study.job(protocol, run), seed=seed),
    )
    done = []
    for fold, rows in table.groupby("fold", sort=False).indices.items():
        truth = np.eye(len(job.classes))[table["label"].iloc[rows]]
        scores = rng.random((EPOCHS, len(rows), len(job.classes))) + 0.5 * truth
        done.append(Scored(fold, list(rows), scores.astype(np.float32), [0.5] * EPOCHS))
    record = record_of(job, len(done), 0, {"epochs": EPOCHS}, {"device": "cpu", "seconds": 1.5, **facts})
    for path in study.predictions(protocol, run):
        if f"/seed{seed}/" in path:
            write_predictions(job, table, done, record, path)


def make(root, name="small", noise=0, label_of=None, facts=None, **settings):
    """Make results/<name> and the files that it is made of, in the working directory `root`; return the study."""
    base = yaml.safe_load((root / "config/config.yaml").read_text())
    small = {"study": name, "protocols": ["samm-3"], "table_protocols": [], "methods": ["majority", "flow-svm"]}
    small |= {"tables": ["leaderboard", "comparisons"], "leave_out": {}, "readme": False}
    study = Study(base | small | settings, root)
    for protocol in study.protocols:
        table = protocol_table(study, protocol, label_of)
        for run in [run for run in study.runs if run in study.methods and not study.why_not(protocol, run)]:
            for seed in study.settings.seeds:
                train(study, protocol, run, table, seed, noise, **(facts or {}))
    finish(study)
    return study


def finish(study):
    """Score what is there, and make the tables."""
    folder = Path(f"results/{study.name}")
    for protocol in study.protocols:
        score_protocol(
            runs=study.predictions_by_run(protocol),
            inner=study.inner_by_run(protocol),
            skipped=study.skipped_runs(protocol),
            compared=study.compared(),
            card=study.protocol_card(protocol),
            protocol=study.protocol_path(protocol),
            seed=study.settings.study_seed,
            scores=str(folder / f"scores/{protocol}.csv"),
            comparisons=str(folder / f"comparisons/{protocol}.csv"),
        )
    for table in study.tables:
        outputs = [str(folder / f"tables/{table}.{form}") for form in FORMATS]
        short, sources = str(folder / f"tables/short/{table}.md"), study.table_sources(table)
        make_table(name=table, card=study.table_card(table), partial=False, outputs=outputs, short=short, **sources)
    save_study(settings=study.saved(), output=str(folder / "study.yaml"))


def with_record(path, **changes):
    """Change what a predictions file says of itself, its seal with it."""
    table = pyarrow.parquet.read_table(path, partitioning=None)
    record = json.loads(table.schema.metadata[b"apexbench"]) | changes
    with sealed(path) as part:
        meta = {b"apexbench": json.dumps(record, sort_keys=True).encode()}
        pyarrow.parquet.write_table(table.replace_schema_metadata(meta), part, compression="zstd")


def clear():
    """Delete all results."""
    shutil.rmtree("results")
