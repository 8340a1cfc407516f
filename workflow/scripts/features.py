"""Compute the features of some subjects' clips."""

from apexbench.jobs import job, time_limit
from apexbench.stages.features import features
from apexbench.training.device import lease

resources = snakemake.resources
with (
    job(snakemake.log[0], snakemake.threads),
    lease(resources.get("gpu", 0), resources.jobs_per_gpu) as device,
    time_limit(snakemake),
):
    features(
        shard=snakemake.input.shard,
        frames=snakemake.input.get("frames"),
        recipe=snakemake.params.recipe,
        missing_face=snakemake.params.missing_face,
        output=snakemake.output[0],
        device=device,
        code=snakemake.params.code,
        pack=snakemake.params.pack,
        people=snakemake.params.people,
    )
