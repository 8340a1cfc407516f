"""Magnify the motion in some subjects' frames."""

from apexbench.jobs import job, time_limit
from apexbench.stages.magnify import magnify
from apexbench.training.device import lease

resources = snakemake.resources
with (
    job(snakemake.log[0], snakemake.threads),
    lease(resources.get("gpu", 0), resources.jobs_per_gpu) as device,
    time_limit(snakemake),
):
    magnify(
        shard=snakemake.input[0],
        recipe=snakemake.params.recipe,
        output=snakemake.output[0],
        device=device,
        code=snakemake.params.code,
    )
