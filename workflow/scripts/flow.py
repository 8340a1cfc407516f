"""Compute flow and strain of some subjects' clips."""

from apexbench.jobs import job, time_limit
from apexbench.stages.flow import flow

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    flow(
        shard=snakemake.input[0],
        recipe=snakemake.params.recipe,
        output=snakemake.output[0],
        code=snakemake.params.code,
    )
