"""Draw the mean ranks of the runs over all protocols, with the critical difference."""

from apexbench.jobs import job
from apexbench.stages.results import rank_figure

with job(snakemake.log[0], snakemake.threads):
    rank_figure(
        snakemake.params.scores,
        snakemake.params.runs,
        snakemake.params.multilabel,
        snakemake.params.title,
        snakemake.output[0],
    )
