"""Draw the confusion matrices and learning curves of one protocol, and the null model."""

from apexbench.jobs import job
from apexbench.stages.results import protocol_figures

with job(snakemake.log[0], snakemake.threads):
    protocol_figures(
        snakemake.params.runs,
        snakemake.input.scores,
        snakemake.input.protocol,
        snakemake.params.classes,
        snakemake.params.title,
        snakemake.output.confusion,
        snakemake.output.curves,
        snakemake.output.null,
    )
