"""Gather all subjects of a data set into the file that training jobs read."""

from apexbench.jobs import job
from apexbench.stages.packs import pack

with job(snakemake.log[0], snakemake.threads):
    pack(list(snakemake.input), snakemake.params.recipe, snakemake.output[0])
