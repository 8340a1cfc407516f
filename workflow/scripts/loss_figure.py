"""Draw the losses by epoch of some runs, on training and test clips."""

from apexbench.jobs import job, time_limit
from apexbench.stages.loss_figure import loss_figure

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    loss_figure(
        runs=snakemake.params.runs,
        jobs=snakemake.params.jobs,
        titles=snakemake.params.titles,
        title=snakemake.params.title,
        output=snakemake.output[0],
    )
