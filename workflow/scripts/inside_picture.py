"""Draw a trained model at work, on some clips of the first fold's test subject."""

from apexbench.jobs import job, time_limit
from apexbench.stages.inside_picture import inside_picture
from apexbench.training.device import lease
from apexbench.training.record import Job

run, resources = snakemake.params.run, snakemake.resources
with (
    job(snakemake.log[0], snakemake.threads),
    lease(resources.get("gpu", 0), resources.jobs_per_gpu) as device,
    time_limit(snakemake),
):
    inside_picture(
        job=Job(**run["job"], seed=run["seed"]),
        protocol=snakemake.input.protocol,
        packs={role: list(snakemake.input.get(role)) for role in run["roles"]},
        output=snakemake.output[0],
        title=snakemake.params.title,
        device=device,
        weights=dict(zip(run["weights"], snakemake.input.get("weights", []), strict=True)),
        people_of=run["people_of"],
        pictures=list(snakemake.input.get("pictures", [])),
    )
