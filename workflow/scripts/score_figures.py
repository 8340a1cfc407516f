"""Draw the confusion matrices and learning curves of one protocol."""

from apexbench.jobs import job
from apexbench.stages.results import protocol_figures

with job(snakemake.log[0], snakemake.threads):
    protocol_figures(
        snakemake.params.runs,
        snakemake.input.scores,
        snakemake.params.classes,
        snakemake.params.title,
        snakemake.output.confusion,
        snakemake.output.curves,
    )
