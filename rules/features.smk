# Frames or flow -> one row of features for each clip, by recipe: computed once for all protocols, seeds and folds.


rule features:
    input:
        ask("shard_below"),
        weights=own("feature_weights"),
    output:
        "results/features/{dataset}/{recipe}/{part}.safetensors",
    log:
        "results/logs/features/{dataset}/{recipe}/{part}.log",
    benchmark:
        "results/benchmarks/features/{dataset}/{recipe}/{part}.tsv"
    conda:
        CONDA
    resources:
        gpu=ask("feature_gpus"),
        mem_mb=3000,
    params:
        code=ask("features_code"),
        recipe=here("feature_card"),
    script:
        "../workflow/scripts/features.py"
