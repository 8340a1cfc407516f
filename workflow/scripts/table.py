"""Build one table in all formats."""

from apexbench.jobs import job
from apexbench.stages.results import make_table

with job(snakemake.log[0], snakemake.threads):
    make_table(
        snakemake.wildcards.table,
        snakemake.params.card,
        list(snakemake.input.get("scores", [])),
        snakemake.params.published,
        snakemake.params.protocols,
        snakemake.params.methods,
        snakemake.params.benchmarks,
        list(snakemake.output),
    )
