"""Draw the onset crops of a data set on one sheet."""

from apexbench.jobs import job
from apexbench.stages.pictures import crop_sheet

with job(snakemake.log[0], snakemake.threads):
    crop_sheet(list(snakemake.input), snakemake.output[0], snakemake.params.title)
