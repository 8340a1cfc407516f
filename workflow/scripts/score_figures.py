"""Draw the confusion matrices and learning curves of one protocol, and the null model."""

from apexbench.jobs import job, time_limit
from apexbench.stages.score_figures import protocol_figures

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    protocol_figures(
        scores=snakemake.input.scores,
        by_epoch_scores=snakemake.input.curves,
        protocol=snakemake.input.protocol,
        classes=snakemake.params.classes,
        titles=snakemake.params.titles,
        by_epoch=snakemake.params.by_epoch,
        title=snakemake.params.title,
        confusion=snakemake.output.confusion,
        curves=snakemake.output.curves,
        null=snakemake.output.null,
    )
