"""Choose the clips, labels and folds of one protocol."""

from apexbench.jobs import job
from apexbench.stages.clips import protocol_table

with job(snakemake.log[0], snakemake.threads):
    protocol_table(
        snakemake.wildcards.protocol,
        snakemake.params.card,
        list(snakemake.input.indexes),
        list(snakemake.input.findings),
        snakemake.output.table,
        snakemake.output.counts,
        snakemake.params.strict,
    )
