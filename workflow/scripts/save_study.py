"""Save the configuration of a study beside its results."""

from apexbench.jobs import job, time_limit
from apexbench.stages.save_study import save_study

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    save_study(settings=snakemake.params.settings, output=snakemake.output[0])
