"""Draw onset, apex, flow and strain of the clip that moves most of one subject."""

from apexbench.jobs import job
from apexbench.stages.flow_picture import flow_picture

with job(snakemake.log[0], snakemake.threads):
    flow_picture(
        crops=list(snakemake.input.crops),
        flow=list(snakemake.input.flow),
        output=snakemake.output[0],
        title=snakemake.params.title,
    )
