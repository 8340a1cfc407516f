# Face crops -> motion-magnified face crops, by recipe.


rule magnify:
    input:
        "results/faces/{dataset}/{subject}.safetensors",
    output:
        "results/magnified/{dataset}/{recipe}/{subject}.safetensors",
    log:
        "results/logs/magnify/{dataset}/{recipe}/{subject}.log",
    benchmark:
        "results/benchmarks/magnify/{dataset}/{recipe}/{subject}.tsv"
    conda:
        CONDA
    resources:
        mem_mb=2000,
    params:
        code=script_code("magnify"),
        recipe=magnification_recipe,
    script:
        "../workflow/scripts/magnify.py"
