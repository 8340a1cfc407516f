"""What the configuration says of pre-trainings: checked, and what the rules need to know of each.

Everything is decided before a clip is read. That a state has not seen whom a fold tests is checked twice: here by the
data sets, and by the subjects that stand in its file when a fold is trained (`run.initial_weights`).
"""

from collections.abc import Callable, Iterable, Mapping

from apexbench.config.methods import Budget, Values
from apexbench.config.recipes import PretrainingRecipe
from apexbench.errors import InputError, nearest
from apexbench.methods import check_inputs
from apexbench.methods.base import Axes, Params
from apexbench.methods.pretraining import Task, find_task
from apexbench.weights import RANDOM, Weights

FILE = "config/recipes.yaml"


class Pretrainings:
    """The recipes of the section `pretraining`, under a budget."""

    def __init__(self, recipes: Mapping[str, PretrainingRecipe], budget: Budget):
        self.recipes, self.budget = recipes, budget

    def task(self, name: str) -> type[Task]:
        return find_task(self.recipes[name].task)

    def values(self, name: str) -> Values:
        """Return inputs and hyper-parameters, the weights that it starts with among them."""
        return self.recipes[name].under(self.budget)

    def params(self, name: str) -> Params:
        """Return the checked hyper-parameters."""
        return self.task(name).parse(self.values(name).params, f"{FILE}: field 'pretraining.{name}'")

    def scope(self, name: str) -> str:
        return self.recipes[name].clips.scope

    def chain(self, weights: Iterable[Weights]) -> list[str]:
        """Return the pre-trainings that stand behind some weights, the last one first, each once.

        Names that there are not are left to `check` and `check_use`.
        """
        names, waiting = [], [w.pretraining for w in weights if w.pretraining]
        while waiting:
            name = waiting.pop(0)
            if name in self.recipes and name not in names:
                names.append(name)
                waiting += [w.pretraining for w in self.params(name).weights_named().values() if w.pretraining]
        return names

    def check(
        self,
        axes_of: Callable[[str], Axes],
        size_of: Callable[[str], int | None],
        known: Iterable[str],
        datasets: Iterable[str],
        weights_of: Callable[[str], Weights] = lambda recipe: RANDOM,
    ) -> None:
        """Raise an InputError, which names the field, for a recipe that cannot be.

        Parameters
        ----------
        axes_of, size_of : what each axis of a recipe's clips is, and the side of its maps in px.
        weights_of : by which weights a recipe's clips are made.
        known, datasets : names of all recipes that may be inputs, and of all data sets.
        """
        known, datasets = list(known), list(datasets)
        for name, recipe in self.recipes.items():
            field = f"{FILE}: field 'pretraining.{name}"
            try:
                kind = self.task(name)
            except InputError as error:
                raise InputError(f"{field}.task': {error}") from None
            for dataset in recipe.clips.datasets:
                _known(f"{field}.clips.datasets'", dataset, datasets)
            for start in recipe.start:
                _known(f"{field}.start'", start, kind.Parameters.model_fields)
            params, inputs = self.params(name), self.values(name).inputs
            for role, given in inputs.items():
                _known(f"{field}.inputs.{role}'", given, known)
            for role, given in inputs.items():
                if (weights := weights_of(given)).pretraining:
                    raise InputError(
                        f"{field}.inputs.{role}': {given!r} is extracted by the pre-training {weights.pretraining!r}; "
                        f"take frames or flow, or features of other weights"
                    )
            check_inputs(f"{field}.inputs", recipe.task, kind, params, inputs, self.budget, axes_of, size_of, known)
            for parameter, weights in params.weights_named().items():
                if weights.pretraining:
                    _known(f"{field}.start.{parameter}'", weights.pretraining, self.recipes)
        for name in self.recipes:
            self._check_chain(name)

    def _check_chain(self, name: str) -> None:
        field = f"{FILE}: field 'pretraining.{name}.start'"
        before = self.chain(self.params(name).weights_named().values())
        if name in before:
            raise InputError(f"{field}: it starts from itself ({' from '.join([name, *before])}); name another")
        folded = [other for other in before if self.scope(other) == "fold"]
        if folded and self.scope(name) == "all":
            raise InputError(
                f"{field}: {folded[0]!r} is trained for each fold, and {name!r} once for all; give both one scope"
            )

    def check_use(
        self,
        field: str,
        weights: Weights,
        tested: Mapping[str, Iterable[tuple[str, int]]],
        people: Callable[[str], Iterable[tuple[str, int]]],
    ) -> None:
        """Raise an InputError where a pre-training sees whom a protocol tests; `field` names card and field.

        Parameters
        ----------
        tested : {protocol: (release, subject) of all whom it tests}.
        people : gives the (release, subject) of a data set, the release being that whose people it shows.
        """
        if weights.pretraining:
            _known(field, weights.pretraining, self.recipes)
        for name in self.chain([weights]):
            if self.scope(name) == "fold":
                continue
            for dataset in self.recipes[name].clips.datasets:
                for protocol, met in tested.items():
                    both = sorted(set(people(dataset)) & set(met))
                    if both:
                        raise InputError(
                            f"{field}: the pre-training {name!r} sees {len(both)} subject(s) of {dataset!r} whom "
                            f"{protocol!r} tests, such as {both[0][0]}:{both[0][1]}; take other data sets, scope: "
                            f"fold, or leave the protocol out (protocols, leave_out)"
                        )


def _known(field: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise InputError(f"{field}: unknown name {name!r}; {nearest(name, known)}")
