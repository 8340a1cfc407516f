"""Read the predictions of a run that was trained elsewhere."""

from apexbench.jobs import job
from apexbench.stages.logs import import_log

with job(snakemake.log[0], snakemake.threads):
    import_log(
        snakemake.params.job,
        snakemake.input.predictions,
        snakemake.input.protocol,
        snakemake.params.folds,
        snakemake.output[0],
    )
