"""Read the predictions of a run that was trained elsewhere."""

from apexbench.jobs import job
from apexbench.stages.import_log import import_log

with job(snakemake.log[0], snakemake.threads):
    import_log(
        job=snakemake.params.job,
        log=snakemake.input.predictions,
        protocol=snakemake.input.protocol,
        folds=snakemake.params.folds,
        output=snakemake.output[0],
    )
