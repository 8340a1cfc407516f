"""Build one table in all formats."""

from apexbench.jobs import job, time_limit
from apexbench.stages.table import make_table

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    make_table(
        name=snakemake.wildcards.table,
        card=snakemake.params.card,
        partial=snakemake.params.partial,
        outputs=[path for name, path in snakemake.output.items() if name != "short"],
        short=snakemake.output.short,
        **snakemake.params.sources,
    )
