# Weights that cards name as {pretraining: <recipe>}: trained on the training side of each fold, or once for all.


rule pretrain:
    input:
        unpack(pretraining_packs),
        protocol="results/protocols/{protocol}.csv",
        weights=pretraining_weights,
    output:
        "results/pretrained/{recipe}/{protocol}/folds{folds}.safetensors",
    log:
        "results/logs/pretrain/{recipe}/{protocol}/folds{folds}.log",
    benchmark:
        "results/benchmarks/pretrain/{recipe}/{protocol}/folds{folds}.tsv"
    wildcard_constraints:
        recipe=PRETRAINING_NAMES,
        folds=r"\d+-\d+",
    conda:
        CONDA
    threads: 1
    resources:
        gpu=1,
        mem_mb=pretraining_memory,
    params:
        job=pretraining_job,
        folds=training_folds,
        roles=pretraining_roles,
        weights=pretraining_weights_by_name,
        people_of=people_of,
    script:
        "../workflow/scripts/pretrain.py"


rule pretrain_all:
    input:
        unpack(pretraining_packs),
        indexes=pretraining_indexes,
        weights=pretraining_weights,
    output:
        "results/pretrained/{recipe}/all.safetensors",
    log:
        "results/logs/pretrain_all/{recipe}.log",
    benchmark:
        "results/benchmarks/pretrain_all/{recipe}.tsv"
    wildcard_constraints:
        recipe=PRETRAINING_NAMES,
    conda:
        CONDA
    threads: 1
    resources:
        gpu=1,
        mem_mb=pretraining_memory,
    params:
        job=pretraining_job,
        folds=[],
        roles=pretraining_roles,
        weights=pretraining_weights_by_name,
        people_of=pretraining_people,
    script:
        "../workflow/scripts/pretrain.py"
