"""Write the README of the study and, if it is shown there, the project's README and pages."""

from apexbench.jobs import job
from apexbench.stages.readme import write_readme

with job(snakemake.log[0], snakemake.threads):
    shown = list(snakemake.input.readme)
    write_readme(**snakemake.params.sources, readme=shown[0] if shown else "", output=snakemake.output[0])
