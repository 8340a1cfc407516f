# Scores and published numbers -> tables in four formats, and the blocks of the README.


rule table:
    input:
        scores=table_scores,
        published=table_published,
    output:
        md="results/{study}/tables/{table}.md",
        csv="results/{study}/tables/{table}.csv",
        tex="results/{study}/tables/{table}.tex",
        html=report(
            "results/{study}/tables/{table}.html",
            caption="../workflow/report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    log:
        "results/logs/table/{study}/{table}.log",
    benchmark:
        "results/benchmarks/table/{study}/{table}.tsv"
    conda:
        CONDA
    params:
        code=script_code("table"),
        card=table_card,
        protocols=table_protocol_cards,
        methods=table_method_cards,
        benchmarks=table_benchmarks,
        published=str(PROJECT.folder / "published"),
    script:
        "../workflow/scripts/table.py"


rule readme:
    input:
        readme_tables(".md"),
    output:
        touch(f"results/{STUDY}/readme.stamp"),
    log:
        f"results/logs/readme/{STUDY}.log",
    benchmark:
        f"results/benchmarks/readme/{STUDY}.tsv"
    conda:
        CONDA
    params:
        code=script_code("readme"),
        readme=str(ROOT / "README.md"),
    script:
        "../workflow/scripts/readme.py"
