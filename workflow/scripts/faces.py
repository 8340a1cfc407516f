"""Detect, align and crop the faces of one subject's clips."""

from apexbench.jobs import job
from apexbench.stages.faces import crop_subject

with job(snakemake.log[0], snakemake.threads):
    crop_subject(
        snakemake.input.index,
        int(snakemake.wildcards.subject),
        snakemake.input.clips,
        snakemake.params.card,
        snakemake.params.missing_face,
        snakemake.output[0],
    )
