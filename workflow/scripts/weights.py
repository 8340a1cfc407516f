"""Fetch weights by timm tag into a file."""

from apexbench.jobs import job
from apexbench.weights import save

with job(snakemake.log[0], snakemake.threads):
    save(snakemake.wildcards.tag, snakemake.output[0], snakemake.params.wanted_by)
