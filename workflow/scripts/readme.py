"""Rewrite the README's table blocks."""

from apexbench.jobs import job
from apexbench.stages.results import rewrite_readme

with job(snakemake.log[0], snakemake.threads):
    rewrite_readme(snakemake.input.readme, list(snakemake.input.tables))
