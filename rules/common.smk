# The configuration, checked before anything runs, and the paths that rules share.
import os
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

from apexbench.config import load_project
from apexbench.errors import InputError
from apexbench.methods import Deep, check_card, find
from apexbench.protocols import fold_name, planned
from apexbench.sources import code_hash
from apexbench.stages.recipes import check_recipes
from apexbench.tables.readme import differs

ROOT = Path(workflow.basedir)
# Scripts import apexbench from here, in whatever environment a job runs (--sdm conda makes one without it).
os.environ.update(PYTHONPATH=os.pathsep.join([str(ROOT), *filter(None, [os.getenv("PYTHONPATH")])]))

try:
    PROJECT = load_project(config, ROOT)
    check_recipes(PROJECT.recipes)
    FOLDS = {name: PROJECT.folds(name) for name in PROJECT.settings.protocols}
    SOURCES = {dataset: PROJECT.source(dataset) for dataset in PROJECT.used_datasets()}
    for name, card in PROJECT.methods.items():
        check_card(name, card, PROJECT.settings.budget)
    METHODS = {name: find(card.method) for name, card in PROJECT.methods.items()}
except InputError as error:
    raise WorkflowError(str(error)) from None

SETTINGS = PROJECT.settings
RECIPES = PROJECT.recipes
STUDY = SETTINGS.study
CONDA = "../envs/apexbench.yaml"


wildcard_constraints:
    dataset="[a-z0-9-]+",
    subject=r"\d+",
    seed=r"\d+",


@cache
def script_code(rule_name, *modules):
    """Hash of the sources that a script and modules depend on: a parameter of every rule."""
    return code_hash(ROOT, f"workflow/scripts/{rule_name}.py", *modules)


def clips_root(wildcards):
    """Folder of a data set's clips: the user's copy, or the synthetic ones."""
    if SOURCES[wildcards.dataset] == "licensed":
        return f"{SETTINGS.data}/{wildcards.dataset}"
    return f"results/synthetic/{wildcards.dataset}/clips"


def synthetic_mark(datasets):
    """What titles say where the clips are not real."""
    return " (synthetic clips)" if any(SOURCES[dataset] == "synthetic" for dataset in datasets) else ""


def dataset_title(wildcards):
    return PROJECT.datasets[wildcards.dataset].title + synthetic_mark([wildcards.dataset])


def shards(stage, dataset):
    return [f"results/{stage}/{subject}.safetensors" for subject in PROJECT.subjects(dataset)]


def input_pack(dataset, recipe):
    """Path of what a method's card names as an input: a feature recipe or a pack."""
    stage = "features" if recipe in RECIPES.features else "packs"
    return f"results/{stage}/{dataset}/{recipe}.safetensors"


def protocols_of(dataset):
    return [name for name in SETTINGS.protocols if dataset in PROJECT.protocols[name].datasets]


def fold_ranges(protocol):
    """Names of a protocol's training jobs, 'first-last', by the number of folds that a job takes."""
    count = len(FOLDS[protocol])
    step = count if SETTINGS.folds_per_job == "all" else SETTINGS.folds_per_job
    return [f"{first}-{min(first + step, count) - 1}" for first in range(0, count, step)]


def per_job(pattern, protocol, run):
    """One path for each training job of a run: every seed and fold range."""
    return expand(
        pattern,
        study=STUDY,
        protocol=protocol,
        run=run,
        seed=SETTINGS.seeds,
        folds=fold_ranges(protocol),
    )


def predictions(protocol, run):
    return per_job(
        "results/{study}/runs/{protocol}/{run}/seed{seed}/folds{folds}.parquet",
        protocol,
        run,
    )


def dumped(card):
    return card.model_dump(mode="json")


# clips


def render_plan(wildcards):
    return [list(row[1:]) for row in PROJECT.plan if row[0] == wildcards.dataset]


def index_subjects(wildcards):
    return PROJECT.subjects(wildcards.dataset)


def annotation(wildcards):
    card = PROJECT.datasets[wildcards.dataset]
    label_set = card.label_set if SOURCES[wildcards.dataset] == "licensed" else f"synthetic-{SETTINGS.scale}"
    return {"label_set": label_set, "fps": card.fps, "apex": card.apex}


def protocol_indexes(wildcards):
    return [f"results/index/{dataset}.csv" for dataset in PROJECT.protocols[wildcards.protocol].datasets]


def protocol_card(wildcards):
    card = PROJECT.protocols[wildcards.protocol]
    if any(SOURCES[dataset] == "synthetic" for dataset in card.datasets):
        card = planned(card, PROJECT.plan)
    return dumped(card)


# faces


def face_protocols(wildcards):
    return [f"results/protocols/{name}.csv" for name in protocols_of(wildcards.dataset)]


def face_card(wildcards):
    return dumped(PROJECT.datasets[wildcards.dataset].faces)


def sheet_shards(wildcards):
    return shards(f"faces/{wildcards.dataset}", wildcards.dataset)


# magnification


def magnification_recipe(wildcards):
    return dumped(RECIPES.magnification[wildcards.recipe])


# flow


def flow_recipe(wildcards):
    return dumped(RECIPES.flow[wildcards.recipe])


def magnified_shard(wildcards):
    recipe = RECIPES.flow[wildcards.recipe].magnification
    return f"results/magnified/{wildcards.dataset}/{recipe}/{wildcards.subject}.safetensors"


def pictured_shards(wildcards):
    """Crops and flow of the first subject of a data set, for the flow picture."""
    dataset, recipe = wildcards.dataset, wildcards.recipe
    subject = PROJECT.subjects(dataset)[0]
    magnification = RECIPES.flow[recipe].magnification
    return {
        "crops": f"results/magnified/{dataset}/{magnification}/{subject}.safetensors",
        "flow": f"results/flow/{dataset}/{recipe}/{subject}.safetensors",
    }


# packs


def packed_shards(wildcards):
    recipe = RECIPES.packs[wildcards.recipe]
    stage = (
        f"flow/{wildcards.dataset}/{recipe.flow}" if recipe.flow else f"magnified/{wildcards.dataset}/{recipe.frames}"
    )
    return shards(stage, wildcards.dataset)


def pack_recipe(wildcards):
    return dumped(RECIPES.packs[wildcards.recipe])


# features


def feature_pack_input(wildcards):
    return f"results/packs/{wildcards.dataset}/{RECIPES.features[wildcards.recipe].pack}.safetensors"


def feature_recipe(wildcards):
    return dumped(RECIPES.features[wildcards.recipe])


# training


def training_packs(wildcards):
    """{role: packs of the protocol's data sets} by the method card's inputs."""
    card, datasets = (
        PROJECT.methods[wildcards.run],
        PROJECT.protocols[wildcards.protocol].datasets,
    )
    return {role: [input_pack(dataset, recipe) for dataset in datasets] for role, recipe in card.inputs.items()}


def training_roles(wildcards):
    return list(PROJECT.methods[wildcards.run].inputs)


def training_folds(wildcards):
    first, last = map(int, wildcards.folds.split("-"))
    return [fold_name(*fold) for fold in FOLDS[wildcards.protocol][first : last + 1]]


def training_job(wildcards):
    """What `apexbench.training.run.Job` holds."""
    card = PROJECT.methods[wildcards.run]
    protocol = PROJECT.protocols[wildcards.protocol]
    return {
        "study": wildcards.study,
        "study_seed": SETTINGS.study_seed,
        "protocol": wildcards.protocol,
        "classes": list(protocol.classes),
        "run": wildcards.run,
        "method": card.method,
        "params": card.values(SETTINGS.budget),
        "seed": int(wildcards.seed),
        "budget": SETTINGS.budget,
        "data_source": "synthetic" if synthetic_mark(protocol.datasets) else "licensed",
        "code": script_code("train", METHODS[wildcards.run].__module__),
    }


def training_gpus(wildcards):
    return int(issubclass(METHODS[wildcards.run], Deep))


# scores


def run_predictions(wildcards):
    return [path for run in PROJECT.methods for path in predictions(wildcards.protocol, run)]


def predictions_by_run(wildcards):
    return {run: predictions(wildcards.protocol, run) for run in PROJECT.methods}


def protocol_title(wildcards):
    card = PROJECT.protocols[wildcards.protocol]
    return card.title + synthetic_mark(card.datasets)


def protocol_classes(wildcards):
    return list(PROJECT.protocols[wildcards.protocol].classes)


# tables


def table_protocols(name):
    card = PROJECT.tables[name]
    return [card.protocol] if card.protocol else list(SETTINGS.protocols)


def table_scores(wildcards):
    return [
        f"results/{wildcards.study}/scores/{protocol}.csv"
        for protocol in table_protocols(wildcards.table)
        if protocol in SETTINGS.protocols
    ]


def table_published(wildcards):
    card = PROJECT.tables[wildcards.table]
    return [str(PROJECT.folder / "published" / card.published)] if card.published else []


def table_card(wildcards):
    return dumped(PROJECT.tables[wildcards.table])


def table_protocol_cards(wildcards):
    return {name: dumped(PROJECT.protocols[name]) for name in table_protocols(wildcards.table)}


def table_method_cards(wildcards):
    return {name: dumped(card) for name, card in PROJECT.methods.items()}


def table_benchmarks(wildcards):
    """Benchmark files of the training jobs: [protocol, run, files] each; only the runtime table reads them."""
    if PROJECT.tables[wildcards.table].kind != "runtime":
        return []
    pattern = "results/benchmarks/train/{study}/{protocol}/{run}/seed{seed}/folds{folds}.tsv"
    return [
        [protocol, run, per_job(pattern, protocol, run)] for protocol in SETTINGS.protocols for run in PROJECT.methods
    ]


def readme_tables(suffix):
    return [f"results/{STUDY}/tables/{name}{suffix}" for name, card in PROJECT.tables.items() if card.readme]


def figure_paths():
    """Every figure and page of a study; pictures of licensed clips lie apart and outside the report."""
    results = f"results/{STUDY}"
    paths = [f"{results}/tables/{name}.html" for name in PROJECT.tables]
    for protocol in SETTINGS.protocols:
        paths += [f"{results}/figures/{kind}-{protocol}.svg" for kind in ("confusion", "curves")]
    for dataset in PROJECT.used_datasets():
        folder = f"{results}/figures" if SOURCES[dataset] == "synthetic" else f"{results}/figures-licensed"
        paths += [f"{folder}/crops-{dataset}.png"]
        paths += [f"{folder}/flow-{dataset}-{recipe}.png" for recipe in flow_recipes_in_use()]
    return paths


def flow_recipes_in_use():
    inputs = {recipe for card in PROJECT.methods.values() for recipe in card.inputs.values()}
    packs = {RECIPES.features[name].pack if name in RECIPES.features else name for name in inputs}
    return sorted({RECIPES.packs[name].flow for name in packs} - {None})


def stamp_in_step():
    """Forget the stamp when the README's blocks are not what the tables on disk say: then they are written again."""
    stamp = Path(f"results/{STUDY}/readme.stamp")
    files = {Path(path).stem: Path(path) for path in readme_tables(".md")}
    if stamp.exists() and all(path.exists() for path in files.values()):
        if differs(ROOT / "README.md", {name: path.read_text() for name, path in files.items()}):
            stamp.unlink()


stamp_in_step()
