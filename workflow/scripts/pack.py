"""Gather all subjects of a data set into the file that training jobs read."""

from apexbench.jobs import job, time_limit
from apexbench.stages.pack import pack

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    pack(
        shards=list(snakemake.input),
        recipe=snakemake.params.recipe,
        axes=snakemake.params.axes,
        output=snakemake.output[0],
    )
