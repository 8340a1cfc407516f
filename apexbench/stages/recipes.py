"""Checks the options of recipes against the functions that will take them, before any job runs."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from apexbench.config.recipes import Recipes
from apexbench.errors import InputError, nearest
from apexbench.frames.magnification import check_clip_options
from apexbench.motion import FLOWS


def check_recipes(recipes: Recipes) -> None:
    """Raise an InputError for an option that its function does not know, or whose type differs from the default's."""
    for name, flow in recipes.flow.items():
        _check(FLOWS[flow.algorithm], flow.options, f"flow.{name}.options")
    for name, magnification in recipes.magnification.items():
        where = f"magnification.{name}.options"
        _check(check_clip_options, magnification.options, where)
        try:  # the highest frame rate of any release: what fails at it fails everywhere
            check_clip_options(magnification.arm, magnification.factor, fps=500.0, **magnification.options)
        except (TypeError, ValueError) as error:
            raise InputError(f"config/recipes.yaml: field '{where}': {error}") from None


def _check(function: Callable, options: Mapping[str, Any], where: str) -> None:
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    for option, value in options.items():
        field = f"config/recipes.yaml: field '{where}.{option}'"
        if option not in known:
            raise InputError(f"{field}: unknown option; {nearest(option, known)}")
        default = known[option]
        kinds = (int, float) if isinstance(default, float) else type(default)
        if default is not None and (
            not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool)
        ):
            raise InputError(
                f"{field}: expected {type(default).__name__} like the default {default!r}, found {value!r}"
            )
