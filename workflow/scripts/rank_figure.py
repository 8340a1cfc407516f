"""Draw the mean ranks of the runs over all protocols, with the critical difference."""

from apexbench.jobs import job, time_limit
from apexbench.stages.rank_figure import rank_figure

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    rank_figure(
        scores=snakemake.params.scores,
        titles=snakemake.params.titles,
        multilabel=snakemake.params.multilabel,
        title=snakemake.params.title,
        output=snakemake.output[0],
    )
