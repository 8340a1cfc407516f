"""Draw what a method that learns nothing scores on MEGC2019's official counts, beside the published scores."""

from apexbench.jobs import job, time_limit
from apexbench.stages.official_null import official_null

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    official_null(
        card=snakemake.params.card,
        printed=list(snakemake.input.printed),
        selection=snakemake.input.selection,
        measured=snakemake.input.measured,
        svg=snakemake.output.svg,
        csv=snakemake.output.csv,
        words=snakemake.output.words,
    )
