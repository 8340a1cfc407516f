"""Choose the clips, labels and folds of one protocol."""

from apexbench.jobs import job, time_limit
from apexbench.stages.protocol import protocol_table

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    protocol_table(
        name=snakemake.wildcards.protocol,
        card=snakemake.params.card,
        indexes=list(snakemake.input.indexes),
        findings=list(snakemake.input.findings),
        output=snakemake.output.table,
        counts_output=snakemake.output.counts,
        strict=snakemake.params.strict,
    )
