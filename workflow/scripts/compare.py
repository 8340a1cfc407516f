"""Compare the runs of one protocol with the best of them."""

from apexbench.jobs import job
from apexbench.stages.results import compare_protocol

with job(snakemake.log[0], snakemake.threads):
    compare_protocol(snakemake.params.runs, snakemake.params.card, snakemake.params.seed, snakemake.output[0])
