"""Draw a trained model at work, on some clips of the first fold's test subject."""

from apexbench.jobs import job, time_limit
from apexbench.stages.inside_picture import inside_picture
from apexbench.training.device import lease
from apexbench.training.record import Job

with (
    job(snakemake.log[0], snakemake.threads),
    lease(snakemake.resources.get("gpu", 0)) as device,
    time_limit(snakemake.resources.runtime),
):
    inside_picture(
        job=Job(**snakemake.params.job),
        protocol=snakemake.input.protocol,
        packs={role: list(snakemake.input.get(role)) for role in snakemake.params.roles},
        output=snakemake.output[0],
        title=snakemake.params.title,
        device=device,
        weights=snakemake.params.weights,
        people_of=snakemake.params.people_of,
    )
