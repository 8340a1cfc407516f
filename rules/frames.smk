# Raw clips -> where the faces are -> crops of the chosen frames -> the same with their motion magnified. A job takes
# some subjects of a data set.


rule faces:
    """Find the face on the onset frame of each clip."""
    input:
        index="results/index/{dataset}.csv",
        clips=own("clips_root"),
    output:
        "results/faces/{dataset}/{detector}/{part}.csv",
    log:
        "results/logs/faces/{dataset}/{detector}/{part}.log",
    benchmark:
        "results/benchmarks/faces/{dataset}/{detector}/{part}.tsv"
    conda:
        CONDA
    resources:
        mem_mb=2000,
        runtime=SETTINGS.minutes("faces"),
    params:
        code=STUDY.code("faces"),
        subjects=ask("part_subjects"),
        licensed=noticed("clips_state"),
        missing_face=SETTINGS.missing_face,
    script:
        "../workflow/scripts/faces.py"


rule frames:
    """Crop the chosen frames of each clip."""
    input:
        unpack(own("frames_inputs")),
    output:
        "results/frames/{dataset}/{recipe}/{part}.safetensors",
    log:
        "results/logs/frames/{dataset}/{recipe}/{part}.log",
    benchmark:
        "results/benchmarks/frames/{dataset}/{recipe}/{part}.tsv"
    conda:
        CONDA
    resources:
        mem_mb=2000,
        runtime=SETTINGS.minutes("frames"),
    params:
        code=STUDY.code("frames"),
        subjects=ask("part_subjects"),
        licensed=noticed("clips_state"),
        recipe=ask("frames_recipe"),
    script:
        "../workflow/scripts/frames.py"


rule magnify:
    """Magnify the motion in the chosen frames."""
    input:
        ask("shard_below"),
        weights=own("magnify_weights"),
    output:
        "results/magnified/{dataset}/{recipe}/{part}.safetensors",
    log:
        "results/logs/magnify/{dataset}/{recipe}/{part}.log",
    benchmark:
        "results/benchmarks/magnify/{dataset}/{recipe}/{part}.tsv"
    conda:
        CONDA
    resources:
        gpu=ask("magnify_gpus"),
        jobs_per_gpu=SETTINGS.jobs_per_gpu,
        mem_mb=2000,
        runtime=SETTINGS.minutes("magnify"),
    params:
        code=ask("magnify_code"),
        recipe=here("magnify_card"),
        files=noticed_files("magnify_weights"),
    script:
        "../workflow/scripts/magnify.py"


rule crop_sheet:
    """Draw the first crops of a data set."""
    input:
        ask("onset_frames"),
    output:
        report(
            "results/{study}/figures/crops-{dataset}.jpg",
            caption="../workflow/report/crop_sheet.rst",
            category=CHAPTERS["data"],
            labels=labelled("dataset_title", "first crops"),
        ),
        pdf="results/{study}/figures/crops-{dataset}.pdf",
    log:
        "results/logs/crop_sheet/{study}/{dataset}.log",
    benchmark:
        "results/benchmarks/crop_sheet/{study}/{dataset}.tsv"
    conda:
        CONDA
    resources:
        runtime=SETTINGS.minutes("crop_sheet"),
    params:
        code=STUDY.code("crop_sheet"),
        title=ask("dataset_head"),
    script:
        "../workflow/scripts/crop_sheet.py"


# A report may be handed on; pictures of licensed faces may not.
use rule crop_sheet as crop_sheet_licensed with:
    output:
        "results/{study}/figures-licensed/crops-{dataset}.jpg",
        pdf="results/{study}/figures-licensed/crops-{dataset}.pdf",


rule magnification_figure:
    """Draw one clip magnified by several arms."""
    input:
        unpack(own("magnification_inputs")),
    output:
        report(
            "results/{study}/figures/magnification-{dataset}.jpg",
            caption="../workflow/report/magnification.rst",
            category=CHAPTERS["data"],
            labels=labelled("dataset_title", "motion magnified"),
        ),
        pdf="results/{study}/figures/magnification-{dataset}.pdf",
    log:
        "results/logs/magnification_figure/{study}/{dataset}.log",
    benchmark:
        "results/benchmarks/magnification_figure/{study}/{dataset}.tsv"
    conda:
        CONDA
    resources:
        mem_mb=2000,
        runtime=SETTINGS.minutes("magnification_figure"),
    params:
        code=ask("magnification_code"),
        licensed=noticed("magnification_state"),
        frames=ask("magnification_frames"),
        arms=here("magnification_cards"),
        files=noticed_files("magnification_weights"),
        truth=here("magnification_truth"),  # quiet: a plan has a row for each subject and class
        title=ask("magnification_head"),
    script:
        "../workflow/scripts/magnification_figure.py"


use rule magnification_figure as magnification_figure_licensed with:
    output:
        "results/{study}/figures-licensed/magnification-{dataset}.jpg",
        pdf="results/{study}/figures-licensed/magnification-{dataset}.pdf",
