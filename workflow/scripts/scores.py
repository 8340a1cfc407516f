"""Score all runs of one protocol, and compare them with the best of them."""

from apexbench.jobs import job
from apexbench.stages.results import score_protocol

with job(snakemake.log[0], snakemake.threads):
    score_protocol(
        snakemake.params.runs,
        snakemake.params.inner,
        snakemake.params.skipped,
        snakemake.params.compared,
        snakemake.params.card,
        snakemake.params.protocol,
        snakemake.params.seed,
        snakemake.output.scores,
        snakemake.output.comparisons,
    )
