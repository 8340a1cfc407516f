"""What stands in cards, recipes and docstrings, as Markdown."""

import json
import re
from collections.abc import Iterable
from typing import Any

from apexbench.config.recipes import FramesRecipe, Recipes
from apexbench.methods.base import alternatives


def table_of(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table whose cells are Markdown already."""
    heads = list(heads)
    lines = [heads, [":--"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(text: str) -> str:
    """Return a card's text in a line of Markdown; what stands between backticks is code."""
    return _outside_code(" ".join(text.split()), lambda part: re.sub(r"([\\*_|$])", r"\\\1", _entities(part)))


def prose(text: str | None) -> str:
    """Return a docstring as Markdown, which ours nearly are."""
    return _outside_code(
        text or "", lambda part: re.sub(r"(?<=\w)\*(?=\w)|(?<!\w)_(?=\w)", r"\\\g<0>", _entities(part))
    )


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _outside_code(text: str, change) -> str:
    parts = text.split("`")
    return "`".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def axes_text(axes: Any) -> str:
    """Return what a method declares of the axes of a role."""
    return " or ".join(f"({', '.join(one)})" for one in alternatives(axes))


def cell(value: Any) -> str:
    """Return a hyper-parameter as a cell shows it."""
    value = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return f"`{text}`".replace("|", r"\|") if text else ""


def cells(part: Any) -> str:
    """Return inputs and hyper-parameters in one line."""
    return ", ".join(f"{key} {cell(value)}" for key, value in {**part.inputs, **part.params}.items())


def chain(recipes: Recipes, name: str) -> str:
    """Return how a recipe is made, from the crop on: each step with what it says otherwise than by default."""
    recipe = recipes[name]
    if isinstance(recipe, FramesRecipe):
        below = f"crop `{recipe.crop}` ({_said(recipes.crops[recipe.crop])})"
    else:
        below = chain(recipes, recipe.of)
    marks = " **oracle**" if recipes.is_oracle(name) and isinstance(recipe, FramesRecipe) else ""
    marks += " **circular**" if recipes.is_circular(name) else ""
    return f"{below} → {recipes.section(name)} `{name}` ({_said(recipe)}){marks}"


def _said(recipe: Any) -> str:
    given = recipe.model_dump(mode="json", exclude_defaults=True, exclude={"of", "crop"})
    options = given.pop("options", {})
    return ", ".join(f"{key} {_bare(value)}" for key, value in {**given, **options}.items())


def _bare(value: Any) -> str:
    return plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
