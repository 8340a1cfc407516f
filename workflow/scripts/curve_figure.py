"""Draw the rows of a published table over the number in their names."""

from apexbench.jobs import job, time_limit
from apexbench.stages.curve_figure import curve_figure

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    curve_figure(
        table=snakemake.input[0],
        name=snakemake.wildcards.table,
        card=snakemake.params.card,
        title=snakemake.params.title,
        printed=snakemake.params.printed,
        output=snakemake.output[0],
    )
