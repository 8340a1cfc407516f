# Per-fold training: one job takes a range of folds of one run and writes the predictions of every epoch.


rule train:
    input:
        unpack(training_packs),
        protocol="results/protocols/{protocol}.csv",
    output:
        "results/{study}/runs/{protocol}/{run}/seed{seed}/folds{folds}.parquet",
    log:
        "results/logs/train/{study}/{protocol}/{run}/seed{seed}/folds{folds}.log",
    benchmark:
        "results/benchmarks/train/{study}/{protocol}/{run}/seed{seed}/folds{folds}.tsv"
    wildcard_constraints:
        folds=r"\d+-\d+",
    conda:
        CONDA
    threads: 1
    resources:
        gpu=training_gpus,
        mem_mb=3000,
    params:
        job=training_job,
        folds=training_folds,
        roles=training_roles,
    script:
        "../workflow/scripts/train.py"
