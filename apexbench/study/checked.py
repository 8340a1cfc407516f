"""What a study is asked for, checked, and the clips that it is about."""

import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from apexbench.code_hash import Code
from apexbench.config.datasets import LOADERS
from apexbench.config.methods import MethodCard
from apexbench.config.model import digest
from apexbench.errors import InputError
from apexbench.manifest import tree_state
from apexbench.project import Project, load_project
from apexbench.protocols import fold_names, planned
from apexbench.recipes import check_pictured, check_recipes
from apexbench.tables.check import check_scoring

# first folders of paths under results/; a study of such a name would lie among the files of all studies
SHARED = {
    "benchmarks", "exports", "faces", "features", "flow", "frames", "index", "logs", "magnified", "packs", "pretrained",
    "protocols", "runs", "synthetic", "weights",
}  # fmt: skip
SYNTHETIC = "synthetic clips: these numbers say nothing about real data"

_CLIPS_AND_FOLDS = ("datasets", "split", "folds", "target", "classes", "classes_of", "exclude")
MAPS_STUDY = "config/studies/maps.yaml"


class Checked:
    """The configuration of a study, and what rules ask before any frame is read."""

    def __init__(self, settings: Mapping, root: str | os.PathLike, origin: Mapping[str, str] | None = None):
        """Read and check everything under `root`/config; InputError for whatever cannot work.

        origin : {key of the settings: its file}, for messages, where that is not config/config.yaml.
        """
        self.root, self._code = Path(root), Code(root)
        self.project: Project = load_project(settings, root, origin)
        self.settings, self.recipes = self.project.settings, self.project.recipes
        self.name = self.settings.study
        if self.name in SHARED:
            raise InputError(
                f"{self.project.set_in('study')}: field 'study': {self.name!r} is a folder that all studies share; "
                f"choose another name than {', '.join(sorted(SHARED))}"
            )
        check_recipes(self.recipes)
        pictured = self.settings.pictured_magnification
        check_pictured(self.recipes, pictured, self.project.set_in("pictured_magnification"))
        check_scoring(self.project.conventions, self.project.tables)
        self.runs: dict[str, MethodCard] = self.project.methods
        self.shown = [run for run, card in self.runs.items() if card.leaderboard]
        self.protocols = self.project.studied
        self.datasets = self.project.used_datasets()
        self.folds = {p: fold_names(self.project.protocols[p], self.project.tested(p)) for p in self.protocols}
        self.licensed = {dataset: self.project.source(dataset) == "licensed" for dataset in self.datasets}

    # what is common

    @cache
    def code(self, rule: str, *modules: str) -> str:
        """Return the hash of the code that a rule's script and further modules depend on."""
        return self._code.hash(f"workflow/scripts/{rule}.py", *modules)

    def saved(self) -> dict[str, Any]:
        """Return the settings as they are saved beside the results."""
        return self.settings.model_dump(mode="json", exclude={"only"})

    def sources(self) -> list[str]:
        """Return a line for each data set that the study reads: licensed or synthetic clips, and why."""
        return [self.project.why_source(dataset) for dataset in self.licensed]

    def unused_maps(self) -> list[str]:
        """Return a line for each folder of given flow maps that is there, but that no protocol of the study reads."""
        there = {self.project.folder_of(dataset) for dataset in self.given_maps if self.project.has_copy(dataset)}
        read = {self.project.folder_of(dataset) for dataset in self.datasets}
        return [
            f"{folder}: given flow maps, which no protocol of this study reads; to run on them: "
            f"snakemake --cores 8 --configfile {MAPS_STUDY}"
            for folder in sorted(there - read)
        ]

    def real(self, datasets: Iterable[str]) -> bool:
        """Tell whether all clips of some data sets are licensed copies."""
        return all(self.licensed[dataset] for dataset in datasets)

    def headed(self, title: str, datasets: Iterable[str]) -> str:
        """Return the head of a figure: its title, and below it which study, which budget, and that no clip is real."""
        mark = "" if self.real(datasets) else f"; {SYNTHETIC}"
        return f"{title}\nStudy {self.name}, budget {self.settings.budget}{mark}"

    def dataset_title(self, dataset: str) -> str:
        return self.project.datasets[dataset].title

    def holds_maps(self, dataset: str) -> bool:
        """Tell whether a data set is given as flow maps: then there are no frames, and packs are made from the maps."""
        return self.project.loader(dataset) == "flow-maps"

    @property
    def given_maps(self) -> list[str]:
        return list(filter(self.holds_maps, self.project.datasets))

    # clips, index, protocols

    def clips_root(self, dataset: str) -> str:
        """Return the folder of a data set's clips: the user's copy, or the synthetic ones."""
        if self.licensed[dataset]:
            return str(self.project.folder_of(dataset))
        return f"results/synthetic/{dataset}/clips"

    def copy_state(self, dataset: str) -> str:
        """Return what of a licensed copy decides on its index: all names, sizes and times of what is no picture.

        Of pictures, too, where they say what the index says. Empty of synthetic clips, which a rule makes.
        """
        if not self.licensed[dataset]:
            return ""
        looked_at = self.project.datasets[dataset].apex == "spotted" or self.holds_maps(dataset)
        return self._tree_state(self.clips_root(dataset), looked_at)

    @cache
    def _tree_state(self, root: str, pictures: bool) -> str:
        return tree_state(root, pictures)

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
            "repairs": [dumped(r) for r in self.project.repairs if r.dataset == loader and r.enabled],
            "expected": {k: getattr(card, k) for k in expected} if self.counts_are_official([dataset]) else None,
        }

    @cache
    def _data(self, dataset: str) -> str:
        """The hash of what a data set is, as far as the configuration says it."""
        facts = [self.annotation(dataset), self.project.datasets[dataset].cropped, self.subjects(dataset)]
        if not self.licensed[dataset]:
            facts += [self.render_plan(dataset), self.settings.scale, self.settings.study_seed]
        return digest(facts)

    def protocol_indexes(self, protocol: str) -> list[str]:
        return [f"results/index/{dataset}.csv" for dataset in self.project.protocols[protocol].datasets]

    def protocol_findings(self, protocol: str) -> list[str]:
        return [path.replace(".csv", ".findings.csv") for path in self.protocol_indexes(protocol)]

    def protocol_card(self, protocol: str) -> dict:
        card = self.project.protocols[protocol]
        if not self.counts_are_official(card.datasets):
            card = planned(card, {dataset: self.project.plan_of(dataset) for dataset in card.datasets})
        return dumped(card)

    def _clips_and_folds(self, protocol: str) -> dict[str, Any]:
        """What of a protocol's card decides on clips, labels and folds; the rest is for scores and for the eye."""
        card = self.protocol_card(protocol)
        return {field: card[field] for field in _CLIPS_AND_FOLDS}

    def training_folds(self, protocol: str, folds: str) -> list[str]:
        first, last = map(int, folds.split("-"))
        return self.folds[protocol][first : last + 1]

    def protocol_path(self, protocol: str) -> str:
        return f"results/protocols/{protocol}.csv"

    def protocol_title(self, protocol: str) -> str:
        return self.project.protocols[protocol].title

    def protocol_classes(self, protocol: str) -> list[str]:
        return list(self.project.protocols[protocol].classes)


def dumped(card) -> dict:
    """Return a card as a rule's parameter."""
    return card.model_dump(mode="json")
