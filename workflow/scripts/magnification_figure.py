"""Draw one clip's apex, magnified by several arms and factors."""

from apexbench.jobs import job, time_limit
from apexbench.stages.magnification_figure import magnification_figure

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    magnification_figure(
        dataset=snakemake.wildcards.dataset,
        index=snakemake.input.index,
        clips=snakemake.input.clips,
        faces=list(snakemake.input.get("faces", [])),
        frames=snakemake.params.frames,
        arms=snakemake.params.arms,
        truth=snakemake.params.truth,
        output=snakemake.output[0],
        title=snakemake.params.title,
    )
