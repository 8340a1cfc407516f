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


rule pack_maps:
    input:
        unpack(map_source),
    output:
        "results/packs/{dataset}/{recipe}.safetensors",
    log:
        "results/logs/pack_maps/{dataset}/{recipe}.log",
    benchmark:
        "results/benchmarks/pack_maps/{dataset}/{recipe}.tsv"
    wildcard_constraints:
        dataset=GIVEN_MAPS,
    conda:
        CONDA
    resources:
        mem_mb=1000,
    params:
        code=script_code("pack_maps"),
        recipe=pack_recipe,
    script:
        "../workflow/scripts/pack_maps.py"


ruleorder: pack_maps > pack
