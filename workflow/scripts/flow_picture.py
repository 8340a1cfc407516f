"""Draw onset, apex, flow and strain of the clip that moves most of one subject."""

from apexbench.jobs import job
from apexbench.stages.pictures import flow_picture

with job(snakemake.log[0], snakemake.threads):
    flow_picture(list(snakemake.input.crops), list(snakemake.input.flow), snakemake.output[0], snakemake.params.title)
