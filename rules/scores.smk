# Predictions -> one row of scores for each run, and the figures of a protocol.


rule scores:
    input:
        predictions=run_predictions,
        protocol="results/protocols/{protocol}.csv",
    output:
        "results/{study}/scores/{protocol}.csv",
    log:
        "results/logs/scores/{study}/{protocol}.log",
    benchmark:
        "results/benchmarks/scores/{study}/{protocol}.tsv"
    conda:
        CONDA
    params:
        code=script_code("scores"),
        runs=predictions_by_run,
        seed=SETTINGS.study_seed,
    script:
        "../workflow/scripts/scores.py"


rule score_figures:
    input:
        scores="results/{study}/scores/{protocol}.csv",
        predictions=run_predictions,
    output:
        confusion=report(
            "results/{study}/figures/confusion-{protocol}.svg",
            caption="../workflow/report/confusion.rst",
            category="Scores",
            labels={"protocol": "{protocol}", "figure": "confusion matrices"},
        ),
        curves=report(
            "results/{study}/figures/curves-{protocol}.svg",
            caption="../workflow/report/curves.rst",
            category="Scores",
            labels={"protocol": "{protocol}", "figure": "learning curves"},
        ),
    log:
        "results/logs/score_figures/{study}/{protocol}.log",
    benchmark:
        "results/benchmarks/score_figures/{study}/{protocol}.tsv"
    conda:
        CONDA
    params:
        code=script_code("score_figures"),
        runs=predictions_by_run,
        title=protocol_title,
        classes=protocol_classes,
    script:
        "../workflow/scripts/score_figures.py"
