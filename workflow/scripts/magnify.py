"""Magnify the motion in some subjects' frames."""

from apexbench.jobs import job
from apexbench.stages.magnify import magnify
from apexbench.training.device import lease

with job(snakemake.log[0], snakemake.threads), lease(snakemake.resources.get("gpu", 0)) as device:
    magnify(shard=snakemake.input[0], recipe=snakemake.params.recipe, output=snakemake.output[0], device=device)
