"""Fetch weights by timm tag into a file."""

from apexbench.jobs import job, time_limit
from apexbench.stages.weights import fetch_weights

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    fetch_weights(
        tag=snakemake.wildcards.tag,
        output=snakemake.output[0],
        wanted_by=snakemake.params.wanted_by,
    )
