"""Recipes against the functions that will take them: axes and options are checked before any job runs."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apexbench.config.recipes import Axes, FlowRecipe, FramesRecipe, MagnificationRecipe, Recipes
from apexbench.errors import InputError, nearest
from apexbench.features import create as create_extractor
from apexbench.features import find as find_extractor
from apexbench.frames.alignment import INTERPOLATIONS
from apexbench.frames.magnification import check_arm
from apexbench.frames.magnifying import create as create_arm
from apexbench.frames.magnifying import find as find_arm
from apexbench.frames.sampling import CHOICES, check_choice
from apexbench.motion import FLOWS

_KEYED = ("key-frames", "near-keys", "all")  # choices that surely hold onset and apex
_BETWEEN = ("around-apex", "tim")  # choices that make frames which the clip does not have


def axes_of(recipes: Recipes, name: str) -> Axes:
    """Return the axes of what a recipe gives to a method, channels before y and x; the clip's own is not named."""
    axes = shard_axes(recipes, name)
    return (*axes[:-3], axes[-1], "y", "x") if axes[-3:-1] == ("y", "x") else axes


def shard_axes(recipes: Recipes, name: str) -> Axes:
    """Return the axes of a clip in a recipe's shards, channels last; `recipes` must be checked."""
    recipe = recipes[name]
    if isinstance(recipe, FramesRecipe):
        return (*CHOICES[recipe.choose].axes, "y", "x", "colour")
    given = shard_axes(recipes, recipe.of)
    if isinstance(recipe, MagnificationRecipe):
        return given if recipe.arm == "none" else (given[0], "factor", *given[1:])
    if isinstance(recipe, FlowRecipe):
        sequence = () if recipe.pairs == "onset-apex" else ("pair",)
        return (*sequence, *(axis for axis in given if axis == "factor"), "y", "x", "motion")
    return create_extractor(recipe.extractor, recipe.options).axes(given)


def arm_module(name: str) -> str:
    """Return the module of a magnification arm, for the code hash."""
    return find_arm(name).__module__


def extractor_module(name: str) -> str:
    """Return the module of an extractor, for the code hash."""
    return find_extractor(name).__module__


def check_recipes(recipes: Recipes) -> None:
    """Raise an InputError for a name or an option that its function does not know, or axes that it does not take."""
    for name, card in recipes.crops.items():
        _known(f"crops.{name}.interpolation", card.interpolation, INTERPOLATIONS)
    for name, card in recipes.frames.items():
        _known(f"frames.{name}.choose", card.choose, CHOICES)
        _options(CHOICES[card.choose].choose, card.options, f"frames.{name}.options")
        _try(f"frames.{name}.options", check_choice, card.choose, **card.options)
        if recipes.is_oracle(name) and card.choose in _BETWEEN:
            known = ", ".join(kind for kind in CHOICES if kind not in _BETWEEN)
            text = f"{card.choose!r} makes frames that the clip does not have, but {card.crop!r} needs a face in each"
            raise _wrong(f"frames.{name}.choose", f"{text}; choose {known}")
    for name, card in recipes.magnification.items():
        where = f"magnification.{name}"
        _try(f"{where}.arm", find_arm, card.arm)
        arm = create_arm(card.arm, card.options, where=f"config/recipes.yaml: field '{where}.options'")
        if arm.changes and not card.factors:
            raise _wrong(f"{where}.factors", f"arm {card.arm!r} needs one factor at least")
        if "near" in shard_axes(recipes, card.of):
            raise _wrong(f"{where}.of", f"{card.of!r} holds frames near the key frames, which are not magnified")
        if arm.changes:
            _same_place(recipes, card.of, where)
        # the highest frame rate of any release: what fails at it fails everywhere
        _try(where, check_arm, arm, card.factors, fps=500.0, size=recipes.size(card.of))
    for name, card in recipes.flow.items():
        where = f"flow.{name}"
        _known(f"{where}.algorithm", card.algorithm, FLOWS)
        _options(FLOWS[card.algorithm], card.options, f"{where}.options")
        _same_place(recipes, card.of, where)
        if card.pairs == "onset-apex" and recipes.frames_of(name).choose not in _KEYED:
            raise _wrong(f"{where}.pairs", f"{card.of!r} need not hold onset and apex; choose {' or '.join(_KEYED)}")
        if "near" in shard_axes(recipes, card.of):
            raise _wrong(f"{where}.of", f"{card.of!r} holds frames near the key frames, which have no flow")
    for name, card in recipes.features.items():
        where = f"features.{name}"
        _try(f"{where}.extractor", find_extractor, card.extractor)
        options = f"config/recipes.yaml: field '{where}.options'"
        extractor = create_extractor(card.extractor, card.options, where=options)
        _try(f"{where}.of", extractor.axes, shard_axes(recipes, card.of))


def check_pictured(recipes: Recipes, names: Sequence[str], file: str) -> None:
    """Raise an InputError, which names `file`, for recipes that no figure of magnification can show side by side."""
    where = f"{file}: field 'pictured_magnification': "
    for name in names:
        if name not in recipes.magnification:
            raise InputError(f"{where}no magnification recipe {name!r}; {nearest(name, recipes.magnification)}")
        first, card = recipes.magnification[names[0]], recipes.magnification[name]
        if card.arm == "none":
            raise InputError(f"{where}{name!r} magnifies nothing; leave it out, the clip as it is is shown in any case")
        if card.of != first.of:
            raise InputError(
                f"{where}{name!r} is made of {card.of!r}, and {names[0]!r} of {first.of!r}; one clip is shown, so take "
                f"recipes of the same frames"
            )
        if recipes.frames_of(name).choose not in _KEYED:
            known = " or ".join(kind for kind in _KEYED if kind != "near-keys")
            raise InputError(f"{where}{card.of!r} need not hold the apex; take recipes of frames with choose: {known}")


def _wrong(where: str, text: str) -> InputError:
    return InputError(f"config/recipes.yaml: field '{where}': {text}")


def _same_place(recipes: Recipes, of: str, where: str) -> None:
    """Motion is what differs between frames that show the same place."""
    if recipes.is_oracle(of):
        crop = recipes.frames_of(of).crop
        raise _wrong(
            f"{where}.of",
            f"{of!r} is cropped by {crop!r}, by a box of its own in each frame, and from one to the next boxes move as "
            f"much as faces do; take frames whose crop has region: face",
        )


def _known(where: str, name: str, known) -> None:
    if name not in known:
        raise _wrong(where, f"unknown name {name!r}; {nearest(name, known)}")


def _try(where: str, function: Callable, *arguments, **options) -> Any:
    try:
        return function(*arguments, **options)
    except (TypeError, ValueError, InputError) as error:
        raise _wrong(where, str(error)) from None


def _options(function: Callable, options: Mapping[str, Any], where: str) -> None:
    """Options are a function's keyword-only arguments, of the type of their defaults."""
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    for option, value in options.items():
        if option not in known:
            raise _wrong(f"{where}.{option}", f"unknown option; {nearest(option, known)}")
        default = known[option]
        kinds = (int, float) if isinstance(default, float) else type(default)
        if default is not None and (
            not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool)
        ):
            raise _wrong(
                f"{where}.{option}", f"expected {type(default).__name__} like the default {default!r}, found {value!r}"
            )
