"""Rewrite the README's table blocks."""

from apexbench.jobs import job, time_limit
from apexbench.stages.readme import rewrite_readme

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    rewrite_readme(
        readme=snakemake.input.readme,
        tables=list(snakemake.input.tables),
    )
