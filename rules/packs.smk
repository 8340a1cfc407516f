# Shards of all subjects -> one file for each data set and input recipe: what a training job reads.


rule pack:
    """Gather a recipe's files of all subjects into one, as methods read it."""
    input:
        ask("pack_inputs"),
    output:
        "results/packs/{dataset}/{recipe}.safetensors",
    log:
        "results/logs/pack/{dataset}/{recipe}.log",
    benchmark:
        "results/benchmarks/pack/{dataset}/{recipe}.tsv"
    conda:
        CONDA
    resources:
        mem_mb=1000,
        runtime=SETTINGS.minutes("pack"),
    params:
        code=ask("pack_code"),
        recipe=ask("pack_recipe"),
        axes=ask("pack_axes"),
    script:
        "../workflow/scripts/pack.py"


rule pack_maps:
    """Gather flow maps that are given as pictures."""
    input:
        unpack(own("map_inputs")),
    output:
        "results/packs/{dataset}/{recipe}.safetensors",
    log:
        "results/logs/pack_maps/{dataset}/{recipe}.log",
    benchmark:
        "results/benchmarks/pack_maps/{dataset}/{recipe}.tsv"
    wildcard_constraints:
        dataset=any_of(STUDY.given_maps),
    conda:
        CONDA
    resources:
        mem_mb=1000,
        runtime=SETTINGS.minutes("pack_maps"),
    params:
        code=STUDY.code("pack_maps"),
        recipe=ask("recipe"),
        axes=ask("pack_axes"),
    script:
        "../workflow/scripts/pack_maps.py"


ruleorder: pack_maps > pack
