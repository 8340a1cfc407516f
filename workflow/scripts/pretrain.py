"""Train a task of pre-training for a range of folds, or once for all."""

from apexbench.jobs import job, time_limit
from apexbench.stages.pretrain import pretrain
from apexbench.training.device import lease

resources = snakemake.resources
with (
    job(snakemake.log[0], snakemake.threads),
    lease(resources.get("gpu", 0), resources.jobs_per_gpu) as device,
    time_limit(snakemake),
):
    pretrain(
        job=snakemake.params.job,
        packs={role: list(snakemake.input.get(role)) for role in snakemake.params.roles},
        output=snakemake.output[0],
        protocol=snakemake.input.get("protocol", ""),
        folds=snakemake.params.folds,
        indexes=list(snakemake.input.get("indexes", [])),
        weights=snakemake.params.weights,
        people_of=snakemake.params.people_of,
        device=device,
    )
