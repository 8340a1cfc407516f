"""Run a pack of frames through a ResNet up to a named layer."""

from apexbench.jobs import job
from apexbench.stages.features import feature_pack
from apexbench.training.device import lease

with job(snakemake.log[0], snakemake.threads), lease(snakemake.resources.get("gpu", 0)) as device:
    feature_pack(snakemake.input[0], snakemake.params.recipe, snakemake.output[0], device)
