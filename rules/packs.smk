# Shards of all subjects -> one file for each data set and input recipe: what a training job reads.


rule pack:
    input:
        packed_shards,
    output:
        "results/packs/{dataset}/{recipe}.safetensors",
    log:
        "results/logs/pack/{dataset}/{recipe}.log",
    benchmark:
        "results/benchmarks/pack/{dataset}/{recipe}.tsv"
    conda:
        CONDA
    resources:
        mem_mb=3000,
    params:
        code=script_code("pack"),
        recipe=pack_recipe,
    script:
        "../workflow/scripts/pack.py"
