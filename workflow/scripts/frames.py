"""Crop the chosen frames of some subjects' clips."""

from apexbench.jobs import job, time_limit
from apexbench.stages.frames import crop_frames

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    crop_frames(
        index=snakemake.input.index,
        clips=snakemake.input.clips,
        faces=snakemake.input.get("faces"),
        subjects=snakemake.params.subjects,
        recipe=snakemake.params.recipe,
        output=snakemake.output[0],
        code=snakemake.params.code,
    )
