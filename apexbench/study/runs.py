"""Runs: which method is trained where, on what, with which weights, and under which key."""

import os
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from itertools import chain
from typing import Any

from apexbench.config.methods import MethodCard
from apexbench.config.model import digest
from apexbench.errors import InputError
from apexbench.features import create as create_extractor
from apexbench.frames.magnifying import create as create_arm
from apexbench.methods import Deep, Method, Params, ProtocolFacts, check_card, find
from apexbench.methods.mixing import find_mixing
from apexbench.study.features import Features
from apexbench.study.inputs import weight_files
from apexbench.tables.places import places_of
from apexbench.weights import Weights, seen_by, state_of, tag_path

AUTO_JOBS = 8  # into which folds_per_job: auto cuts the folds of a network


class Runs(Features):
    """What rules ask of trainings."""

    def __init__(self, settings: Mapping, root: str | os.PathLike, origin: Mapping[str, str] | None = None):
        super().__init__(settings, root, origin)
        self._check_cards()
        self.methods: dict[str, type[Method]] = {r: find(card.method) for r, card in self.runs.items() if card.method}
        self._check_pretrainings()
        for name in self.pretrained_in_use():
            for dataset in self.recipes.pretraining[name].clips.datasets:
                self.licensed.setdefault(dataset, self.project.source(dataset) == "licensed")

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
                factors_of=self.recipes.factors,
            )

    def _check_pretrainings(self) -> None:
        known = self.recipes.names()
        self.pretrainings.check(self.pack_axes, self.project.size_of, known, self.project.datasets, self.weights_of)
        for run in self.methods:
            for protocol in self.trained_on(run):
                for recipe in filter(self.recipes.features.get, self.card(protocol, run).inputs.values()):
                    self.check_features(recipe, {protocol: self.project.people_tested(protocol)})
                for field, weights in self.params(protocol, run).weights_named().items():
                    where = f"config/methods/{self.project.card_of[run]}.yaml: field 'params.{field}'"
                    self.pretrainings.check_use(
                        where,
                        weights,
                        tested={protocol: self.project.people_tested(protocol)},
                        people=self.project.people_in,
                    )
                    if weights.pretraining:
                        theirs = self.pretrainings.params(weights.pretraining)
                        if reason := self.methods[run].misfit(self.params(protocol, run), theirs):
                            raise InputError(
                                f"{where}: under budget {self.settings.budget!r} the pre-training "
                                f"{weights.pretraining!r} does not fit: {reason}; give both the same"
                            )

    def check_weight_files(self) -> None:
        """Raise an InputError, which names card and file, where a file of weights is of another network.

        Or where one that was trained here has seen whom a run tests. Every network that starts from a file is built,
        which takes seconds: for once before the first job.
        """
        named: dict[str, tuple[type[Method], Params, int]] = {}
        for name in self.pretrained_in_use():
            where = f"config/recipes.yaml: field 'pretraining.{name}.start'"
            named[where] = self.pretrainings.task(name), self.pretrainings.params(name), 2
        for run in self.methods:
            for protocol in self.trained_on(run)[:1]:
                where, classes = f"config/methods/{self.project.card_of[run]}.yaml: run {run!r}", self.project.protocols
                named[where] = self.methods[run], self.params(protocol, run), len(classes[protocol].classes)
        for where, (kind, params, classes) in named.items():
            weights = params.weights_named()
            if issubclass(kind, Deep) and weights and all(w.file or w.random for w in weights.values()):
                states = {name: state_of(w, where) for name, w in weights.items() if w.file}
                try:
                    if states:
                        kind(classes, params).build(states)
                except InputError as error:
                    files = ", ".join(w.file for w in weights.values() if w.file)
                    raise InputError(f"{where}: {files}: {error}") from None
        before = [self.pretrainings.values(name).inputs.values() for name in self.pretrained_in_use()]
        for name in self._with_those_below(chain(self.recipes_in_use(), self.pictured_magnification(), *before)):
            if self.recipes.section(name) in ("magnification", "features"):
                self._check_weight_file(name)
        for run in self.methods:
            for protocol in self.trained_on(run):
                self._check_seen(protocol, run)

    def _check_seen(self, protocol: str, run: str) -> None:
        """The same of what weights have seen that a run begins with, or a pre-training behind it, or its features."""
        named = {
            f"config/methods/{self.project.card_of[run]}.yaml: field 'params.{field}'": weights
            for field, weights in self.params(protocol, run).weights_named().items()
        }
        for recipe in self.card(protocol, run).inputs.values():
            named[f"config/recipes.yaml: field 'features.{recipe}.options.weights'"] = self.weights_of(recipe)
        for name in self.pretrainings.chain(named.values()):
            for field, weights in self.pretrainings.params(name).weights_named().items():
                named[f"config/recipes.yaml: field 'pretraining.{name}.start.{field}'"] = weights
        for where, weights in named.items():
            file = weights.file
            seen = seen_by(file) if file else set()
            tested = self.project.people_tested(protocol) if seen else []
            if met := sorted(seen & {f"{release}:{subject}" for release, subject in tested}):
                raise InputError(
                    f"{where}: {file} has seen {', '.join(met[:3])}, whom {protocol!r} tests; name weights of other "
                    f"people, or {{pretraining: ...}} of scope: fold"
                )

    def _check_weight_file(self, recipe: str) -> None:
        """The same of a network that magnifies, or that gives features."""
        card = self.recipes[recipe]
        if not (isinstance(weights := card.options.get("weights"), Mapping) and "file" in weights):
            return
        where = f"config/recipes.yaml: field '{self.recipes.section(recipe)}.{recipe}.options.weights'"
        try:
            if recipe in self.recipes.magnification:
                create_arm(card.arm, card.options).load()
            else:
                side = self.recipes.crops[self.recipes.frames_of(recipe).crop].size
                create_extractor(card.extractor, card.options).load(side)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None

    @property
    def given_logs(self) -> list[str]:
        return [run for run in self.runs if run not in self.methods]

    @cache
    def recipes_in_use(self) -> list[str]:
        """Return the recipes that a configured method reads, and all that they are made of, in the file's order."""
        cards = [self.card(protocol, run) for run in self.runs for protocol in self.trained_on(run)]
        return self._with_those_below(recipe for card in cards for recipe in card.inputs.values())

    def _with_those_below(self, recipes: Iterable[str]) -> list[str]:
        """Return recipes, and all that they are made of, in the file's order."""
        used, waiting = set(), list(recipes)
        while waiting:
            name = waiting.pop()
            used.add(name)
            waiting += [self.recipes[name].of] if self.recipes.section(name) != "frames" else []
        return [name for name in self.recipes.names() if name in used]

    def pictured_flow(self) -> list[str]:
        """Return the flow recipes in use that have a picture, which is of onset and apex; a sequence has none."""
        flow = self.recipes.flow
        return [name for name in self.recipes_in_use() if name in flow and flow[name].pairs == "onset-apex"]

    def pictured_magnification(self) -> tuple[str, ...]:
        """Return the magnification recipes that a figure shows: none of a study whose runs read no magnified frames."""
        magnified = self.recipes.magnification
        read = any(name in magnified and magnified[name].arm != "none" for name in self.recipes_in_use())
        return self.settings.pictured_magnification if read else ()

    # weights

    @cache
    def weights_by_name(self, protocol: str, run: str, folds: str) -> dict[str, str]:
        """Return {hyper-parameter: file} of what a run does not initialise at random."""
        return self._files_of(self.params(protocol, run), protocol, folds) if run in self.methods else {}

    def wanting_weights(self, tag: str) -> str:
        """Return the cards that name a tag, for messages."""
        path = tag_path(tag)
        named = {(r, p): self.params(p, r).weights_named().values() for r in self.methods for p in self.trained_on(r)}
        runs = [
            run for (run, _), weights in named.items() if path in [file for w in weights for file in weight_files(w)]
        ]
        cards = [f"config/methods/{self.project.card_of[run]}.yaml" for run in runs]
        return ", ".join(dict.fromkeys(cards)) or "config/recipes.yaml"

    def people_of(self, protocol: str) -> dict[str, str]:
        """Return {data set: the release whose people it shows} of a protocol."""
        return {dataset: self.project.people(dataset) for dataset in self.project.protocols[protocol].datasets}

    def pretrained_in_use(self) -> list[str]:
        """Return the pre-trainings that a run names, or features that it reads, and those that they start from."""
        pairs = [(protocol, run) for run in self.methods for protocol in self.trained_on(run)]
        return self.pretrainings.chain(
            Weights(pretraining=name) for protocol, run in pairs for name in self._pretrained(protocol, run)
        )

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

    @cached_property
    def _printed_there(self) -> dict[str, set[str]]:
        """{protocol: runs that a table of another author shows there}."""
        shown: dict[str, set[str]] = {}
        for table in self.project.tables.values():
            if table.kind == "published":
                for run, protocol in places_of(table, self.project.protocols):
                    shown.setdefault(protocol, set()).add(run)
        return shown

    @cache
    def why_not(self, protocol: str, run: str) -> str:
        """Return the reason for which a run is not trained under a protocol; empty if it is."""
        if self.project.left_out(protocol, run):
            return "left out of this study (leave_out)"
        for key, here in (
            ("table_protocols", protocol in self.settings.table_protocols),
            ("table_methods", run in self.project.table_runs),
        ):
            if here and run not in self._printed_there.get(protocol, ()):
                return f"no printed table of this study has it there ({key})"
        return self.cannot(protocol, run)

    def cannot(self, protocol: str, run: str) -> str:
        """Return the reason for which a run cannot be trained under a protocol, whatever a study leaves out."""
        wanted = self.runs[run].protocols
        if wanted and protocol not in wanted:
            return f"its card is for {', '.join(wanted)} only"
        if self.project.protocols[protocol].target == "aus" and self._oracle(protocol, run):
            return "reads what true action units chose, and they are the labels here"
        for dataset in filter(self.holds_maps, self.project.protocols[protocol].datasets):
            if reason := self._not_of_maps(protocol, run, dataset):
                return reason
        if run not in self.methods:
            return ""
        card = self.project.protocols[protocol]
        facts = ProtocolFacts(protocol, tuple(card.classes), card.datasets, card.multilabel)
        return self.methods[run].skip(self.params(protocol, run), facts)

    def _not_of_maps(self, protocol: str, run: str, dataset: str) -> str:
        """Return why a run cannot read the flow maps that a data set is given as; "" if it can."""
        for name in self._read(protocol, run):
            recipe = self.recipes[name]
            if name not in self.recipes.flow or recipe.pairs != "onset-apex":
                return f"reads {name}, but {dataset} holds flow maps of onset and apex only"
            region = self.recipes.crops[self.recipes.frames_of(name).crop].region
            if region != "face":
                return f"reads {name}, of the region {region}, but the flow maps of {dataset} are of the whole face"
            if recipe.map is None:
                return (
                    f"reads {name}, which has no 'map', the side in px that the flow maps of {dataset} are brought to"
                )
        if run in self.methods and self.methods[run].needs_px(self.params(protocol, run)):
            return f"needs flow in px, but the flow maps of {dataset} are each stretched to their own range"
        return ""

    def _oracle(self, protocol: str, run: str) -> bool:
        return any(self.recipes.is_oracle(recipe) for recipe in self._read(protocol, run))

    @cached_property
    def oracles(self) -> list[str]:
        """The runs that read what the true action units of a test clip have chosen."""
        return [run for run in self.runs if any(self._oracle(protocol, run) for protocol in self.trained_on(run))]

    @cached_property
    def circular(self) -> list[str]:
        """The runs that read flow of what the same flow has magnified."""
        return [run for run in self.runs if any(self._circular(protocol, run) for protocol in self.trained_on(run))]

    def _circular(self, protocol: str, run: str) -> bool:
        return any(self.recipes.is_circular(recipe) for recipe in self._read(protocol, run))

    def _read(self, protocol: str, run: str) -> list[str]:
        """The recipes that a run reads, and the pre-trainings of each fold that stand behind it."""
        read = [*self.card(protocol, run).inputs.values()]
        named = self.params(protocol, run).weights_named().values() if run in self.methods else ()
        for name in self.pretrainings.chain(named):
            if self.pretrainings.scope(name) == "fold":
                read += self.pretrainings.values(name).inputs.values()
        return read

    @cache
    def fold_ranges(self, protocol: str, run: str) -> list[str]:
        """Return the names of a run's training jobs, 'first-last', by the number of folds that a job takes.

        `auto` looks at neither the machine nor the rest of the study: what was trained once is found again.
        """
        count, step = len(self.folds[protocol]), self.settings.folds_per_job
        if step == "auto":
            network = run in self.methods and self.methods[run].uses_gpu
            step = -(-count // AUTO_JOBS) if network else count
        step = count if step == "all" else step
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
    def key(self, protocol: str, run: str) -> str:
        """Return the hash by which a run is found: all that its predictions depend on. Studies share what is equal."""
        datasets = self.project.protocols[protocol].datasets
        return digest(
            {
                **self.job(protocol, run),
                "instructions": self.settings.instructions,
                "protocol_card": self._clips_and_folds(protocol),
                "inputs": {role: self.recipes.chain(name) for role, name in self.card(protocol, run).inputs.items()},
                "data": {dataset: self._data(dataset) for dataset in datasets},
                "log": self.runs[run].log,
                "pretrained": [self.pretraining_key(name, protocol) for name in self._pretrained(protocol, run)],
            }
        )

    def _pretrained(self, protocol: str, run: str) -> list[str]:
        """The pre-trainings that a run names itself, and those whose weights extract the features that it reads."""
        named = self.params(protocol, run).weights_named().values() if run in self.methods else ()
        own = [weights.pretraining for weights in named if weights.pretraining]
        return own + self.features_pretrained(self.card(protocol, run).inputs.values())

    @cache
    def training_run(self, protocol: str, run: str, key: str) -> dict[str, Any]:
        """Return what a training of a run is told beside its files, the same for all seeds and folds.

        `job` is what `apexbench.training.record.Job` holds, but the seed; `folds` are all of the protocol; `roles` and
        `weights` name what its inputs are. InputError if the run is not the one that the key names.
        """
        self._check_key(protocol, run, key)
        return {
            "job": self.job(protocol, run),
            "folds": list(self.folds[protocol]),
            "roles": list(self.card(protocol, run).inputs),
            "weights": list(self.weights_by_name(protocol, run, self.fold_ranges(protocol, run)[0])),
            "people_of": self.people_of(protocol),
        }

    def _check_key(self, protocol: str, run: str, key: str) -> None:
        if key != self.key(protocol, run):
            raise InputError(
                f"results/runs/{protocol}/{run}/{key}: not what the configuration now asks of {run!r}; "
                f"that is results/runs/{protocol}/{run}/{self.key(protocol, run)}"
            )

    def _per_job(self, pattern: str, protocol: str, run: str) -> list[str]:
        """One path for each training job of a run, every seed and fold range; none if it cannot be trained.

        A method without randomness, or a log of predictions, is the same for all seeds: only the first is taken.
        """
        if self.why_not(protocol, run):
            return []
        place = f"{protocol}/{run}/{self.key(protocol, run)}"
        random = run in self.methods and not self.methods[run].deterministic
        seeds = self.settings.seeds if random else self.settings.seeds[:1]
        jobs = [(seed, folds) for seed in seeds for folds in self.fold_ranges(protocol, run)]
        return [pattern.format(run=place, seed=seed, folds=folds) for seed, folds in jobs]

    @cache
    def predictions(self, protocol: str, run: str) -> list[str]:
        """Return the predictions files of a run: one for each seed and range of folds."""
        return self._per_job("results/runs/{run}/seed{seed}/folds{folds}.parquet", protocol, run)

    @cache
    def inner_predictions(self, protocol: str, run: str) -> list[str]:
        """Return predictions of parts of the training subjects, by which `inner` selects.

        None where that is off, and of a run whose weights are pre-trained on each fold: they have seen all parts.
        """
        if not self.settings.inner_folds or run not in self.methods:
            return []
        named = self.params(protocol, run).weights_named().values()
        if any(self.pretrainings.scope(name) == "fold" for name in self.pretrainings.chain(named)):
            return []
        pattern = f"results/runs/{{run}}/seed{{seed}}/inner{self.settings.inner_folds}-folds{{folds}}.parquet"
        return self._per_job(pattern, protocol, run)

    @cache
    def _packs(self, protocol: str, run: str) -> dict[str, list[str]]:
        datasets = self.project.protocols[protocol].datasets
        inputs = self.card(protocol, run).inputs
        return {role: [self.pack(dataset, recipe) for dataset in datasets] for role, recipe in inputs.items()}

    def training_inputs(self, protocol: str, run: str, key: str, folds: str) -> dict[str, list[str]]:
        """Return {role: packs of the protocol's data sets} by the method card's inputs, and as `weights` the files of
        what a run does not initialise at random, if there are any.

        InputError if the run is not the one that the key names.
        """
        self._check_key(protocol, run, key)
        weights = list(self.weights_by_name(protocol, run, folds).values())
        return self._packs(protocol, run) | ({"weights": weights} if weights else {})

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
