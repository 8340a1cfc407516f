"""Gather the flow maps that a data set is given as into the file that training jobs read."""

from apexbench.jobs import job
from apexbench.stages.packs import pack_maps

with job(snakemake.log[0], snakemake.threads):
    pack_maps(snakemake.input.index, snakemake.input.maps, snakemake.params.recipe, snakemake.output[0])
