"""Read the predictions of a run that was trained elsewhere."""

from apexbench.jobs import job, time_limit
from apexbench.stages.import_log import import_log

run, wildcards = snakemake.params.run, snakemake.wildcards
first, last = map(int, wildcards.folds.split("-"))
with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    import_log(
        job=run["job"] | {"seed": int(wildcards.seed)},
        log=snakemake.input.predictions,
        protocol=snakemake.input.protocol,
        folds=run["folds"][first : last + 1],
        output=snakemake.output[0],
    )
