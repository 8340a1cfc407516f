# Raw clips -> index -> protocol tables. Where there is no licensed copy, clips are rendered first.


rule render:
    output:
        clips=directory("results/synthetic/{dataset}/clips"),
        truth="results/synthetic/{dataset}/truth.safetensors",
    log:
        "results/logs/render/{dataset}.log",
    benchmark:
        "results/benchmarks/render/{dataset}.tsv"
    conda:
        CONDA
    resources:
        mem_mb=2000,
    params:
        code=script_code("render"),
        plan=render_plan,
        scale=SETTINGS.scale,
        seed=SETTINGS.study_seed,
    script:
        "../workflow/scripts/render.py"


rule index:
    input:
        clips_root,
    output:
        "results/index/{dataset}.csv",
    log:
        "results/logs/index/{dataset}.log",
    benchmark:
        "results/benchmarks/index/{dataset}.tsv"
    conda:
        CONDA
    params:
        code=script_code(
            "index",
            "apexbench.datasets.casme2",
            "apexbench.datasets.samm",
            "apexbench.datasets.smic",
            "apexbench.datasets.mmew",
        ),
        subjects=index_subjects,
        annotation=annotation,
    script:
        "../workflow/scripts/index.py"


rule protocol:
    input:
        protocol_indexes,
    output:
        "results/protocols/{protocol}.csv",
    log:
        "results/logs/protocol/{protocol}.log",
    benchmark:
        "results/benchmarks/protocol/{protocol}.tsv"
    conda:
        CONDA
    params:
        code=script_code("protocol"),
        card=protocol_card,
    script:
        "../workflow/scripts/protocol.py"
