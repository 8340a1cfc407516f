# Per-fold training: one job takes a range of folds of one run and writes the predictions of every epoch.


rule train:
    """Train a run on some folds and predict their test clips after every epoch."""
    input:
        unpack(own("training_inputs")),
        protocol="results/protocols/{protocol}.csv",
    output:
        "results/runs/{protocol}/{run}/{key}/seed{seed}/folds{folds}.parquet",
    log:
        "results/logs/train/{protocol}/{run}/{key}/seed{seed}/folds{folds}.log",
    benchmark:
        "results/benchmarks/train/{protocol}/{run}/{key}/seed{seed}/folds{folds}.tsv"
    conda:
        CONDA
    threads: 1
    resources:
        gpu=ask("training_gpus"),
        jobs_per_gpu=SETTINGS.jobs_per_gpu,
        mem_mb=ask("training_memory"),
        runtime=SETTINGS.minutes("train"),
    params:
        run=ask("training_run"),
        inner_folds=0,
        files=noticed_files("training_inputs"),
    script:
        "../workflow/scripts/train.py"


# Models on parts of each fold's training subjects: by their scores the rule `inner` selects an epoch, unseen the test.
use rule train as train_inner with:
    output:
        f"results/runs/{{protocol}}/{{run}}/{{key}}/seed{{seed}}/inner{SETTINGS.inner_folds}-folds{{folds}}.parquet",
    log:
        "results/logs/train_inner/{protocol}/{run}/{key}/seed{seed}/folds{folds}.log",
    benchmark:
        "results/benchmarks/train_inner/{protocol}/{run}/{key}/seed{seed}/folds{folds}.tsv"
    params:
        run=ask("training_run"),
        inner_folds=SETTINGS.inner_folds,
        files=noticed_files("training_inputs"),


# A run that was trained elsewhere and is given as a log of predictions.
rule import_log:
    """Read predictions that were made elsewhere."""
    input:
        predictions=own("log_file"),
        protocol="results/protocols/{protocol}.csv",
    output:
        "results/runs/{protocol}/{run}/{key}/seed{seed}/folds{folds}.parquet",
    log:
        "results/logs/import_log/{protocol}/{run}/{key}/seed{seed}/folds{folds}.log",
    benchmark:
        "results/benchmarks/train/{protocol}/{run}/{key}/seed{seed}/folds{folds}.tsv"
    wildcard_constraints:
        run=any_of(STUDY.given_logs),
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("import_log"),
    params:
        run=ask("training_run"),
        files=noticed_files("log_file"),
    script:
        "../workflow/scripts/import_log.py"


ruleorder: import_log > train


rule inside_picture:
    """Draw a trained model at work."""
    input:
        unpack(own("inside_inputs")),
        protocol="results/protocols/{protocol}.csv",
    output:
        report(
            "results/{study}/figures/inside-{protocol}-{run}.jpg",
            caption="../workflow/report/inside.rst",
            category=CHAPTERS["inside"],
            labels=labelled("inside_title"),
        ),
        pdf="results/{study}/figures/inside-{protocol}-{run}.pdf",
    log:
        "results/logs/inside_picture/{study}/{protocol}/{run}.log",
    benchmark:
        "results/benchmarks/inside_picture/{study}/{protocol}/{run}.tsv"
    conda:
        CONDA
    resources:
        gpu=ask("training_gpus"),
        jobs_per_gpu=SETTINGS.jobs_per_gpu,
        mem_mb=ask("training_memory"),
        runtime=SETTINGS.minutes("inside_picture"),
    params:
        code=STUDY.code("inside_picture"),
        run=ask("inside_run"),
        title=ask("inside_head"),
        files=noticed_files("inside_inputs"),
    script:
        "../workflow/scripts/inside_picture.py"


use rule inside_picture as inside_picture_licensed with:
    output:
        "results/{study}/figures-licensed/inside-{protocol}-{run}.jpg",
        pdf="results/{study}/figures-licensed/inside-{protocol}-{run}.pdf",
