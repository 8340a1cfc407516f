# Weights by timm tag, fetched once: jobs on other machines need no network.


rule weights:
    """Fetch pretrained weights by their timm tag."""
    output:
        "results/weights/{tag}.safetensors",
    log:
        "results/logs/weights/{tag}.log",
    benchmark:
        "results/benchmarks/weights/{tag}.tsv"
    priority: 10
    localrule: True
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("weights"),
    params:
        code=STUDY.code("weights"),
        wanted_by=ask("wanting_weights"),
    script:
        "../workflow/scripts/weights.py"
