# Predictions -> scores of each run by selection rule, comparisons between runs, and the figures of a protocol.


rule scores:
    """Score all runs of a protocol by every selection rule, after every epoch, and compare them."""
    input:
        predictions=ask("all_predictions"),
        inner=ask("all_inner_predictions"),
        protocol="results/protocols/{protocol}.csv",
    output:
        scores="results/{study}/scores/{protocol}.csv",
        comparisons="results/{study}/comparisons/{protocol}.csv",
        curves="results/{study}/curves/{protocol}.csv",
    log:
        "results/logs/scores/{study}/{protocol}.log",
    benchmark:
        "results/benchmarks/scores/{study}/{protocol}.tsv"
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("scores"),
    params:
        code=STUDY.code("scores"),
        runs=here("predictions_by_run"),
        inner=here("inner_by_run"),
        skipped=ask("skipped_runs"),
        compared=STUDY.compared(),
        by_epoch=STUDY.shown_by_epoch(),
        card=ask("protocol_card"),
        protocol=here("protocol_path"),
        seed=SETTINGS.study_seed,
    script:
        "../workflow/scripts/scores.py"


rule score_figures:
    """Draw confusion matrices, learning curves and the null model of a protocol."""
    input:
        scores="results/{study}/scores/{protocol}.csv",
        curves="results/{study}/curves/{protocol}.csv",
        protocol="results/protocols/{protocol}.csv",
    output:
        confusion=report(
            "results/{study}/figures/confusion-{protocol}.svg",
            caption="../workflow/report/confusion.rst",
            category=CHAPTERS["protocol"],
            labels=labelled("protocol_title", "confusion matrices"),
        ),
        curves=report(
            "results/{study}/figures/curves-{protocol}.svg",
            caption="../workflow/report/curves.rst",
            category=CHAPTERS["protocol"],
            labels=labelled("protocol_title", "learning curves"),
        ),
        null=report(
            "results/{study}/figures/null-{protocol}.svg",
            caption="../workflow/report/null.rst",
            category=CHAPTERS["protocol"],
            labels=labelled("protocol_title", "null model"),
        ),
        pdf=expand(
            "results/{{study}}/figures/{kind}-{{protocol}}.pdf",
            kind=["confusion", "curves", "null"],
        ),
    log:
        "results/logs/score_figures/{study}/{protocol}.log",
    benchmark:
        "results/benchmarks/score_figures/{study}/{protocol}.tsv"
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("score_figures"),
    params:
        code=STUDY.code("score_figures"),
        titles=STUDY.shown_titles(),
        by_epoch=STUDY.shown_by_epoch(),
        title=ask("protocol_head"),
        classes=ask("protocol_classes"),
    script:
        "../workflow/scripts/score_figures.py"


rule rank_figure:
    """Draw the mean ranks of the runs over all protocols."""
    input:
        STUDY.ranked_files(),
    output:
        report(
            "results/{study}/figures/critical-difference.svg",
            caption="../workflow/report/ranks.rst",
            category=CHAPTERS["leaderboard"],
            labels={"result": "Mean ranks over protocols"},
        ),
        pdf="results/{study}/figures/critical-difference.pdf",
    log:
        "results/logs/rank_figure/{study}.log",
    benchmark:
        "results/benchmarks/rank_figure/{study}.tsv"
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("rank_figure"),
    params:
        code=STUDY.code("rank_figure"),
        scores=here("ranked_scores"),
        titles=STUDY.shown_titles(),
        multilabel=STUDY.multilabel_protocols(),
        title=STUDY.ranks_head(),
    script:
        "../workflow/scripts/rank_figure.py"


# No clip is needed: the official counts and the printed numbers are under config/.
rule official_null:
    """Draw what a method that learns nothing scores on MEGC2019's official counts, beside the printed scores."""
    input:
        **{name: local(files) for name, files in STUDY.official_files().items()},
    output:
        svg=report(
            "results/{study}/figures/official-null.svg",
            caption="../workflow/report/official_null.rst",
            category=CHAPTERS["leaderboard"],
            labels={"result": "Null model on MEGC2019's official counts, and published scores"},
        ),
        pdf="results/{study}/figures/official-null.pdf",
        csv="results/{study}/figures/official-null.csv",
        words="results/{study}/figures/official-null.md",
    log:
        "results/logs/official_null/{study}.log",
    benchmark:
        "results/benchmarks/official_null/{study}.tsv"
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("official_null"),
    params:
        code=STUDY.code("official_null"),
        card=STUDY.official_card(),
        files=noticed_files("official_files"),
    script:
        "../workflow/scripts/official_null.py"


# What is there, scored without waiting for the rest: nothing here starts a training.
use rule scores as scores_partial with:
    input:
        [],
    output:
        scores="results/{study}/partial/scores/{protocol}.csv",
        comparisons="results/{study}/partial/comparisons/{protocol}.csv",
        curves="results/{study}/partial/curves/{protocol}.csv",
    log:
        "results/logs/scores_partial/{study}/{protocol}.log",
    benchmark:
        "results/benchmarks/scores_partial/{study}/{protocol}.tsv"
    params:
        code=STUDY.code("scores"),
        runs=ask("finished_by_run"),
        inner={},
        skipped=ask("skipped_runs"),
        compared=STUDY.compared(),
        by_epoch=STUDY.shown_by_epoch(),
        card=ask("protocol_card"),
        protocol=ask("protocol_path"),
        seed=SETTINGS.study_seed,
        state=ask("finished_state"),
