"""Makes a study that was run, in seconds: random predictions of small protocols, scores and tables as the stages do."""

import json
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import yaml

from apexbench.protocols import COLUMNS
from apexbench.sharing.bundle import FORMATS
from apexbench.stages.import_log import import_log
from apexbench.stages.save_study import save_study
from apexbench.stages.scores import score_protocol
from apexbench.stages.table import make_table
from apexbench.store.checksums import sealed
from apexbench.study import Study
from apexbench.training.record import Job, Scored, record_of, write_predictions

SUBJECTS = {6: 4, 7: 5, 9: 3, 10: 4, 11: 6}
EPOCHS = 2


def clips(dataset, classes):
    """Return a protocol's table: some clips of a data set, their labels at random."""
    rng, rows = np.random.default_rng(1), []
    for subject, count in SUBJECTS.items():
        for clip in range(count):
            label = int(rng.integers(len(classes)))
            its = (dataset, subject, f"0{subject}_1_{clip}", 100 + clip, "Anger", label, classes[label])
            rows.append((*its, f"{dataset}:{subject}"))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def train(study, protocol, run, table, seed, **facts):
    """Write the predictions of a run and a seed: random scores that know a little of the labels."""
    rng, job = (
        np.random.default_rng([seed, zlib.crc32(run.encode())]),
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


def make(root, name="small", facts=None, **settings):
    """Make results/<name> and the files that it is made of, in the working directory `root`; return the study."""
    base = yaml.safe_load((root / "config/config.yaml").read_text())
    small = {"study": name, "protocols": ["samm-3"], "table_protocols": [], "methods": ["majority", "flow-svm"]}
    small |= {"tables": ["leaderboard", "comparisons"], "leave_out": {}, "readme": False}
    study = Study(base | small | settings, root)
    for protocol in study.protocols:
        card = study.project.protocols[protocol]
        table = clips(card.datasets[0], list(card.classes))
        with sealed(study.protocol_path(protocol)) as part:
            table.to_csv(part, index=False)
        for run in [run for run in study.runs if run in study.methods and not study.why_not(protocol, run)]:
            for seed in study.settings.seeds:
                train(study, protocol, run, table, seed, **(facts or {}))
        for run in [run for run in study.given_logs if not study.why_not(protocol, run)]:
            job, (output,) = study.job(protocol, run) | {"seed": 0}, study.predictions(protocol, run)
            paths = {"log": study.log_file(run), "protocol": study.protocol_path(protocol), "output": output}
            import_log(job=job, folds=list(dict.fromkeys(table["fold"])), **paths)
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
    with sealed(path) as part:
        part.write_bytes(Path(path).read_bytes())
        rewrite(part, pd.read_parquet(path), **changes)


def rewrite(path, frame, **changes):
    """Write a predictions file anew with other rows; `changes` go into its record."""
    record = json.loads(pyarrow.parquet.read_schema(path).metadata[b"apexbench"]) | changes
    meta = {b"apexbench": json.dumps(record, sort_keys=True).encode()}
    table = pyarrow.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(meta)
    pyarrow.parquet.write_table(table, path, compression="zstd")
