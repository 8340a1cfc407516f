from snakemake.utils import min_version

min_version("9.19")


configfile: "config/config.yaml"


# GPUs are counted on one machine; on a cluster every job asks for its own.
resource_scopes:
    gpu="local",


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/clips.smk"
include: "rules/frames.smk"
include: "rules/flow.smk"
include: "rules/packs.smk"
include: "rules/weights.smk"
include: "rules/features.smk"
include: "rules/pretraining.smk"
include: "rules/training.smk"
include: "rules/scores.smk"
include: "rules/tables.smk"


rule all:
    """Make everything of the study: tables, figures, README."""
    default_target: True
    input:
        f"results/{STUDY.name}/README.md",
        local(f"results/{STUDY.name}/study.yaml"),
        STUDY.figures(),
    localrule: True


onstart:
    for path in [*clear_unfinished("results"), *clear_unfinished(ROOT, deep=False)]:
        print(f"Cleared what a killed job had left half-written: {path}", file=sys.stderr)


onsuccess:
    print(f"Tables: results/{STUDY.name}/tables/")
    if not SETTINGS.only:
        print(f"Report: apexbench report {STUDY.name}")
