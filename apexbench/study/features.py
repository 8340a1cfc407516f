"""Features: of what they are made, by which weights; those of a pre-training among them."""

from collections.abc import Iterable, Mapping

from apexbench.errors import InputError
from apexbench.features import Extractor, Options
from apexbench.features import find as find_extractor
from apexbench.recipes import extractor_module
from apexbench.study.inputs import weight_files
from apexbench.study.pretraining import Pretraining
from apexbench.weights import RANDOM, Weights


class Features(Pretraining):
    """What rules ask of features, and of the packs that hold them."""

    def feature_inputs(self, dataset: str, recipe: str, part: str) -> dict[str, str]:
        """Return what features are made of; with the frames at the bottom of it, if the extractor wants landmarks."""
        inputs = {"shard": self.shard_below(dataset, recipe, part)}
        if self._extractor(recipe).landmarks:
            inputs["frames"] = self.shard(dataset, self.recipes.frames_name(recipe), part)
        return inputs

    def features_code(self, recipe: str) -> str:
        return self.code("features", extractor_module(self.recipes.features[recipe].extractor))

    def feature_weights(self, recipe: str) -> list[str]:
        """Return the file of an extractor's weights, if they are not random."""
        weights = self.weights_of(recipe)
        return [self.pretrained(weights.pretraining, "", "")] if weights.pretraining else weight_files(weights)

    def feature_card(self, recipe: str) -> dict:
        """Return a feature recipe's card, with the file of its weights in place of their tag or pre-training."""
        return self._with_weights(recipe, self.feature_weights(recipe))

    def feature_gpus(self, recipe: str) -> int:
        return int(self._extractor(recipe).uses_gpu)

    def feature_people(self, dataset: str) -> str:
        """Return the release whose people a data set shows."""
        return self.project.people(dataset)

    def pack_recipe(self, recipe: str) -> dict:
        """Return a recipe's card; of features with the file of their weights."""
        return self.feature_card(recipe) if recipe in self.recipes.features else self.recipe(recipe)

    def pack_code(self, recipe: str) -> str:
        """Return the hash of a pack's code; of features with theirs, since only their pack is kept."""
        own = self.code("pack")
        return f"{own} {self.features_code(recipe)}" if recipe in self.recipes.features else own

    def features_pretrained(self, recipes: Iterable[str]) -> list[str]:
        """Return the pre-trainings by whose weights the features are extracted of some recipes."""
        named = [self.weights_of(name) for name in recipes]
        return list(dict.fromkeys(weights.pretraining for weights in named if weights.pretraining))

    def check_features(self, recipe: str, tested: Mapping[str, Iterable[tuple[str, int]]]) -> None:
        """Raise an InputError if features cannot have the weights that they name, or these have seen whom one tests.

        Parameters
        ----------
        recipe : a feature recipe that a method reads.
        tested : {protocol: (release, subject) of all whom it tests}.
        """
        weights = self.weights_of(recipe)
        if not weights.pretraining:
            return
        where, name = f"config/recipes.yaml: field 'features.{recipe}.options.weights'", weights.pretraining
        self.pretrainings.check_use(where, weights, tested=tested, people=self.project.people_in)
        if self.pretrainings.scope(name) == "fold":
            raise InputError(
                f"{where}: features are made once for all folds, and the pre-training {name!r} for each; name one of "
                f"scope: all, or give random, {{file: path}} or {{timm: tag}}"
            )
        if reason := self._extractor(recipe).misfit(self._feature_options(recipe), self.pretrainings.params(name)):
            raise InputError(
                f"{where}: under budget {self.settings.budget!r} the pre-training {name!r} does not fit: {reason}"
            )

    def _extractor(self, recipe: str) -> type[Extractor]:
        return find_extractor(self.recipes.features[recipe].extractor)

    def _feature_options(self, recipe: str) -> Options:
        where = f"config/recipes.yaml: field 'features.{recipe}.options'"
        return self._extractor(recipe).parse(self.recipes.features[recipe].options, where)

    def weights_of(self, recipe: str) -> Weights:
        """Return the weights of a feature recipe's extractor; of any other recipe, and without a network, random."""
        return getattr(self._feature_options(recipe), "weights", RANDOM) if recipe in self.recipes.features else RANDOM
