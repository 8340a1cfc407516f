"""Train a range of folds of one run and write the predictions of every epoch."""

from apexbench.jobs import job, time_limit
from apexbench.training.device import lease
from apexbench.training.record import Job
from apexbench.training.run import run_folds

with (
    job(snakemake.log[0], snakemake.threads),
    lease(snakemake.resources.get("gpu", 0)) as device,
    time_limit(snakemake.resources.runtime),
):
    run_folds(
        job=Job(**snakemake.params.job),
        protocol=snakemake.input.protocol,
        packs={role: list(snakemake.input.get(role)) for role in snakemake.params.roles},
        folds=snakemake.params.folds,
        output=snakemake.output[0],
        device=device,
        inner_folds=snakemake.params.inner_folds,
        weights=snakemake.params.weights,
        people_of=snakemake.params.people_of,
    )
