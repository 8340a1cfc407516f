"""From clips to what a method reads: the files of recipes, part by part."""

import os
from functools import cache
from pathlib import Path

from apexbench.clips import read_index
from apexbench.config.recipes import Axes
from apexbench.errors import InputError
from apexbench.frames.magnifying import find as find_arm
from apexbench.manifest import folder_state, joined
from apexbench.recipes import arm_module, axes_of
from apexbench.study.checked import Checked, dumped
from apexbench.weights import Weights, tag_path

_STAGES = {"frames": "frames", "magnification": "magnified", "flow": "flow", "features": "features"}


class Inputs(Checked):
    """What rules ask between the clips and the methods."""

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

    def clips_state(self, dataset: str, part: str) -> str:
        """Return what the frames of a part's clips look like in a licensed copy: names, sizes and times.

        Where the index does not say which folders are theirs, all of the copy counts. Empty of synthetic clips.
        """
        if not self.licensed[dataset]:
            return ""
        index = Path(f"results/index/{dataset}.csv")
        folders = self._clip_folders(dataset, index.stat().st_mtime_ns) if index.is_file() else None
        if folders is None:
            return self._tree_state(self.clips_root(dataset), True)
        wanted = [folder for subject in self.part_subjects(dataset, part) for folder in folders.get(subject, ())]
        return joined(map(self._folder_state, wanted))

    @cache
    def _clip_folders(self, dataset: str, written: int) -> dict[int, list[str]] | None:
        """{subject: folders of its clips' frames} by the index that was written at that time; None if it is damaged."""
        try:
            frame = read_index(f"results/index/{dataset}.csv")
        except InputError:
            return None  # of which those tell that read it for their work
        folders: dict[int, list[str]] = {}
        for subject, folder in sorted(set(zip(frame["subject"], frame["frames_dir"], strict=True))):
            folders.setdefault(subject, []).append(f"{self.clips_root(dataset)}/{folder}")
        return folders

    @cache
    def _folder_state(self, folder: str) -> tuple[int, bytes]:
        return folder_state(folder)

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
        return dumped(self.recipes[recipe])

    def frames_recipe(self, recipe: str) -> dict:
        return self.recipes.chain(recipe)

    def magnify_code(self, recipe: str) -> str:
        return self.code("magnify", arm_module(self.recipes.magnification[recipe].arm))

    def magnify_weights(self, recipe: str) -> list[str]:
        """Return the file of an arm's weights, relative to the working directory if it is the one that is shipped."""
        card = self.recipes.magnification[recipe]
        options = find_arm(card.arm).parse(card.options, f"config/recipes.yaml: field 'magnification.{recipe}.options'")
        files = weight_files(getattr(options, "weights", Weights()))
        return files if "weights" in card.options else [os.path.relpath(file) for file in files]

    def magnify_card(self, recipe: str) -> dict:
        """Return a magnification recipe's card, with the file of its weights."""
        return self._with_weights(recipe, self.magnify_weights(recipe))

    def magnify_gpus(self, recipe: str) -> int:
        return int(find_arm(self.recipes.magnification[recipe].arm).uses_gpu)

    def _with_weights(self, recipe: str, files: list[str]) -> dict:
        card = self.recipe(recipe)
        return card | {"options": card["options"] | {"weights": {"file": files[0]}}} if files else card

    def pack(self, dataset: str, recipe: str) -> str:
        return f"results/packs/{dataset}/{recipe}.safetensors"

    def pack_inputs(self, dataset: str, recipe: str) -> list[str]:
        return self.shards(dataset, recipe)

    def pack_axes(self, recipe: str) -> Axes:
        return axes_of(self.recipes, recipe)

    def map_inputs(self, dataset: str) -> dict[str, str]:
        return {"index": f"results/index/{dataset}.csv", "maps": self.clips_root(dataset)}


def weight_files(weights: Weights) -> list[str]:
    """Return the file that holds some weights, none for random ones; a timm tag is fetched first."""
    return list(filter(None, [weights.file or (weights.timm and tag_path(weights.timm))]))
