"""Magnify the motion in some subjects' frames."""

from apexbench.jobs import job
from apexbench.stages.magnify import magnify

with job(snakemake.log[0], snakemake.threads):
    magnify(shard=snakemake.input[0], recipe=snakemake.params.recipe, output=snakemake.output[0])
