# Scores and published numbers -> tables in four formats, and the blocks of the README.


rule table:
    """Make a table as md, csv, tex and html."""
    input:
        unpack(ask("table_inputs")),
    output:
        md="results/{study}/tables/{table}.md",
        csv="results/{study}/tables/{table}.csv",
        tex="results/{study}/tables/{table}.tex",
        html=report(
            "results/{study}/tables/{table}.html",
            caption="../workflow/report/table.rst",
            category=ask("table_category"),
            labels=labelled("table_title"),
        ),
        short="results/{study}/tables/short/{table}.md",
    log:
        "results/logs/table/{study}/{table}.log",
    benchmark:
        "results/benchmarks/table/{study}/{table}.tsv"
    localrule: True  # a second's work: no queue
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("table"),
    params:
        code=STUDY.code("table"),
        card=ask("table_card"),
        sources=here("table_sources"),
        partial=False,
        files=noticed_files("table_inputs"),
    script:
        "../workflow/scripts/table.py"


rule curve_figure:
    """Draw a table's scores over a hyper-parameter."""
    input:
        "results/{study}/tables/{table}.csv",
    output:
        report(
            "results/{study}/figures/curve-{table}.svg",
            caption="../workflow/report/curve.rst",
            category=CHAPTERS["published"],
            labels=labelled("table_title", "figure"),
        ),
        pdf="results/{study}/figures/curve-{table}.pdf",
    log:
        "results/logs/curve_figure/{study}/{table}.log",
    benchmark:
        "results/benchmarks/curve_figure/{study}/{table}.tsv"
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("curve_figure"),
    params:
        code=STUDY.code("curve_figure"),
        card=ask("table_card"),
        title=ask("curve_head"),
        printed=ask("curve_beside_printed"),
    script:
        "../workflow/scripts/curve_figure.py"


rule loss_figure:
    """Draw the losses by epoch of a table's runs."""
    input:
        ask("loss_predictions"),
    output:
        report(
            "results/{study}/figures/losses-{table}.svg",
            caption="../workflow/report/losses.rst",
            category=CHAPTERS["published"],
            labels=labelled("table_title", "losses by epoch"),
        ),
        pdf="results/{study}/figures/losses-{table}.pdf",
    log:
        "results/logs/loss_figure/{study}/{table}.log",
    benchmark:
        "results/benchmarks/loss_figure/{study}/{table}.tsv"
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("loss_figure"),
    params:
        code=STUDY.code("loss_figure"),
        runs=here("losses_by_run"),
        jobs=ask("loss_jobs"),
        titles=ask("loss_titles"),
        title=ask("loss_head"),
    script:
        "../workflow/scripts/loss_figure.py"


rule readme:
    """Put the tables into the README."""
    input:
        **STUDY.readme_inputs(),
        # The project's own: a block that was edited by hand is written again.
        readme=[local(path) for path in STUDY.shown_readme()],
    output:
        f"results/{STUDY.name}/README.md",
    log:
        f"results/logs/readme/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/readme/{STUDY.name}.tsv"
    localrule: True  # it rewrites the README of whoever submits
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("readme"),
    params:
        code=STUDY.code("readme"),
        sources=here("readme_sources"),
    script:
        "../workflow/scripts/readme.py"


# Tables of what is there. No README is written, and no page enters the report.
use rule table as table_partial with:
    input:
        ask("partial_scores"),
    output:
        md="results/{study}/partial/tables/{table}.md",
        csv="results/{study}/partial/tables/{table}.csv",
        tex="results/{study}/partial/tables/{table}.tex",
        html="results/{study}/partial/tables/{table}.html",
        short="results/{study}/partial/tables/short/{table}.md",
    log:
        "results/logs/table_partial/{study}/{table}.log",
    benchmark:
        "results/benchmarks/table_partial/{study}/{table}.tsv"
    params:
        code=STUDY.code("table"),
        card=ask("table_card"),
        sources=ask("partial_sources"),
        partial=True,
        files=noticed_files("table_inputs"),


rule partial:
    """Make the tables of what is there of an unfinished study, under results/STUDY/partial."""
    input:
        expand(f"results/{STUDY.name}/partial/tables/{{table}}.html", table=STUDY.tables),
    localrule: True


# `snakemake tables/<table>`, `snakemake papers/<paper>`: a target for each that was asked for.
for target in STUDY.settings.only:

    rule:
        name:
            target
        input:
            STUDY.table_files(target),
        localrule: True


rule save_study:
    """Save the study as it is run, for `apexbench report` and `apexbench run`."""
    output:
        local(f"results/{STUDY.name}/study.yaml"),
    log:
        f"results/logs/save_study/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/save_study/{STUDY.name}.tsv"
    priority: 10  # also of a study that fails: `apexbench report` and `apexbench run` read it
    localrule: True
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("save_study"),
    params:
        code=STUDY.code("save_study"),
        settings=STUDY.saved(),
    script:
        "../workflow/scripts/save_study.py"
