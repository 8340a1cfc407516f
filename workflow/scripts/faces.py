"""Find the faces of some subjects' clips."""

from apexbench.jobs import job, time_limit
from apexbench.stages.faces import find_faces

with job(snakemake.log[0], snakemake.threads), time_limit(snakemake):
    find_faces(
        index=snakemake.input.index,
        clips=snakemake.input.clips,
        subjects=snakemake.params.subjects,
        detector=snakemake.wildcards.detector,
        missing_face=snakemake.params.missing_face,
        output=snakemake.output[0],
        code=snakemake.params.code,
    )
