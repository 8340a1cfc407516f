# Weights that cards name as {pretraining: <recipe>}: of whole data sets ({clips} is all), or of the training side of each
# fold ({clips} is <protocol>/folds<first>-<last>).


rule pretrain:
    """Train weights that a method's card names as a pre-training."""
    input:
        unpack(ask("pretraining_inputs")),
        weights=own("pretraining_weights"),
    output:
        "results/pretrained/{recipe}/{key}/{clips}.safetensors",
    log:
        "results/logs/pretrain/{recipe}/{key}/{clips}.log",
    benchmark:
        "results/benchmarks/pretrain/{recipe}/{key}/{clips}.tsv"
    wildcard_constraints:
        recipe=any_of(STUDY.pretrainings.recipes),
        clips=r"all|[^/]+/folds\d+-\d+",
    conda:
        CONDA
    threads: 1
    resources:
        gpu=1,
        jobs_per_gpu=SETTINGS.jobs_per_gpu,
        mem_mb=ask("pretraining_memory"),
        runtime=SETTINGS.minutes("pretrain"),
    params:
        job=ask("pretraining_job"),
        folds=ask("pretraining_folds"),
        roles=ask("pretraining_roles"),
        weights=here("pretraining_weights_by_name"),
        people_of=ask("pretraining_people"),
        files=noticed_files("pretraining_weights"),
    script:
        "../workflow/scripts/pretrain.py"
