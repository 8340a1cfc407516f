"""Magnify the motion of one subject's crops."""

from apexbench.jobs import job
from apexbench.stages.magnification import magnify_subject

with job(snakemake.log[0], snakemake.threads):
    magnify_subject(snakemake.input[0], snakemake.params.recipe, snakemake.output[0])
