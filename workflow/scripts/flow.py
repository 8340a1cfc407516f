"""Compute onset-to-apex flow and strain of one subject's clips."""

from apexbench.jobs import job
from apexbench.stages.flow import flow_subject

with job(snakemake.log[0], snakemake.threads):
    flow_subject(snakemake.input[0], snakemake.params.recipe, snakemake.output[0])
