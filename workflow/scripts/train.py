"""Train a range of folds of one run and write the predictions of every epoch."""

from apexbench.jobs import job, time_limit
from apexbench.training.device import lease
from apexbench.training.record import Job
from apexbench.training.run import run_folds

run, wildcards, resources = snakemake.params.run, snakemake.wildcards, snakemake.resources
first, last = map(int, wildcards.folds.split("-"))
with (
    job(snakemake.log[0], snakemake.threads),
    lease(resources.get("gpu", 0), resources.jobs_per_gpu) as device,
    time_limit(snakemake),
):
    run_folds(
        job=Job(**run["job"], seed=int(wildcards.seed)),
        protocol=snakemake.input.protocol,
        packs={role: list(snakemake.input.get(role)) for role in run["roles"]},
        folds=run["folds"][first : last + 1],
        output=snakemake.output[0],
        device=device,
        inner_folds=snakemake.params.inner_folds,
        weights=dict(zip(run["weights"], snakemake.input.get("weights", []), strict=True)),
        people_of=run["people_of"],
    )
