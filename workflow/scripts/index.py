"""Read one release's annotation and frames into the index that all stages share."""

from apexbench.jobs import job, time_limit
from apexbench.stages.index import index_dataset

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    index_dataset(
        dataset=snakemake.wildcards.dataset,
        root=snakemake.input[0],
        subjects=snakemake.params.subjects,
        output=snakemake.output.index,
        findings=snakemake.output.findings,
        strict=snakemake.params.strict,
        **snakemake.params.annotation,
    )
