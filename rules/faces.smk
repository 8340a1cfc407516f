# Raw clips -> aligned face crops, one file for each subject.


rule faces:
    input:
        index="results/index/{dataset}.csv",
        clips=clips_root,
    output:
        "results/faces/{dataset}/{subject}.safetensors",
    log:
        "results/logs/faces/{dataset}/{subject}.log",
    benchmark:
        "results/benchmarks/faces/{dataset}/{subject}.tsv"
    conda:
        CONDA
    resources:
        mem_mb=2000,
    params:
        code=script_code("faces"),
        card=face_card,
        missing_face=SETTINGS.missing_face,
    script:
        "../workflow/scripts/faces.py"


rule crop_sheet:
    input:
        sheet_shards,
    output:
        report(
            "results/{study}/figures/crops-{dataset}.png",
            caption="../workflow/report/crop_sheet.rst",
            category="Faces",
            labels={"data set": "{dataset}", "figure": "onset crops"},
        ),
    log:
        "results/logs/crop_sheet/{study}/{dataset}.log",
    benchmark:
        "results/benchmarks/crop_sheet/{study}/{dataset}.tsv"
    conda:
        CONDA
    params:
        code=script_code("crop_sheet"),
        title=dataset_title,
    script:
        "../workflow/scripts/crop_sheet.py"


# A report may be handed on; pictures of licensed faces may not.
use rule crop_sheet as crop_sheet_licensed with:
    output:
        "results/{study}/figures-licensed/crops-{dataset}.png",
