"""Pre-trainings: on which clips, from which weights, and under which key.

`clips` is "all", or "<protocol>/folds<first>-<last>".
"""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from apexbench.config.model import digest
from apexbench.errors import InputError
from apexbench.methods import Params
from apexbench.study.inputs import Inputs, weight_files
from apexbench.training.pretraining import Pretrainings


class Pretraining(Inputs):
    """What rules ask of pre-trainings."""

    def __init__(self, settings: Mapping, root: str | os.PathLike, origin: Mapping[str, str] | None = None):
        super().__init__(settings, root, origin)
        self.pretrainings = Pretrainings(self.recipes.pretraining, self.settings.budget)

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
        starts = self.pretrainings.params(recipe).weights_named()
        return digest(
            {
                **self._pretraining_job(recipe, protocol),
                "instructions": self.settings.instructions,
                "protocol_card": self._clips_and_folds(protocol) if protocol else {},
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

    def pretraining_inputs(self, recipe: str, key: str, clips: str) -> dict[str, Any]:
        """Return {role: packs}, and the protocol's table or the indexes of the data sets.

        InputError if the key names another pre-training.
        """
        self.pretraining_job(recipe, key, clips)
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
        return self._files_of(self.pretrainings.params(recipe), *_split(clips))

    def pretraining_weights(self, recipe: str, clips: str) -> list[str]:
        return list(self.pretraining_weights_by_name(recipe, clips).values())

    def pretraining_people(self, recipe: str, clips: str) -> dict[str, str]:
        """Return {data set: the release whose people it shows}."""
        return {d: self.project.people(d) for d in self._pretraining_datasets(recipe, _split(clips)[0])}

    def pretraining_memory(self) -> int:
        return 12000 if self.settings.budget == "paper" else 3000

    def _files_of(self, params: Params, protocol: str, folds: str) -> dict[str, str]:
        return {
            name: self.pretrained(w.pretraining, protocol, folds) if w.pretraining else weight_files(w)[0]
            for name, w in params.weights_named().items()
        }


def _split(clips: str) -> tuple[str, str]:
    """The protocol and the range of folds of a pre-training's clips; both empty for whole data sets."""
    protocol, _, folds = clips.partition("/folds")
    return (protocol, folds) if folds else ("", "")
