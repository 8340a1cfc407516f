"""Draw the rows of a published table over the number in their names."""

from apexbench.jobs import job
from apexbench.stages.results import curve_figure

with job(snakemake.log[0], snakemake.threads):
    curve_figure(
        snakemake.input[0],
        snakemake.wildcards.table,
        snakemake.params.card,
        snakemake.params.title,
        snakemake.output[0],
    )
