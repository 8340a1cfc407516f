"""Render the synthetic clips of one data set in its release's layout."""

from apexbench.jobs import job
from apexbench.stages.rendering import render_dataset

with job(snakemake.log[0], snakemake.threads):
    render_dataset(
        snakemake.wildcards.dataset,
        snakemake.params.release,
        snakemake.params.plan,
        snakemake.output.clips,
        snakemake.output.truth,
        seed=snakemake.params.seed,
        scale=snakemake.params.scale,
    )
