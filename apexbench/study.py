"""A study: everything that the rules ask, decided from the configuration alone, before any clip is read.

Snakemake is not known here. A rule's function has the name of a method of `Study`, whose arguments are the wildcards
that it needs (see `ask` in rules/common.smk). Paths are relative to the working directory.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from apexbench.code_hash import code_hash
from apexbench.config.methods import MethodCard
from apexbench.config.model import digest
from apexbench.config.recipes import Axes
from apexbench.datasets import MODULES as LOADERS
from apexbench.errors import InputError
from apexbench.features import find as find_extractor
from apexbench.methods import Method, Params, ProtocolFacts, check_card, find
from apexbench.methods.mixing import find_mixing
from apexbench.project import Project, load_project
from apexbench.protocols import fold_names, planned
from apexbench.recipes import axes_of, check_recipes, extractor_module
from apexbench.tables.check import check_scoring
from apexbench.tables.places import needed
from apexbench.training.pretraining import Pretrainings
from apexbench.weights import Weights, tag_path

# first folders of paths under results/; a study of such a name would lie among the files of all studies
SHARED = {
    "benchmarks", "faces", "features", "flow", "frames", "index", "logs", "magnified", "packs", "pretrained",
    "protocols", "runs", "synthetic", "weights",
}  # fmt: skip
# what of a protocol's card decides on clips, labels and folds; the rest is for scores and for the eye
_CLIPS_AND_FOLDS = ("datasets", "split", "folds", "target", "classes", "classes_of", "exclude")
_STAGES = {"frames": "frames", "magnification": "magnified", "flow": "flow", "features": "features"}


class Study:
    """What a configuration asks for; see the methods."""

    def __init__(self, settings: Mapping, root: str | os.PathLike):
        """Read and check everything under `root`/config; InputError for whatever cannot work."""
        self.root = Path(root)
        self.project: Project = load_project(settings, root)
        self.settings, self.recipes = self.project.settings, self.project.recipes
        self.name = self.settings.study
        if self.name in SHARED:
            raise InputError(
                f"config/config.yaml: field 'study': {self.name!r} is a folder that all studies share; choose another "
                f"name than {', '.join(sorted(SHARED))}"
            )
        check_recipes(self.recipes)
        check_scoring(self.project.conventions, self.project.tables)
        self.runs: dict[str, MethodCard] = self.project.methods
        self.protocols = self.settings.protocols
        self.datasets = self.project.used_datasets()
        self.folds = {p: fold_names(self.project.protocols[p], self.project.tested(p)) for p in self.protocols}
        self._check_cards()
        self.methods: dict[str, type[Method]] = {r: find(card.method) for r, card in self.runs.items() if card.method}
        self.shown = [run for run, card in self.runs.items() if card.leaderboard]
        self.pretrainings = Pretrainings(self.recipes.pretraining, self.settings.budget)
        self._check_pretrainings()
        seen = [
            dataset for name in self.pretrained_in_use() for dataset in self.recipes.pretraining[name].clips.datasets
        ]
        self.licensed = {d: self.project.source(d) == "licensed" for d in dict.fromkeys([*self.datasets, *seen])}

    def _check_cards(self) -> None:
        classes = {protocol: len(self.project.protocols[protocol].classes) for protocol in self.protocols}
        trained = [self.project.card_of[run] for run, card in self.runs.items() if card.method]
        for name in dict.fromkeys(trained):
            card = self.project.card(name)
            check_card(
                name,
                card,
                self.settings.budget,
                protocols={p: n for p, n in classes.items() if not card.protocols or p in card.protocols},
                axes_of=self.pack_axes,
                size_of=self.project.size_of,
                recipes=self.recipes.names(),
            )

    def _check_pretrainings(self) -> None:
        known = self.recipes.names()
        self.pretrainings.check(self.pack_axes, self.project.size_of, known, self.project.datasets)
        for run in self.methods:
            for protocol in self.trained_on(run):
                for field, weights in self.params(protocol, run).weights_named().items():
                    self.pretrainings.check_use(
                        f"config/methods/{self.project.card_of[run]}.yaml: field 'params.{field}'",
                        weights,
                        tested={protocol: self.project.people_tested(protocol)},
                        people=self.project.people_in,
                        inner_folds=self.settings.inner_folds,
                    )

    # what is common

    @cache
    def code(self, rule: str, *modules: str) -> str:
        """Return the hash of the code that a rule's script and further modules depend on."""
        return code_hash(self.root, f"workflow/scripts/{rule}.py", *modules)

    def real(self, datasets: Iterable[str]) -> bool:
        """Tell whether all clips of some data sets are licensed copies."""
        return all(self.licensed[dataset] for dataset in datasets)

    def mark(self, datasets: Iterable[str]) -> str:
        """Return what titles say where the clips are not real."""
        return "" if self.real(datasets) else " (synthetic clips)"

    def dataset_title(self, dataset: str) -> str:
        return self.project.datasets[dataset].title + self.mark([dataset])

    def holds_maps(self, dataset: str) -> bool:
        """Tell whether a data set is given as flow maps: then there are no frames, and packs are made from the maps."""
        return self.project.loader(dataset) == "flow-maps"

    @property
    def given_maps(self) -> list[str]:
        return list(filter(self.holds_maps, self.project.datasets))

    @property
    def given_logs(self) -> list[str]:
        return [run for run in self.runs if run not in self.methods]

    # clips, index, protocols

    def clips_root(self, dataset: str) -> str:
        """Return the folder of a data set's clips: the user's copy, or the synthetic ones."""
        if self.licensed[dataset]:
            return str(self.project.folder_of(dataset))
        return f"results/synthetic/{dataset}/clips"

    def release(self, dataset: str) -> str:
        return self.project.loader(dataset)

    def render_plan(self, dataset: str) -> list[list]:
        return [list(row) for row in self.project.plan_of(dataset)]

    def loader_code(self, dataset: str) -> str:
        return self.code("index", f"apexbench.datasets.{LOADERS[self.project.loader(dataset)]}")

    def subjects(self, dataset: str) -> list[int]:
        return self.project.subjects(dataset)

    def counts_are_official(self, datasets: Iterable[str]) -> bool:
        """Tell whether the official counts hold: for licensed copies, and for synthetic clips at full scale."""
        return self.settings.scale == "full" or self.real(datasets)

    def annotation(self, dataset: str) -> dict[str, Any]:
        """Return what `apexbench.datasets.read_release` needs, from the data set's card and the repairs."""
        card, loader = self.project.datasets[dataset], self.project.loader(dataset)
        expected = [f"expected_{what}" for what in ("clips", "subjects", "emotions")]
        return {
            "loader": loader,
            "label_set": card.label_set if self.licensed[dataset] else f"synthetic-{self.settings.scale}",
            **{key: getattr(card, key) for key in ("fps", "apex", "sheet", "frames", "part", "unusable")},
            "repairs": [_dumped(r) for r in self.project.repairs if r.dataset == loader and r.enabled],
            "expected": {k: getattr(card, k) for k in expected} if self.counts_are_official([dataset]) else None,
        }

    def protocol_indexes(self, protocol: str) -> list[str]:
        return [f"results/index/{dataset}.csv" for dataset in self.project.protocols[protocol].datasets]

    def protocol_findings(self, protocol: str) -> list[str]:
        return [path.replace(".csv", ".findings.csv") for path in self.protocol_indexes(protocol)]

    def protocol_card(self, protocol: str) -> dict:
        card = self.project.protocols[protocol]
        if not self.counts_are_official(card.datasets):
            card = planned(card, {dataset: self.project.plan_of(dataset) for dataset in card.datasets})
        return _dumped(card)

    def protocol_path(self, protocol: str) -> str:
        return f"results/protocols/{protocol}.csv"

    def protocol_title(self, protocol: str) -> str:
        card = self.project.protocols[protocol]
        return card.title + self.mark(card.datasets)

    def protocol_classes(self, protocol: str) -> list[str]:
        return list(self.project.protocols[protocol].classes)

    # faces, frames, magnification, flow, features, packs

    @cache
    def parts(self, dataset: str) -> dict[str, list[int]]:
        """Return {part: subjects} of a data set: what one job takes, named "<first>-<last>"."""
        subjects, step = sorted(self.project.subjects(dataset)), self.settings.subjects_per_job
        several = [subjects[start : start + step] for start in range(0, len(subjects), step)]
        return {f"{some[0]}-{some[-1]}": some for some in several}

    def part_subjects(self, dataset: str, part: str) -> list[int]:
        """Return the subjects of a part; InputError for one that the study does not have."""
        parts = self.parts(dataset)
        if part not in parts:
            raise InputError(f"{dataset}: no part {part!r} of its subjects; there are {', '.join(parts)}")
        return parts[part]

    def shards(self, dataset: str, recipe: str) -> list[str]:
        """Return the files of a recipe, one for each part of a data set's subjects."""
        return [self.shard(dataset, recipe, part) for part in self.parts(dataset)]

    def shard(self, dataset: str, recipe: str, part: str) -> str:
        name = self.recipes.made_of(recipe)
        return f"results/{_STAGES[self.recipes.section(name)]}/{dataset}/{name}/{part}.safetensors"

    def shard_below(self, dataset: str, recipe: str, part: str) -> str:
        """Return the file that a recipe's file is made of."""
        return self.shard(dataset, self.recipes[recipe].of, part)

    def frames_inputs(self, dataset: str, recipe: str, part: str) -> dict[str, str]:
        """Return what crops are cut from: index, clips and, where faces have to be found, where they are."""
        inputs = {"index": f"results/index/{dataset}.csv", "clips": self.clips_root(dataset)}
        if not self.project.datasets[dataset].cropped:
            detector = self.recipes.crops[self.recipes.frames[recipe].crop].detector
            inputs["faces"] = f"results/faces/{dataset}/{detector}/{part}.csv"
        return inputs

    def recipe(self, recipe: str) -> dict:
        """Return a recipe's card; of frames with its crop recipe in place of the name."""
        return _dumped(self.recipes[recipe])

    def frames_recipe(self, recipe: str) -> dict:
        return self.recipes.chain(recipe)

    def features_code(self, recipe: str) -> str:
        return self.code("features", extractor_module(self.recipes.features[recipe].extractor))

    def feature_weights(self, recipe: str) -> list[str]:
        """Return the file of an extractor's weights, if they are not random."""
        card = self.recipes.features[recipe]
        options = find_extractor(card.extractor).parse(card.options, f"config/recipes.yaml: features.{recipe}.options")
        weights = getattr(options, "weights", Weights())
        if weights.pretraining:
            raise InputError(
                f"config/recipes.yaml: field 'features.{recipe}.options.weights': features are made once for all "
                f"folds; give random, {{file: path}} or {{timm: tag}}"
            )
        return _files(weights)

    def feature_card(self, recipe: str) -> dict:
        """Return a feature recipe's card, with the file of its weights in place of their tag."""
        card, files = self.recipe(recipe), self.feature_weights(recipe)
        return card | {"options": card["options"] | {"weights": {"file": files[0]}}} if files else card

    def feature_gpus(self, recipe: str) -> int:
        return int(find_extractor(self.recipes.features[recipe].extractor).uses_gpu)

    def pack(self, dataset: str, recipe: str) -> str:
        return f"results/packs/{dataset}/{recipe}.safetensors"

    def pack_inputs(self, dataset: str, recipe: str) -> list[str]:
        return self.shards(dataset, recipe)

    def pack_axes(self, recipe: str) -> Axes:
        return axes_of(self.recipes, recipe)

    def map_inputs(self, dataset: str) -> dict[str, str]:
        return {"index": f"results/index/{dataset}.csv", "maps": self.clips_root(dataset)}

    def recipes_in_use(self) -> list[str]:
        """Return the recipes that a configured method reads, and all that they are made of, in the file's order."""
        used: set[str] = set()
        cards = [self.card(protocol, run) for run in self.runs for protocol in self.trained_on(run)]
        waiting = [recipe for card in cards for recipe in card.inputs.values()]
        while waiting:
            name = waiting.pop()
            used.add(name)
            waiting += [self.recipes[name].of] if self.recipes.section(name) != "frames" else []
        return [name for name in self.recipes.names() if name in used]

    def flow_in_use(self) -> list[str]:
        return [name for name in self.recipes_in_use() if name in self.recipes.flow]

    def onset_frames(self, dataset: str) -> list[str]:
        """Return the files whose onset frames a sheet of crops shows: the largest crops that the study makes."""
        used = [name for name in self.recipes_in_use() if name in self.recipes.frames]
        return self.shards(dataset, max(used, key=self.recipes.size)) if used else []

    def pictured_shards(self, dataset: str, recipe: str) -> dict[str, list[str]]:
        """Return crops and flow of all subjects, for the flow picture."""
        return {"crops": self.shards(dataset, self.recipes[recipe].of), "flow": self.shards(dataset, recipe)}

    # weights

    @cache
    def weights_by_name(self, protocol: str, run: str, folds: str) -> dict[str, str]:
        """Return {hyper-parameter: file} of what a run does not initialise at random."""
        return self._weight_files(self.params(protocol, run), protocol, folds) if run in self.methods else {}

    def _weight_files(self, params: Params, protocol: str, folds: str) -> dict[str, str]:
        return {
            name: self.pretrained(w.pretraining, protocol, folds) if w.pretraining else _files(w)[0]
            for name, w in params.weights_named().items()
        }

    def wanting_weights(self, tag: str) -> str:
        """Return the cards that name a tag, for messages."""
        path = tag_path(tag)
        named = {(r, p): self.params(p, r).weights_named().values() for r in self.methods for p in self.trained_on(r)}
        runs = [run for (run, _), weights in named.items() if path in [file for w in weights for file in _files(w)]]
        cards = [f"config/methods/{self.project.card_of[run]}.yaml" for run in runs]
        return ", ".join(dict.fromkeys(cards)) or "config/recipes.yaml"

    def people_of(self, protocol: str) -> dict[str, str]:
        """Return {data set: the release whose people it shows} of a protocol."""
        return {dataset: self.project.people(dataset) for dataset in self.project.protocols[protocol].datasets}

    # pre-training; `clips` is "all", or "<protocol>/folds<first>-<last>"

    def pretrained_in_use(self) -> list[str]:
        """Return the pre-trainings that a run names, and those that they start from."""
        pairs = [(protocol, run) for run in self.methods for protocol in self.trained_on(run)]
        return self.pretrainings.chain(w for p, run in pairs for w in self.params(p, run).weights_named().values())

    def pretrained(self, recipe: str, protocol: str, folds: str) -> str:
        """Return the file of a pre-training; with scope fold one for each protocol and range of folds."""
        if self.pretrainings.scope(recipe) == "all":
            return f"results/pretrained/{recipe}/{self.pretraining_key(recipe, '')}/all.safetensors"
        return (
            f"results/pretrained/{recipe}/{self.pretraining_key(recipe, protocol)}/{protocol}/folds{folds}.safetensors"
        )

    def _pretraining_datasets(self, recipe: str, protocol: str) -> Sequence[str]:
        return (
            self.project.protocols[protocol].datasets if protocol else self.recipes.pretraining[recipe].clips.datasets
        )

    @cache
    def _pretraining_job(self, recipe: str, protocol: str) -> dict[str, Any]:
        facts = {}
        if protocol:
            card = self.project.protocols[protocol]
            facts = {"protocol": protocol, "classes": list(card.classes), "multilabel": card.multilabel}
        return facts | {
            "name": recipe,
            "task": self.recipes.pretraining[recipe].task,
            "params": self.pretrainings.values(recipe).params,
            "scope": self.pretrainings.scope(recipe),
            "study_seed": self.settings.study_seed,
            "budget": self.settings.budget,
            "code": self.code("pretrain", self.pretrainings.task(recipe).__module__),
        }

    @cache
    def pretraining_key(self, recipe: str, protocol: str) -> str:
        """Return the hash of all that a pre-training's weights depend on, what it starts from included."""
        if self.pretrainings.scope(recipe) == "all":
            protocol = ""
        card = self.protocol_card(protocol) if protocol else {}
        starts = self.pretrainings.params(recipe).weights_named()
        return digest(
            {
                **self._pretraining_job(recipe, protocol),
                "instructions": self.settings.instructions,
                "protocol_card": {field: card[field] for field in _CLIPS_AND_FOLDS if card},
                "inputs": {r: self.recipes.chain(n) for r, n in self.pretrainings.values(recipe).inputs.items()},
                "data": {dataset: self._data(dataset) for dataset in self._pretraining_datasets(recipe, protocol)},
                "starts": [self.pretraining_key(w.pretraining, protocol) for w in starts.values() if w.pretraining],
            }
        )

    def pretraining_job(self, recipe: str, key: str, clips: str) -> dict[str, Any]:
        """Return what `apexbench.stages.pretrain.PretrainingJob` holds; InputError if the key names another."""
        protocol, _ = _split(clips)
        if key != self.pretraining_key(recipe, protocol):
            raise InputError(
                f"results/pretrained/{recipe}/{key}: not what the configuration now asks of {recipe!r}; that is "
                f"results/pretrained/{recipe}/{self.pretraining_key(recipe, protocol)}"
            )
        return self._pretraining_job(recipe, protocol)

    def pretraining_inputs(self, recipe: str, clips: str) -> dict[str, Any]:
        """Return {role: packs}, and the protocol's table or the indexes of the data sets."""
        protocol, _ = _split(clips)
        datasets, inputs = self._pretraining_datasets(recipe, protocol), self.pretrainings.values(recipe).inputs
        packs = {role: [self.pack(dataset, name) for dataset in datasets] for role, name in inputs.items()}
        if protocol:
            return packs | {"protocol": self.protocol_path(protocol)}
        return packs | {"indexes": [f"results/index/{dataset}.csv" for dataset in datasets]}

    def pretraining_roles(self, recipe: str) -> list[str]:
        return list(self.pretrainings.values(recipe).inputs)

    def pretraining_folds(self, clips: str) -> list[str]:
        protocol, folds = _split(clips)
        return self.training_folds(protocol, folds) if protocol else []

    def pretraining_weights_by_name(self, recipe: str, clips: str) -> dict[str, str]:
        """Return {hyper-parameter: file} of what a pre-training starts from."""
        return self._weight_files(self.pretrainings.params(recipe), *_split(clips))

    def pretraining_weights(self, recipe: str, clips: str) -> list[str]:
        return list(self.pretraining_weights_by_name(recipe, clips).values())

    def pretraining_people(self, recipe: str, clips: str) -> dict[str, str]:
        """Return {data set: the release whose people it shows}."""
        return {d: self.project.people(d) for d in self._pretraining_datasets(recipe, _split(clips)[0])}

    def pretraining_memory(self) -> int:
        return 12000 if self.settings.budget == "paper" else 3000

    # training

    @cache
    def card(self, protocol: str, run: str) -> MethodCard:
        """Return a run's card as it is under the budget and a protocol."""
        return self.project.card_on(run, protocol)

    @cache
    def params(self, protocol: str, run: str) -> Params:
        """Return a run's hyper-parameters under a protocol, checked."""
        return self.methods[run].parse(self.card(protocol, run).params, f"run {run!r}")

    def trained_on(self, run: str) -> list[str]:
        """Return the protocols that a run is trained under."""
        return [protocol for protocol in self.protocols if not self.why_not(protocol, run)]

    @cache
    def why_not(self, protocol: str, run: str) -> str:
        """Return the reason for which a run is not trained under a protocol; empty if it is."""
        if self.project.left_out(protocol, run):
            return "left out by config/config.yaml (leave_out)"
        wanted = self.runs[run].protocols
        if wanted and protocol not in wanted:
            return f"its card is for {', '.join(wanted)} only"
        for recipe in self._read(protocol, run):
            if recipe not in self.recipes.flow or self.recipes[recipe].pairs != "onset-apex":
                for dataset in filter(self.holds_maps, self.project.protocols[protocol].datasets):
                    return f"reads {recipe}, but {dataset} holds flow maps of onset and apex only"
        if run not in self.methods:
            return ""
        card = self.project.protocols[protocol]
        facts = ProtocolFacts(protocol, tuple(card.classes), card.datasets, card.multilabel)
        return self.methods[run].skip(self.params(protocol, run), facts)

    def _read(self, protocol: str, run: str) -> list[str]:
        """The recipes that a run reads, and the pre-trainings of each fold that stand behind it."""
        read = [*self.card(protocol, run).inputs.values()]
        named = self.params(protocol, run).weights_named().values() if run in self.methods else ()
        for name in self.pretrainings.chain(named):
            if self.pretrainings.scope(name) == "fold":
                read += self.pretrainings.values(name).inputs.values()
        return read

    @cache
    def fold_ranges(self, protocol: str) -> list[str]:
        """Return the names of a protocol's training jobs, 'first-last', by the number of folds that a job takes."""
        count = len(self.folds[protocol])
        step = count if self.settings.folds_per_job == "all" else self.settings.folds_per_job
        return [f"{first}-{min(first + step, count) - 1}" for first in range(0, count, step)]

    @cache
    def job(self, protocol: str, run: str) -> dict[str, Any]:
        """Return what `apexbench.training.run.Job` holds, but the seed."""
        card, of_protocol = self.card(protocol, run), self.project.protocols[protocol]
        return {
            "study_seed": self.settings.study_seed,
            "protocol": protocol,
            "classes": list(of_protocol.classes),
            "run": run,
            "method": card.method or "imported",
            "params": card.params,
            "budget": self.settings.budget,
            "data_source": "licensed" if self.real(of_protocol.datasets) else "synthetic",
            "code": self.training_code(protocol, run),
            "multilabel": of_protocol.multilabel,
        }

    @cache
    def _data(self, dataset: str) -> str:
        """The hash of what a data set is, as far as the configuration says it."""
        facts = [self.annotation(dataset), self.project.datasets[dataset].cropped, self.subjects(dataset)]
        if not self.licensed[dataset]:
            facts += [self.render_plan(dataset), self.settings.scale, self.settings.study_seed]
        return digest(facts)

    @cache
    def key(self, protocol: str, run: str) -> str:
        """Return the hash by which a run is found: all that its predictions depend on. Studies share what is equal."""
        card = self.protocol_card(protocol)
        datasets = self.project.protocols[protocol].datasets
        return digest(
            {
                **self.job(protocol, run),
                "instructions": self.settings.instructions,
                "protocol_card": {field: card[field] for field in _CLIPS_AND_FOLDS},
                "inputs": {role: self.recipes.chain(name) for role, name in self.card(protocol, run).inputs.items()},
                "data": {dataset: self._data(dataset) for dataset in datasets},
                "log": self.runs[run].log,
                "pretrained": [self.pretraining_key(name, protocol) for name in self._pretrained(protocol, run)],
            }
        )

    def _pretrained(self, protocol: str, run: str) -> list[str]:
        """The pre-trainings that a run names itself."""
        named = self.params(protocol, run).weights_named().values() if run in self.methods else ()
        return [weights.pretraining for weights in named if weights.pretraining]

    def training_job(self, protocol: str, run: str, key: str, seed: str) -> dict[str, Any]:
        """Return what `apexbench.training.run.Job` holds; InputError if the run is not the one that the key names."""
        if key != self.key(protocol, run):
            raise InputError(
                f"results/runs/{protocol}/{run}/{key}: not what the configuration now asks of {run!r}; "
                f"that is results/runs/{protocol}/{run}/{self.key(protocol, run)}"
            )
        return self.job(protocol, run) | {"seed": int(seed)}

    def _per_job(self, pattern: str, protocol: str, run: str) -> list[str]:
        """One path for each training job of a run: every seed and fold range; none if it cannot be trained."""
        if self.why_not(protocol, run):
            return []
        place = f"{protocol}/{run}/{self.key(protocol, run)}"
        jobs = [(seed, folds) for seed in self.settings.seeds for folds in self.fold_ranges(protocol)]
        return [pattern.format(run=place, seed=seed, folds=folds) for seed, folds in jobs]

    @cache
    def predictions(self, protocol: str, run: str) -> list[str]:
        """Return the predictions files of a run: one for each seed and range of folds."""
        return self._per_job("results/runs/{run}/seed{seed}/folds{folds}.parquet", protocol, run)

    @cache
    def inner_predictions(self, protocol: str, run: str) -> list[str]:
        """Return predictions of parts of the training subjects, by which `inner` selects; none where that is off."""
        if not self.settings.inner_folds or run not in self.methods:
            return []
        pattern = f"results/runs/{{run}}/seed{{seed}}/inner{self.settings.inner_folds}-folds{{folds}}.parquet"
        return self._per_job(pattern, protocol, run)

    def training_inputs(self, protocol: str, run: str) -> dict[str, list[str]]:
        """Return {role: packs of the protocol's data sets} by the method card's inputs."""
        datasets = self.project.protocols[protocol].datasets
        inputs = self.card(protocol, run).inputs
        return {role: [self.pack(dataset, recipe) for dataset in datasets] for role, recipe in inputs.items()}

    def training_weights(self, protocol: str, run: str, folds: str) -> list[str]:
        return list(self.weights_by_name(protocol, run, folds).values())

    def training_roles(self, protocol: str, run: str) -> list[str]:
        return list(self.card(protocol, run).inputs)

    def training_folds(self, protocol: str, folds: str) -> list[str]:
        first, last = map(int, folds.split("-"))
        return self.folds[protocol][first : last + 1]

    @cache
    def training_code(self, protocol: str, run: str) -> str:
        if run not in self.methods:
            return self.code("import_log")
        mixing = self.mixing(protocol, run)
        modules = [find_mixing(mixing).__module__] if mixing != "none" else []
        return self.code("train", self.methods[run].__module__, *modules)

    def mixing(self, protocol: str, run: str) -> str:
        """Return how a run mixes its clips; "none" if it does not."""
        return getattr(self.params(protocol, run), "mixing", "none")

    def training_memory(self, run: str) -> int:
        """Return MB: networks at paper size hold their clips and gradients, on a GPU also the CUDA context."""
        return 12000 if self.methods[run].uses_gpu and self.settings.budget == "paper" else 3000

    def training_gpus(self, run: str) -> int:
        return int(self.methods[run].uses_gpu)

    def log_file(self, run: str) -> str:
        return self.runs[run].log

    # scores

    def all_predictions(self, protocol: str) -> list[str]:
        return [path for run in self.runs for path in self.predictions(protocol, run)]

    def predictions_by_run(self, protocol: str) -> dict[str, list[str]]:
        return {run: self.predictions(protocol, run) for run in self.runs}

    def shown_predictions(self, protocol: str) -> list[str]:
        return [path for run in self.shown for path in self.predictions(protocol, run)]

    def shown_by_run(self, protocol: str) -> dict[str, list[str]]:
        return {run: self.predictions(protocol, run) for run in self.shown}

    def all_inner_predictions(self, protocol: str) -> list[str]:
        return [path for run in self.runs for path in self.inner_predictions(protocol, run)]

    def inner_by_run(self, protocol: str) -> dict[str, list[str]]:
        return {run: self.inner_predictions(protocol, run) for run in self.runs}

    def skipped_runs(self, protocol: str) -> dict[str, str]:
        reasons = {run: self.why_not(protocol, run) for run in self.runs}
        return {run: reason for run, reason in reasons.items() if reason}

    def ranked_protocols(self) -> list[str]:
        """Return protocols without a clip in common: a data set and a composite that holds it would count it twice."""
        ranked, taken = [], set()
        for protocol in self.protocols:
            folders = {self.project.folder_of(dataset) for dataset in self.project.protocols[protocol].datasets}
            if not folders & taken:
                ranked.append(protocol)
                taken |= folders
        return ranked

    def ranked_scores(self) -> dict[str, str]:
        return {protocol: f"results/{self.name}/scores/{protocol}.csv" for protocol in self.ranked_protocols()}

    def ranked_files(self) -> list[str]:
        return list(self.ranked_scores().values())

    def ranks_title(self) -> str:
        return f"Mean ranks over {', '.join(self.ranked_protocols())}{self.mark(self.datasets)}"

    def multilabel_protocols(self) -> list[str]:
        return [name for name in self.protocols if self.project.protocols[name].multilabel]

    # tables

    def table_card(self, table: str) -> dict:
        return _dumped(self.project.tables[table])

    def table_protocols(self, table: str) -> list[str]:
        return needed(self.project.tables[table], self.project.protocols, self.protocols)

    def _table_files(self, table: str, folder: str) -> dict[str, dict[str, str]]:
        """The files that a table of some kind is made of: {what: {protocol or data set: path}}."""
        kind, protocols = self.project.tables[table].kind, self.table_protocols(table)
        scored = protocols if kind != "data" else []
        counted = protocols if kind == "data" else []
        compared = protocols if kind == "comparisons" else []
        datasets = self.datasets if kind == "data" else []
        return {
            "scores": {protocol: f"{folder}/scores/{protocol}.csv" for protocol in scored},
            "comparisons": {protocol: f"{folder}/comparisons/{protocol}.csv" for protocol in compared},
            "counts": {protocol: f"results/protocols/{protocol}.counts.csv" for protocol in counted},
            "indexes": {dataset: f"results/index/{dataset}.csv" for dataset in datasets},
            "findings": {dataset: f"results/index/{dataset}.findings.csv" for dataset in datasets},
        }

    def table_inputs(self, table: str) -> dict[str, list[str]]:
        card = self.project.tables[table]
        files = self._table_files(table, f"results/{self.name}")
        published = [card.published, "counts.yaml"] if card.published else []
        inputs = {what: list(paths.values()) for what, paths in files.items()}
        return inputs | {"published": [str(self.project.folder / "published" / name) for name in published]}

    def _table_sources(self, table: str, folder: str) -> dict[str, Any]:
        files = self._table_files(table, folder)
        return {
            "scores": files["scores"],
            "published_folder": str(self.project.folder / "published"),
            "protocols": {key: _dumped(card) for key, card in self.project.protocols.items()},
            "datasets": {key: _dumped(card) for key, card in self.project.datasets.items()},
            "methods": {key: _dumped(card) for key, card in self.runs.items()},
            "benchmarks": self._table_benchmarks(table),
            "data": {what: files[what] for what in ("counts", "indexes", "findings")},
            "comparisons": files["comparisons"],
        }

    def table_sources(self, table: str) -> dict[str, Any]:
        """Return what the stage `table` needs beside the card."""
        return self._table_sources(table, f"results/{self.name}")

    def curve_title(self, table: str) -> str:
        datasets = {d for name in self.table_protocols(table) for d in self.project.protocols[name].datasets}
        return self.project.tables[table].title + self.mark(datasets)

    def _table_benchmarks(self, table: str) -> list:
        """Benchmark files of the training jobs: [protocol, run, files] each; only the runtime table reads them."""
        if self.project.tables[table].kind != "runtime":
            return []
        pattern = "results/benchmarks/train/{run}/seed{seed}/folds{folds}.tsv"
        return [[p, run, self._per_job(pattern, p, run)] for p in self.protocols for run in self.runs]

    def readme_tables(self) -> list[str]:
        return [f"results/{self.name}/tables/{name}.md" for name, card in self.project.tables.items() if card.readme]

    # what is there of an unfinished study

    def finished_by_run(self, protocol: str) -> dict[str, list[str]]:
        """Return the predictions that exist."""
        return {run: [p for p in paths if Path(p).exists()] for run, paths in self.predictions_by_run(protocol).items()}

    def finished_state(self, protocol: str) -> list[list]:
        """Return when the existing predictions were written: a partial table is made anew when they change."""
        return [[p, Path(p).stat().st_mtime_ns] for paths in self.finished_by_run(protocol).values() for p in paths]

    def partial_scores(self, table: str) -> list[str]:
        """Return the files of a partial table that can be made: clips are known and a run has predictions."""
        files = self._table_files(table, f"results/{self.name}/partial")
        made = [item for what in ("scores", "comparisons") for item in files[what].items()]
        return [path for protocol, path in made if self._scorable(protocol)]

    def _scorable(self, protocol: str) -> bool:
        return Path(self.protocol_path(protocol)).exists() and any(self.finished_by_run(protocol).values())

    def partial_sources(self, table: str) -> dict[str, Any]:
        return self._table_sources(table, f"results/{self.name}/partial")

    # figures

    def figures(self) -> list[str]:
        """Return every figure and page of a study; pictures of licensed clips lie apart and outside the report."""
        results = f"results/{self.name}"
        paths = [f"{results}/tables/{name}.html" for name in self.project.tables]
        for protocol in self.protocols:
            if self.shown_predictions(protocol) and not self.project.protocols[protocol].multilabel:
                paths += [f"{results}/figures/{kind}-{protocol}.svg" for kind in ("confusion", "curves", "null")]
        if len(self.ranked_protocols()) > 1 and len(self.shown) > 1:
            paths.append(f"{results}/figures/critical-difference.svg")
        paths += [f"{results}/figures/curve-{name}.svg" for name, card in self.project.tables.items() if card.curve]
        for dataset in self.datasets:
            if not self.holds_maps(dataset):
                folder = self._picture_folder([dataset])
                paths += [f"{folder}/crops-{dataset}.png"] if self.onset_frames(dataset) else []
                paths += [f"{folder}/flow-{dataset}-{recipe}.png" for recipe in self.flow_in_use()]
        return paths + self._mixing_pictures()

    def _picture_folder(self, datasets: Sequence[str]) -> str:
        licensed = any(self.licensed[dataset] for dataset in datasets)
        return f"results/{self.name}/figures{'-licensed' if licensed else ''}"

    def _mixing_pictures(self) -> list[str]:
        """A picture of each shown run that mixes and attends, on the first protocol that it is trained on."""
        paths = []
        for run in self.shown:
            if run in self.methods and getattr(self.methods[run], "attends", False):
                for protocol in self.trained_on(run)[:1]:
                    if self.mixing(protocol, run) != "none":
                        folder = self._picture_folder(self.project.protocols[protocol].datasets)
                        paths.append(f"{folder}/mixing-{protocol}-{run}.png")
        return paths

    def mixing_job(self, protocol: str, run: str) -> dict[str, Any]:
        return self.job(protocol, run) | {"seed": self.settings.seeds[0]}

    def mixing_weights_by_name(self, protocol: str, run: str) -> dict[str, str]:
        """Return {hyper-parameter: file} for the first fold."""
        return self.weights_by_name(protocol, run, self.fold_ranges(protocol)[0])

    def mixing_weights(self, protocol: str, run: str) -> list[str]:
        return list(self.mixing_weights_by_name(protocol, run).values())

    def mixing_title(self, protocol: str, run: str) -> str:
        return f"{self.runs[run].title}: {self.protocol_title(protocol)}"


def _files(weights: Weights) -> list[str]:
    """The file that holds some weights, none for random ones; a timm tag is fetched first."""
    return list(filter(None, [weights.file or (weights.timm and tag_path(weights.timm))]))


def _split(clips: str) -> tuple[str, str]:
    """The protocol and the range of folds of a pre-training's clips; both empty for whole data sets."""
    protocol, _, folds = clips.partition("/folds")
    return (protocol, folds) if folds else ("", "")


def _dumped(card) -> dict:
    return card.model_dump(mode="json")
