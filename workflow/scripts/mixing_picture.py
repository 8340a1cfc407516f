"""Draw what a run mixes and where its model looks, for some clips of the first fold's test subject."""

from apexbench.jobs import job
from apexbench.stages.mixing import mixing_picture
from apexbench.training.device import lease
from apexbench.training.run import Job

with job(snakemake.log[0], snakemake.threads), lease(snakemake.resources.get("gpu", 0)) as device:
    mixing_picture(
        Job(**snakemake.params.job),
        snakemake.input.protocol,
        {role: list(snakemake.input.get(role)) for role in snakemake.params.roles},
        snakemake.output[0],
        snakemake.params.title,
        device,
        weights=snakemake.params.weights,
    )
