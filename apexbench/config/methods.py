"""methods/<run>.yaml: a method with its hyper-parameters."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from apexbench.config.model import Model

Budget = Literal["paper", "quick"]


def _unquoted(value: Any) -> Any:
    """YAML reads the method's name null as nothing unless it is quoted; nothing else can be meant."""
    return "null" if value is None else value


MethodName = Annotated[str, BeforeValidator(_unquoted)]


def _merged(theirs: Any, own: Any, deep: bool) -> Any:
    """Their keys and one's own, of values that are mappings too if `deep`; what is no mapping is left to be refused."""
    theirs, own = (value if value is not None else {} for value in (theirs, own))
    if not isinstance(theirs, Mapping) or not isinstance(own, Mapping):
        return own if not isinstance(own, Mapping) else theirs
    both = {**theirs, **own}
    return {key: _merged(theirs.get(key), own.get(key), deep=False) for key in both} if deep else both


class MethodCard(Model):
    """methods/<run>.yaml: a method with its hyper-parameters; budgets override only size and length.

    With `log` in place of `method` the run is not trained here: its predictions are read from a log in the submission
    format of MEGC2019, wherever they come from. `protocols` names those that the run is for; none: all. With
    `leaderboard: false` it stands only in tables that name it. `sweep` makes one run of each value of one
    hyper-parameter (`mixing_options.patches` is a key inside one); they are named <card>-<value>, and `{value}` in
    the title is the value, which outdoes a budget's. Under a budget, `inputs` names packs of another size. `like` names
    a card whose method, inputs, hyper-parameters and budgets hold where this one says nothing else.
    """

    like: str = ""
    method: MethodName = ""
    log: str = ""
    title: str
    year: int | None = None
    source: str = ""
    note: str = ""
    protocols: tuple[str, ...] = ()
    leaderboard: bool = True
    inputs: dict[str, str] = {}
    params: dict[str, Any] = {}
    sweep: dict[str, tuple[bool | int | float | str, ...]] = Field(default={}, max_length=1)
    certainty: dict[str, str] = {}
    budgets: dict[Budget, dict[str, Any]] = {}

    @staticmethod
    def inherit(card: Mapping, other: Mapping) -> dict:
        """Return the keys of `card`, and of `other`, the card that it is like, what `card` leaves open."""
        both = {"method": other.get("method"), **card}
        for field in ("inputs", "params", "certainty", "budgets"):
            both[field] = _merged(other.get(field), card.get(field), deep=field == "budgets")
        return both

    @model_validator(mode="after")
    def _either(self):
        if bool(self.method) == bool(self.log):
            raise ValueError("give either 'method', a method of apexbench/methods, or 'log', a file of predictions")
        if self.log and self.sweep:
            raise ValueError("field 'sweep': goes with 'method', and only with it: a log has no hyper-parameters")
        for budget, values in self.budgets.items():
            inputs = values.get("inputs", {})
            if not isinstance(inputs, dict) or not all(isinstance(recipe, str) for recipe in inputs.values()):
                raise ValueError(f"field 'budgets.{budget}.inputs': expected {{role: recipe}}, found {inputs!r}")
        for parameter, values in self.sweep.items():
            field, (key, _, inner) = f"field 'sweep.{parameter}'", parameter.partition(".")
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{field}: one value at least, and each once")
            for value in values:
                if not re.fullmatch(r"[\w.+-]+", str(value)):
                    raise ValueError(f"{field}: {value!r} names a run, which has letters, digits and _ . + - only")
            for params in (self.params, *self.budgets.values()):
                if inner and not isinstance(params.get(key, {}), dict):
                    raise ValueError(f"{field}: {key!r} is {params[key]!r}, which has no keys")
        return self

    def values(self, budget: Budget) -> dict[str, Any]:
        """Return the hyper-parameters under a budget."""
        return {**self.params, **{k: v for k, v in self.budgets.get(budget, {}).items() if k != "inputs"}}

    def runs(self, name: str, budget: Budget) -> dict[str, "MethodCard"]:
        """Return {run: its card} of the card named `name`: as under the budget, a sweep's values set."""
        params = self.values(budget)
        inputs = {**self.inputs, **self.budgets.get(budget, {}).get("inputs", {})}
        card = self.model_copy(update={"inputs": inputs, "params": params, "budgets": {}})
        runs = {}
        for parameter, values in self.sweep.items():
            key, _, inner = parameter.partition(".")
            for value in values:
                set_to = {**params.get(key, {}), inner: value} if inner else value
                update = {"params": {**params, key: set_to}, "sweep": {}}
                update["title"] = card.title.replace("{value}", str(value))
                runs[f"{name}-{value}"] = card.model_copy(update=update)
        return runs or {name: card}
