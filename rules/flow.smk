# Frames, magnified or not -> flow and strain, by recipe.


rule flow:
    """Compute optical flow and strain."""
    input:
        ask("shard_below"),
    output:
        "results/flow/{dataset}/{recipe}/{part}.safetensors",
    log:
        "results/logs/flow/{dataset}/{recipe}/{part}.log",
    benchmark:
        "results/benchmarks/flow/{dataset}/{recipe}/{part}.tsv"
    conda:
        CONDA
    resources:
        mem_mb=2000,
        runtime=SETTINGS.minutes("flow"),
    params:
        code=STUDY.code("flow"),
        recipe=ask("recipe"),
    script:
        "../workflow/scripts/flow.py"


rule flow_picture:
    """Draw the flow of one clip."""
    input:
        unpack(ask("pictured_shards")),
    output:
        report(
            "results/{study}/figures/flow-{dataset}-{recipe}.jpg",
            caption="../workflow/report/flow_picture.rst",
            category=CHAPTERS["data"],
            labels=labelled("flow_title"),
        ),
        pdf="results/{study}/figures/flow-{dataset}-{recipe}.pdf",
    log:
        "results/logs/flow_picture/{study}/{dataset}/{recipe}.log",
    benchmark:
        "results/benchmarks/flow_picture/{study}/{dataset}/{recipe}.tsv"
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("flow_picture"),
    params:
        code=STUDY.code("flow_picture"),
        title=ask("flow_head"),
    script:
        "../workflow/scripts/flow_picture.py"


use rule flow_picture as flow_picture_licensed with:
    output:
        "results/{study}/figures-licensed/flow-{dataset}-{recipe}.jpg",
        pdf="results/{study}/figures-licensed/flow-{dataset}-{recipe}.pdf",
