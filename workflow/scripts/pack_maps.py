"""Gather the flow maps that a data set is given as into the file that training jobs read."""

from apexbench.jobs import job, time_limit
from apexbench.stages.pack_maps import pack_maps

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    pack_maps(
        index=snakemake.input.index,
        maps=snakemake.input.maps,
        recipe=snakemake.params.recipe,
        axes=snakemake.params.axes,
        output=snakemake.output[0],
    )
