"""Score all runs of one protocol, after the last and after every epoch, and compare them with the best of them."""

from apexbench.jobs import job, time_limit
from apexbench.stages.scores import score_protocol

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    score_protocol(
        runs=snakemake.params.runs,
        inner=snakemake.params.inner,
        skipped=snakemake.params.skipped,
        compared=snakemake.params.compared,
        by_epoch=snakemake.params.by_epoch,
        card=snakemake.params.card,
        protocol=snakemake.params.protocol,
        seed=snakemake.params.seed,
        scores=snakemake.output.scores,
        comparisons=snakemake.output.comparisons,
        curves=snakemake.output.curves,
    )
