# The configuration, checked before anything runs, and what all rules share.
import os
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

from apexbench.datasets import MODULES as LOADERS
from apexbench.errors import InputError
from apexbench.methods import check_card, find
from apexbench.methods.base import ProtocolFacts
from apexbench.methods.mixing import find_mixing
from apexbench.project import load_project
from apexbench.protocols import fold_names, planned
from apexbench.sources import code_hash
from apexbench.stages.recipes import check_recipes
from apexbench.tables.places import needed
from apexbench.tables.readme import differs
from apexbench.training.pretraining import Pretrainings

ROOT = Path(workflow.basedir)
# Scripts import apexbench from here, in whatever environment a job runs (--sdm conda makes one without it).
os.environ.update(PYTHONPATH=os.pathsep.join([str(ROOT), *filter(None, [os.getenv("PYTHONPATH")])]))


def run_params(run, protocol):
    """A run's hyper-parameters under a protocol, checked."""
    return METHODS[run].parse(PROJECT.card_on(run, protocol).params, run)


try:
    PROJECT = load_project(config, ROOT)
    check_recipes(PROJECT.recipes)
    FOLDS = {name: fold_names(PROJECT.protocols[name], PROJECT.tested(name)) for name in PROJECT.settings.protocols}
    TRAINED = {name: card for name, card in PROJECT.methods.items() if card.method}
    for name in dict.fromkeys(PROJECT.card_of[run] for run in TRAINED):
        check_card(
            name,
            PROJECT.card(name),
            PROJECT.settings.budget,
            {protocol: len(PROJECT.protocols[protocol].classes) for protocol in PROJECT.settings.protocols},
            PROJECT.axes_of,
            PROJECT.size_of,
            [*PROJECT.recipes.packs, *PROJECT.recipes.features],
        )
    METHODS = {name: find(card.method) for name, card in TRAINED.items()}
    PRETRAININGS = Pretrainings(PROJECT.recipes.pretraining, PROJECT.settings.budget)
    PRETRAININGS.check(
        PROJECT.axes_of,
        PROJECT.size_of,
        [*PROJECT.recipes.packs, *PROJECT.recipes.features],
        PROJECT.datasets,
    )
    STARTS = [
        (run, protocol, field, weights)
        for run in METHODS
        for protocol in PROJECT.settings.protocols
        if not PROJECT.why_not(run, protocol)
        for field, weights in run_params(run, protocol).weights_named().items()
    ]
    for run, protocol, field, weights in STARTS:
        PRETRAININGS.check_use(
            f"config/methods/{PROJECT.card_of[run]}.yaml: field 'params.{field}'",
            weights,
            {protocol: PROJECT.people_tested(protocol)},
            PROJECT.people_in,
            PROJECT.settings.inner_folds,
        )
    PRETRAINED = PRETRAININGS.chain([weights for *_, weights in STARTS])
    SEEN = [dataset for name in PRETRAINED for dataset in PRETRAININGS.datasets(name)]
    SOURCES = {dataset: PROJECT.source(dataset) for dataset in [*PROJECT.used_datasets(), *SEEN]}
except InputError as error:
    raise WorkflowError(str(error)) from None

SETTINGS = PROJECT.settings
RECIPES = PROJECT.recipes
STUDY = SETTINGS.study
SHOWN = [run for run, card in PROJECT.methods.items() if card.leaderboard]  # the others: in tables that name them
CONDA = "../envs/apexbench.yaml"


wildcard_constraints:
    study="[A-Za-z0-9_-]+",
    # by name, longest first: both data sets and recipes have hyphens, and some paths join them by one
    dataset="|".join(sorted(PROJECT.datasets, key=len, reverse=True)),
    subject=r"\d+",
    seed=r"\d+",


@cache
def script_code(rule_name, *modules):
    """Hash of the sources that a script and modules depend on: a parameter of every rule."""
    return code_hash(ROOT, f"workflow/scripts/{rule_name}.py", *modules)


def clips_root(wildcards):
    """Folder of a data set's clips: the user's copy, or the synthetic ones."""
    if SOURCES[wildcards.dataset] == "licensed":
        return str(PROJECT.folder_of(wildcards.dataset))
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


def holds_maps(dataset):
    """Whether a data set is given as flow maps: then there are no frames, and packs are made from the maps."""
    return PROJECT.loader(dataset) == "flow-maps"


def why_not(protocol, run):
    """The reason for which a run is not trained under a protocol; empty if it is."""
    reason = PROJECT.why_not(run, protocol)
    if reason:
        return reason
    for recipe in PROJECT.card_on(run, protocol).inputs.values():
        if recipe in RECIPES.features or RECIPES.packs[recipe].flow is None:
            for dataset in filter(holds_maps, PROJECT.protocols[protocol].datasets):
                return f"reads frames ({recipe}), but {dataset} holds flow maps only"
    if run not in METHODS:
        return ""
    return METHODS[run].skip(run_params(run, protocol), protocol_facts(protocol))


def protocol_facts(protocol):
    card = PROJECT.protocols[protocol]
    return ProtocolFacts(protocol, tuple(card.classes), card.datasets, card.multilabel)


def fold_ranges(protocol):
    """Names of a protocol's training jobs, 'first-last', by the number of folds that a job takes."""
    count = len(FOLDS[protocol])
    step = count if SETTINGS.folds_per_job == "all" else SETTINGS.folds_per_job
    return [f"{first}-{min(first + step, count) - 1}" for first in range(0, count, step)]


def per_job(pattern, protocol, run):
    """One path for each training job of a run: every seed and fold range; none if it cannot be trained."""
    if why_not(protocol, run):
        return []
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


def inner_predictions(protocol, run):
    """Predictions of parts of the training subjects, by which the rule `inner` selects; none where that is off."""
    pattern = "results/{study}/inner/{protocol}/{run}/seed{seed}/folds{folds}.parquet"
    return per_job(pattern, protocol, run) if SETTINGS.inner_folds and run in METHODS else []


def dumped(card):
    return card.model_dump(mode="json")


# data sets that are given as flow maps, and runs that are given as logs: patterns; (?!) matches nothing
GIVEN_MAPS = "|".join(filter(holds_maps, PROJECT.datasets)) or "(?!)"
PRETRAINING_NAMES = "|".join(PRETRAINED) or "(?!)"
GIVEN_LOGS = "|".join(run for run in PROJECT.methods if run not in METHODS) or "(?!)"
