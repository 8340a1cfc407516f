"""Build one table in all formats."""

from apexbench.jobs import job
from apexbench.stages.results import make_table

with job(snakemake.log[0], snakemake.threads):
    make_table(
        snakemake.wildcards.table,
        snakemake.params.card,
        partial=snakemake.params.partial,
        outputs=list(snakemake.output),
        **snakemake.params.sources,
    )
