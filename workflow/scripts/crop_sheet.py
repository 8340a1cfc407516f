"""Draw the first crops of a data set on one sheet."""

from apexbench.jobs import job, time_limit
from apexbench.stages.crop_sheet import crop_sheet

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    crop_sheet(
        shards=list(snakemake.input),
        output=snakemake.output[0],
        title=snakemake.params.title,
    )
