"""Draw the first crops of a data set on one sheet."""

from apexbench.jobs import job
from apexbench.stages.crop_sheet import crop_sheet

with job(snakemake.log[0], snakemake.threads):
    crop_sheet(
        shards=list(snakemake.input),
        output=snakemake.output[0],
        title=snakemake.params.title,
    )
