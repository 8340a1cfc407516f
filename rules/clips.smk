# Raw clips -> index -> protocol tables. Where there is no licensed copy, clips are rendered first.
# These rules go before all others: bad data or a class without clips stops a study before hours of work.


rule render:
    """Render the synthetic clips of a data set of which there is no licensed copy."""
    output:
        clips=directory("results/synthetic/{dataset}/clips"),
        truth="results/synthetic/{dataset}/truth.safetensors",
    log:
        "results/logs/render/{dataset}.log",
    benchmark:
        "results/benchmarks/render/{dataset}.tsv"
    priority: 10
    conda:
        CONDA
    resources:
        mem_mb=2000,
        runtime=SETTINGS.minutes("render"),
    params:
        code=STUDY.code("render"),
        release=ask("release"),
        plan=ask("render_plan"),
        scale=SETTINGS.scale,
        seed=SETTINGS.study_seed,
    script:
        "../workflow/scripts/render.py"


rule index:
    """Read a data set's annotation and frames into one row for each clip."""
    input:
        own("clips_root"),
    output:
        index="results/index/{dataset}.csv",
        findings="results/index/{dataset}.findings.csv",
    log:
        "results/logs/index/{dataset}.log",
    benchmark:
        "results/benchmarks/index/{dataset}.tsv"
    priority: 10
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("index"),
    params:
        code=ask("loader_code"),
        subjects=ask("subjects"),
        annotation=ask("annotation"),
        licensed=noticed("copy_state"),
        strict=SETTINGS.strict,
    script:
        "../workflow/scripts/index.py"


rule protocol:
    """Choose a protocol's clips, labels and folds, and compare their counts with the official ones."""
    input:
        indexes=ask("protocol_indexes"),
        findings=ask("protocol_findings"),
    output:
        table="results/protocols/{protocol}.csv",
        counts="results/protocols/{protocol}.counts.csv",
    log:
        "results/logs/protocol/{protocol}.log",
    benchmark:
        "results/benchmarks/protocol/{protocol}.tsv"
    priority: 10
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("protocol"),
    params:
        code=STUDY.code("protocol"),
        card=ask("protocol_card"),
        strict=SETTINGS.strict,
    script:
        "../workflow/scripts/protocol.py"
