"""methods/<run>.yaml: a method with its hyper-parameters."""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Literal

from pydantic import model_validator

from apexbench.config.model import Model

Budget = Literal["paper", "quick"]
Family = Literal[
    "hand-crafted", "small network on flow", "2D CNN", "3D CNN", "transformer", "mixing", "contrastive"
]  # fmt: skip
"""What kind of method a card is, in the order of lists; a control is of none."""
COUNTED = re.compile(r"(\d+) classes")
_PLAIN = ("inputs", "params", "certainty")  # their values are taken whole


def _merged(theirs: Any, own: Any) -> Any:
    """Their keys and one's own, at each level above plain values; what is no mapping is left to be refused."""
    theirs, own = (value if value is not None else {} for value in (theirs, own))
    if not isinstance(theirs, Mapping) or not isinstance(own, Mapping):
        return own if not isinstance(own, Mapping) else theirs
    both = {**theirs, **own}
    for key in set(theirs) & set(own):
        plain = key in _PLAIN and isinstance(theirs[key], Mapping) and isinstance(own[key], Mapping)
        both[key] = {**theirs[key], **own[key]} if plain else _merged(theirs[key], own[key])
    return both


def _word(value: bool | int | float | str) -> str:
    """Return a value as cards have it, for the name of a run."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Values(Model):
    """Packs and hyper-parameters that differ from those of the card."""

    inputs: dict[str, str] = {}
    """{role: recipe of config/recipes.yaml}."""
    params: dict[str, Any] = {}
    """Hyper-parameters of the method; a value replaces the other whole."""


class ProtocolValues(Values):
    """What differs under some protocols."""

    budgets: dict[Budget, Values] = {}
    """What differs under a budget as well."""


class MethodCard(Model):
    """methods/<run>.yaml: a method with its hyper-parameters; budgets override only size and length."""

    like: str = ""
    """Another card, whose method, family, inputs, params, on and budgets hold where this one says nothing else."""
    method: str = ""
    """A method of apexbench/methods, by its file's name with - for _."""
    log: str = ""
    """In place of `method`: a file of predictions that `apexbench score` reads, wherever it comes from."""
    title: str
    """What tables call the run; {value} is the value of a sweep, or {backbone} that of its hyper-parameter."""
    family: Family | None = None
    """What kind of method it is; of a control nothing."""
    year: int | None = None
    """Of the paper."""
    source: str = ""
    """Paper and code that the card follows."""
    note: str = ""
    """What a reader of the table must know."""
    protocols: tuple[str, ...] = ()
    """Protocols that the run is for; none: all."""
    leaderboard: bool = True
    """false: the run stands only in tables that name it."""
    control: bool = False
    """Whether the run learns nothing from the clips: a leaderboard sets it apart and ranks it with no other."""
    inputs: dict[str, str] = {}
    """{role: recipe of config/recipes.yaml}; which roles there are, and their axes, the method says."""
    params: dict[str, Any] = {}
    """Hyper-parameters that differ from the method's defaults."""
    on: dict[str, ProtocolValues] = {}
    """{protocol's name, or `3 classes`: inputs, params, budgets} where they differ; the name outdoes the number."""
    sweep: dict[str, tuple[bool | int | float | str, ...]] = {}
    """{hyper-parameter: values}: one run of each, <card>-<value>, of several one of each combination,
    <card>-<value>-<value>; `mixing_options.patches` is a key inside a value."""
    certainty: dict[str, str] = {}
    """{field: why its value is not certain}."""
    budgets: dict[Budget, Values] = {}
    """What differs under a budget; it outdoes `on`, unless that has the same budget."""

    @staticmethod
    def inherit(card: Mapping, other: Mapping) -> dict:
        """Return the keys of `card`, and of `other`, the card that it is like, what `card` leaves open."""
        both = {"method": other.get("method"), "family": other.get("family"), **card}
        fields = ("inputs", "params", "certainty", "budgets", "on")
        return both | {field: _merged({field: other.get(field)}, {field: card.get(field)})[field] for field in fields}

    @model_validator(mode="after")
    def _either(self):
        if bool(self.method) == bool(self.log):
            raise ValueError("give either 'method', a method of apexbench/methods, or 'log', a file of predictions")
        if self.log and self.sweep:
            raise ValueError("field 'sweep': goes with 'method', and only with it: a log has no hyper-parameters")
        for parameter, values in self.sweep.items():
            field, (key, _, inner) = f"field 'sweep.{parameter}'", parameter.partition(".")
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{field}: one value at least, and each once")
            for value in values:
                if not re.fullmatch(r"[\w.+-]+", _word(value)):
                    raise ValueError(f"{field}: {value!r} names a run, which has letters, digits and _ . + - only")
            for params in (part.params for part in self._parts()):
                if inner and not isinstance(params.get(key, {}), dict):
                    raise ValueError(f"{field}: {key!r} is {params[key]!r}, which has no keys")
        ends, titles, _ = zip(*self._swept(), strict=True)
        for field, texts, how in (
            ("sweep", ends, "values may not be joined to the same name"),
            ("title", titles, f"say in it which is which, by {{{'}, {'.join(self.sweep)}}}"),
        ):
            twice = next((text for text in texts if texts.count(text) > 1), None)
            if twice is not None:
                raise ValueError(f"field {field!r}: two runs would be called {twice!r}; {how}")
        return self

    def _swept(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield (end of its name, title, {hyper-parameter: value}) of each run of a sweep, one without a sweep."""
        for values in product(*self.sweep.values()):
            end = "-".join(map(_word, values))
            title = self.title.replace("{value}", end)
            for parameter, value in zip(self.sweep, values, strict=True):
                title = title.replace(f"{{{parameter}}}", _word(value))
            yield end, title, dict(zip(self.sweep, values, strict=True))

    def _parts(self) -> list:
        on = [part for values in self.on.values() for part in (values, *values.budgets.values())]
        return [self, *self.budgets.values(), *on]

    def on_keys(self, protocol: str, classes: int) -> list[str]:
        """Return the entries of `on` that hold for a protocol, the general one first."""
        return [key for key in (f"{classes} classes", protocol) if key in self.on]

    def recipes(self) -> dict[str, str]:
        """Return {field: recipe} of all inputs, wherever they stand on the card."""
        places = {"": self, **{f"budgets.{budget}.": part for budget, part in self.budgets.items()}}
        for key, values in self.on.items():
            places[f"on.{key}."] = values
            places |= {f"on.{key}.budgets.{budget}.": part for budget, part in values.budgets.items()}
        return {f"{where}inputs.{role}": name for where, part in places.items() for role, name in part.inputs.items()}

    def under(self, budget: Budget, protocol: str = "", classes: int = 0) -> "MethodCard":
        """Return the card as it is under a budget and a protocol of so many classes, without `budgets` and `on`.

        The later outdoes the earlier: the card, `on` the number of classes, `on` the protocol, the budget, the budget
        of `on` the number, of `on` the protocol.
        """
        on = [self.on[key] for key in self.on_keys(protocol, classes)]
        parts = [self, *on, *(part.budgets[budget] for part in (self, *on) if budget in part.budgets)]
        inputs = {role: recipe for part in parts for role, recipe in part.inputs.items()}
        params = {name: value for part in parts for name, value in part.params.items()}
        return self.model_copy(update={"inputs": inputs, "params": params, "budgets": {}, "on": {}})

    def values(self, budget: Budget, protocol: str = "", classes: int = 0) -> dict[str, Any]:
        """Return the hyper-parameters under a budget and a protocol."""
        return self.under(budget, protocol, classes).params

    def runs(self, name: str, budget: Budget, protocol: str = "", classes: int = 0) -> dict[str, "MethodCard"]:
        """Return {run: its card} of the card named `name`, as under a budget and a protocol, a sweep's values set."""
        card = self.under(budget, protocol, classes)
        if not self.sweep:
            return {name: card}
        runs = {}
        for end, title, values in self._swept():
            params = dict(card.params)
            for parameter, value in values.items():
                key, _, inner = parameter.partition(".")
                params[key] = {**params.get(key, {}), inner: value} if inner else value
            runs[f"{name}-{end}"] = card.model_copy(update={"params": params, "sweep": {}, "title": title})
        return runs
