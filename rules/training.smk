# Per-fold training: one job takes a range of folds of one run and writes the predictions of every epoch.


rule train:
    input:
        unpack(training_packs),
        protocol="results/protocols/{protocol}.csv",
        weights=training_weights,
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
        mem_mb=training_memory,
    params:
        job=training_job,
        folds=training_folds,
        inner_folds=0,
        roles=training_roles,
        weights=training_weights_by_name,
        people_of=people_of,
    script:
        "../workflow/scripts/train.py"


# Models on parts of each fold's training subjects: by their scores the rule `inner` selects an epoch, unseen the test.
use rule train as train_inner with:
    output:
        "results/{study}/inner/{protocol}/{run}/seed{seed}/folds{folds}.parquet",
    log:
        "results/logs/train_inner/{study}/{protocol}/{run}/seed{seed}/folds{folds}.log",
    benchmark:
        "results/benchmarks/train_inner/{study}/{protocol}/{run}/seed{seed}/folds{folds}.tsv"
    params:
        job=training_job,
        folds=training_folds,
        inner_folds=SETTINGS.inner_folds,
        roles=training_roles,
        weights=training_weights_by_name,
        people_of=people_of,


# A run that was trained elsewhere and is given as a log of predictions.
rule import_log:
    input:
        predictions=log_file,
        protocol="results/protocols/{protocol}.csv",
    output:
        "results/{study}/runs/{protocol}/{run}/seed{seed}/folds{folds}.parquet",
    log:
        "results/logs/import_log/{study}/{protocol}/{run}/seed{seed}/folds{folds}.log",
    benchmark:
        "results/benchmarks/train/{study}/{protocol}/{run}/seed{seed}/folds{folds}.tsv"
    wildcard_constraints:
        run=GIVEN_LOGS,
    conda:
        CONDA
    params:
        job=training_job,
        folds=training_folds,
    script:
        "../workflow/scripts/import_log.py"


ruleorder: import_log > train


rule mixing_picture:
    input:
        unpack(training_packs),
        protocol="results/protocols/{protocol}.csv",
        weights=training_weights,
    output:
        report(
            "results/{study}/figures/mixing-{protocol}-{run}.png",
            caption="../workflow/report/mixing.rst",
            category="Motion",
            labels={"protocol": "{protocol}", "run": "{run}", "figure": "mixing and attention"},
        ),
    log:
        "results/logs/mixing_picture/{study}/{protocol}/{run}.log",
    benchmark:
        "results/benchmarks/mixing_picture/{study}/{protocol}/{run}.tsv"
    wildcard_constraints:
        protocol="|".join(sorted(SETTINGS.protocols, key=len, reverse=True)),
    conda:
        CONDA
    resources:
        gpu=training_gpus,
        mem_mb=training_memory,
    params:
        code=script_code("mixing_picture"),
        job=mixing_job,
        roles=training_roles,
        weights=training_weights_by_name,
        title=mixing_title,
    script:
        "../workflow/scripts/mixing_picture.py"


use rule mixing_picture as mixing_picture_licensed with:
    output:
        "results/{study}/figures-licensed/mixing-{protocol}-{run}.png",
