"""Draw onset, apex, flow and strain of the clip that moves most of one subject."""

from apexbench.jobs import job, time_limit
from apexbench.stages.flow_picture import flow_picture

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    flow_picture(
        crops=list(snakemake.input.crops),
        flow=list(snakemake.input.flow),
        output=snakemake.output[0],
        title=snakemake.params.title,
    )
