"""Methods: one module for each. A method is found by its file name, `flow-svm` in `flow_svm.py`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from apexbench.config.methods import Budget, MethodCard
from apexbench.errors import InputError, nearest
from apexbench.methods.base import Axes, Classic, Fold, Method, Params, ProtocolFacts, alternatives
from apexbench.methods.deep import Deep
from apexbench.registry import class_named, module_names

__all__ = [
    "Classic", "Deep", "Fold", "Method", "Params", "ProtocolFacts",
    "check_card", "check_inputs", "create", "find", "names",
]  # fmt: skip

_NOT_METHODS = {"augmentation", "base", "deep", "flow", "mixing", "networks", "pretraining"}


def names() -> list[str]:
    """Return the names of all methods, without importing them."""
    return module_names(__path__, _NOT_METHODS)


def find(name: str) -> type[Method]:
    """Return the class of a method; InputError with the nearest name if there is none."""
    return class_named(name, names(), __name__, Method, "method")


def check_card(
    name: str,
    card: MethodCard,
    budget: Budget,
    protocols: Mapping[str, int] | None = None,
    axes_of: Callable[[str], Axes] | None = None,
    size_of: Callable[[str], int | None] | None = None,
    recipes: Iterable[str] = (),
    factors_of: Callable[[str], Sequence[float]] | None = None,
) -> None:
    """Raise an InputError, which names the card's file and field, for what its method cannot take.

    Parameters
    ----------
    protocols : {protocol: number of classes}: the card is checked as it is under each.
    axes_of, size_of : what each axis of a recipe's clips is, and the side of its maps in px (None: it has none).
    recipes : names of all recipes, to propose one that fits.
    factors_of : by which factors a recipe's frames are magnified.
    """
    file = f"config/methods/{name}.yaml"
    if card.method not in names():
        raise InputError(f"{file}: field 'method': unknown method {card.method!r}; {nearest(card.method, names())}")
    recipes = list(recipes)
    for protocol, classes in {"": 0, **(protocols or {})}.items():
        where = f"{file}, protocol {protocol}" if protocol and card.on_keys(protocol, classes) else file
        for run in card.runs(name, budget, protocol, classes).values():
            _check_run(where, find(card.method), run, budget, axes_of, size_of, recipes, factors_of)


def _check_run(
    file, kind: type[Method], card: MethodCard, budget: Budget, axes_of, size_of, recipes, factors_of
) -> None:
    _check_mixing(file, kind, card)
    params = kind.parse(card.params, file)
    for field, weights in params.weights_named().items():
        if weights.file and not Path(weights.file).is_file():
            raise InputError(f"{file}: field 'params.{field}': {weights.file}: no such file; correct the path")
    check_inputs(f"{file}: field 'inputs", card.method, kind, params, card.inputs, budget, axes_of, size_of, recipes)
    for role, recipe in card.inputs.items() if factors_of is not None else ():
        if lacking := kind.lacking(params, role, factors_of(recipe)):
            field, text = lacking
            raise InputError(f"{file}: field 'params.{field}': under budget {budget!r} {recipe!r} has {text}")


def check_inputs(
    field: str,
    name: str,
    kind: type[Method],
    params: Params,
    inputs: Mapping[str, str],
    budget: Budget,
    axes_of: Callable[[str], Axes] | None,
    size_of: Callable[[str], int | None] | None,
    recipes: Iterable[str],
) -> None:
    """Raise an InputError for recipes that a method, or a task of pre-training, cannot read; see `check_card`.

    `field` is file and field, with an open quote; `name` is what the card calls the method.
    """
    side = kind.image_size(params)
    for role in kind.reads:
        if role not in inputs:
            raise InputError(f"{field}': no {role!r}, which {name} reads; name a recipe for it")
    for role, recipe in inputs.items():
        if role not in kind.reads:
            raise InputError(f"{field}.{role}': {name} does not read it; remove it, or correct it")
        wanted = alternatives(kind.reads[role])
        sized = size_of is None or side in (None, size_of(recipe))
        if sized and (axes_of is None or axes_of(recipe) in wanted):
            continue
        fit = [other for other in sorted(recipes) if axes_of is None or axes_of(other) in wanted]
        fit = [other for other in fit if size_of is None or side in (None, size_of(other))]
        mend = f"name one that fits: {', '.join(fit)}" if fit else "add a recipe that fits to config/recipes.yaml"
        under = f"{field}.{role}': under budget {budget!r} {recipe!r} has"
        if axes_of is not None and axes_of(recipe) not in wanted:
            raise InputError(f"{under} {_shown([axes_of(recipe)])}, but {name} reads {_shown(wanted)}; {mend}")
        set_to = f", or set image_size: {size_of(recipe)}" if "image_size" in type(params).model_fields else ""
        raise InputError(f"{under} {size_of(recipe)} px, but {name} takes {side}; {mend}{set_to}")


def _check_mixing(file: str, kind: type[Method], card: MethodCard) -> None:
    """Only a `Mixable` method has these hyper-parameters; say so instead of not knowing them."""
    for key in ("mixing", "mixing_options"):
        if key in card.params and key not in kind.Parameters.model_fields:
            raise InputError(
                f"{file}: field 'params.{key}': {card.method} does not mix clips; remove it, or take a method that "
                f"derives from Mixable, such as ststnet"
            )


def _shown(axes: Iterable[Axes]) -> str:
    return " or ".join(f"({', '.join(one)})" for one in axes)


def create(name: str, num_classes: int, **overrides: Any) -> Method:
    """Return a method with the hyper-parameters of its paper, unless overridden.

    >>> create("majority", 3).num_classes
    3

    Raises InputError if the method or a hyper-parameter is unknown, or a value has a wrong type.
    """
    kind = find(name)
    return kind(num_classes, kind.parse(overrides, where=f"method {name!r}"))
