"""Write the README of the study and, if it is shown there, the project's README and pages."""

from apexbench.jobs import job, time_limit
from apexbench.stages.readme import write_readme

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    shown = list(snakemake.input.readme)
    write_readme(**snakemake.params.sources, readme=shown[0] if shown else "", output=snakemake.output[0])
