# Packs of frames -> ResNet features up to a named layer.


rule features:
    input:
        feature_pack_input,
        weights=feature_weights,
    output:
        "results/features/{dataset}/{recipe}.safetensors",
    log:
        "results/logs/features/{dataset}/{recipe}.log",
    benchmark:
        "results/benchmarks/features/{dataset}/{recipe}.tsv"
    conda:
        CONDA
    resources:
        gpu=1,
        mem_mb=3000,
    params:
        code=script_code("features"),
        recipe=feature_recipe,
    script:
        "../workflow/scripts/features.py"
