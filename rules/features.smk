# Frames or flow -> one row of features for each clip, by recipe: computed once for all protocols, seeds and folds.
# They are large, and their pack holds all of them: it is kept, and they are not.


rule features:
    """Compute a row of features for each clip."""
    input:
        unpack(ask("feature_inputs")),
        weights=own("feature_weights"),
    output:
        temp("results/features/{dataset}/{recipe}/{part}.safetensors"),
    log:
        "results/logs/features/{dataset}/{recipe}/{part}.log",
    benchmark:
        "results/benchmarks/features/{dataset}/{recipe}/{part}.tsv"
    conda:
        CONDA
    resources:
        gpu=ask("feature_gpus"),
        jobs_per_gpu=SETTINGS.jobs_per_gpu,
        mem_mb=3000,
        runtime=SETTINGS.minutes("features"),
    params:
        code=ask("features_code"),
        recipe=here("feature_card"),
        pack=ask("pack"),
        missing_face=SETTINGS.missing_face,
        people=ask("feature_people"),
        files=noticed_files("feature_weights"),
    script:
        "../workflow/scripts/features.py"
