"""Render the synthetic clips of one data set in its release's layout."""

from apexbench.jobs import job, time_limit
from apexbench.stages.render import render_dataset

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    render_dataset(
        dataset=snakemake.wildcards.dataset,
        release=snakemake.params.release,
        plan=snakemake.params.plan,
        root=snakemake.output.clips,
        truth=snakemake.output.truth,
        seed=snakemake.params.seed,
        scale=snakemake.params.scale,
    )
