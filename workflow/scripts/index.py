"""Read one release's annotation and frames into the index that all stages share."""

from apexbench.jobs import job
from apexbench.stages.clips import index_dataset

with job(snakemake.log[0], snakemake.threads):
    index_dataset(
        snakemake.wildcards.dataset,
        snakemake.input[0],
        snakemake.params.subjects,
        snakemake.output.index,
        snakemake.output.findings,
        snakemake.params.strict,
        **snakemake.params.annotation,
    )
