"""recipes.yaml: what happens between the clips and the methods.

A chain of small recipes, each made `of` another: crop -> frames -> magnification -> flow or features. A method's card
names any recipe but a crop; what no configured method reads is not computed.
"""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from apexbench.config.methods import Budget, Values
from apexbench.config.model import NAME, Model
from apexbench.oracles import reads_action_units, warps_by
from apexbench.weights import Weights

Axes = tuple[str, ...]


class CropRecipe(Model):
    """Where a face lies and how its pixels are sampled, once, from the source frame to the size that is read."""

    detector: Literal["mesh", "mesh-only", "haar"] = "mesh"
    """What finds the face on the onset frame: `mesh` (468 points, else Haar), `mesh-only`, or `haar`. A data set that
    is `cropped` as released has its frames taken whole."""
    margin: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of the crop that is added on each side of the face."""
    size: int = Field(ge=8, le=1024)
    """Side of the crop in px."""
    interpolation: str = "cubic"
    """`cubic`, `bilinear` (OpenCV's), or `pil-bilinear` (Pillow's, which averages where it shrinks)."""
    region: Literal["face", "action-units", "puzzle"] = "face"
    """`face`: the whole face, aligned once for each clip. `action-units`: an ORACLE, for the network that reads it; in
    each frame the box around the part of the face where the clip's coded action units are, found by the mesh and
    shrunk by OpenCV's INTER_AREA. A method that is to recognise the expression of a test clip does not know them.
    `puzzle`: the strip of the brows above that of the mouth, by the mesh of the onset frame, once for each clip."""

    @model_validator(mode="after")
    def _regions_have_no_choice(self):
        without = {"face": (), "puzzle": ("margin", "interpolation")}
        for name in without.get(self.region, ("detector", "margin", "interpolation")):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"field {name!r}: goes with region: face; region: {self.region} leaves no choice")
        return self


class FramesRecipe(Model):
    """Which frames of a clip are cropped."""

    crop: str
    """Name of the crop recipe."""
    choose: str = "all"
    """Which frames: `all`, `key-frames` (onset and apex), `near-keys`, `around-apex` (and onset), `first`, `uniform`,
    `most-moving`, or `tim`."""
    options: dict[str, Any] = {}
    """What the choice takes, such as `count`."""


class MagnificationRecipe(Model):
    """Chosen frames with their motion magnified, by one factor or by several."""

    of: str
    """Name of the frames recipe."""
    arm: str
    """How: `evm`, `phase`, `flow-warp` or `magnet`; `none` is the frames as they are, without a copy."""
    factors: tuple[float, ...] = ()
    """Total magnifications, 1 or more: a displacement d becomes factor * d. They make an axis of their own."""
    options: dict[str, Any] = {}
    """What the arm takes, such as `mode`."""


class FlowRecipe(Model):
    """Optical flow between frames, and its strain."""

    of: str
    """Name of the frames or magnification recipe."""
    algorithm: str = "tvl1"
    """`tvl1` or `farneback`."""
    pairs: Literal["onset-apex", "onset-each", "consecutive"] = "onset-apex"
    """Between which frames: one map, or one from the onset to each later frame, or one from each frame to the next."""
    map: int | None = Field(default=None, ge=8, le=1024)
    """Side in px to which methods get the maps shrunk; none: as computed. Values stay px of the crop.
    Features are taken of the maps as computed."""
    strain: Literal["sobel", "forward", "central"] = "sobel"
    """Derivative by which strain is taken from flow."""
    options: dict[str, Any] = {}
    """What the algorithm takes."""


class FeatureRecipe(Model):
    """One row of features for each clip, computed once for all protocols, seeds and folds."""

    of: str
    """Name of the frames, magnification or flow recipe."""
    extractor: str
    """A module of apexbench/features: `resnet`, `lbp-top`, ..."""
    options: dict[str, Any] = {}
    """What the extractor takes."""


class PretrainingClips(Model):
    """Which clips a pre-training sees."""

    scope: Literal["fold", "all"]
    """fold: the training side of each fold, once for each fold; all: whole data sets, once for all folds."""
    datasets: tuple[str, ...] = ()
    """With scope all: data sets that share no subject with any protocol where the weights are used."""

    @model_validator(mode="after")
    def _scoped(self):
        if (self.scope == "all") != bool(self.datasets):
            raise ValueError("field 'datasets': goes with scope: all, and scope: all needs it")
        return self


class PretrainingRecipe(Model):
    """recipes.yaml, pretraining: weights that cards name as {pretraining: <name>}."""

    task: str
    """What is trained: a module of apexbench/methods/pretraining, by its file's name with - for _."""
    inputs: dict[str, str] = {}
    """{role: recipe}; which roles there are, and their axes, the task says."""
    params: dict[str, Any] = {}
    """Hyper-parameters of the task that differ from its defaults."""
    clips: PretrainingClips
    """Which clips it sees."""
    start: dict[str, Weights] = {}
    """{hyper-parameter of the task: weights that it begins with}; another pre-training makes a chain."""
    budgets: dict[Budget, Values] = {}
    """What differs under a budget."""

    def under(self, budget: Budget) -> Values:
        """Return inputs and hyper-parameters, `start` among them, under a budget."""
        parts = [self, *([self.budgets[budget]] if budget in self.budgets else [])]
        inputs = {role: recipe for part in parts for role, recipe in part.inputs.items()}
        params = {name: value for part in parts for name, value in part.params.items()}
        start = {name: weights.model_dump() for name, weights in self.start.items()}
        return Values(inputs=inputs, params={**start, **params})


class Recipes(Model):
    """recipes.yaml. Names are unique over all sections but `crops`."""

    crops: dict[str, CropRecipe]
    """Where faces lie and how their pixels are sampled."""
    frames: dict[str, FramesRecipe]
    """Which frames are cropped."""
    magnification: dict[str, MagnificationRecipe] = {}
    """Chosen frames, magnified."""
    flow: dict[str, FlowRecipe] = {}
    """Flow and strain."""
    features: dict[str, FeatureRecipe] = {}
    """Features of frames or flow."""
    pretraining: dict[str, PretrainingRecipe] = {}
    """Weights that are trained here, which cards name as {pretraining: <name>}."""

    @field_validator("*", mode="before")
    @classmethod
    def _named(cls, section):
        for name in section if isinstance(section, dict) else ():
            if not (isinstance(name, str) and NAME.fullmatch(name)):
                raise ValueError(f"{name!r} is a name: letters, digits and _ . + - only, no . or - first; rename it")
        return section

    def section(self, name: str) -> str:
        """Return the section that a recipe stands in; KeyError for a name that none has."""
        for section in ("frames", "magnification", "flow", "features"):
            if name in getattr(self, section):
                return section
        raise KeyError(name)

    def __getitem__(self, name: str) -> FramesRecipe | MagnificationRecipe | FlowRecipe | FeatureRecipe:
        return getattr(self, self.section(name))[name]

    def names(self) -> list[str]:
        """Return all names that a method's card may give as an input."""
        return [*self.frames, *self.magnification, *self.flow, *self.features]

    def made_of(self, name: str) -> str:
        """Return the recipe whose files hold a recipe: itself, or what an arm `none` leaves as it is."""
        recipe = self[name]
        while isinstance(recipe, MagnificationRecipe) and recipe.arm == "none":
            name, recipe = recipe.of, self[recipe.of]
        return name

    def chain(self, name: str) -> dict[str, Any]:
        """Return all that a recipe says, with the recipes that it is made of in place of their names."""
        recipe = self[name]
        card = recipe.model_dump(mode="json")
        if isinstance(recipe, FramesRecipe):
            return {**card, "crop": self.crops[recipe.crop].model_dump(mode="json")}
        return {**card, "of": self.chain(recipe.of)}

    def factors(self, name: str) -> tuple[float, ...]:
        """Return the factors by which a recipe's frames are magnified, as along their axis; none if they are not."""
        while not isinstance(recipe := self[name], FramesRecipe):
            if isinstance(recipe, MagnificationRecipe) and recipe.arm != "none":
                return tuple(recipe.factors)
            name = recipe.of
        return ()

    def frames_of(self, name: str) -> FramesRecipe:
        """Return the frames recipe that a recipe begins with."""
        return self.frames[self.frames_name(name)]

    def frames_name(self, name: str) -> str:
        """Return the name of the frames recipe that a recipe begins with."""
        return name if name in self.frames else self.frames_name(self[name].of)

    def is_oracle(self, name: str) -> bool:
        """Return whether a recipe reads the action units of the clips, test clips among them."""
        return reads_action_units(self.crops[self.frames_of(name).crop])

    def is_circular(self, name: str) -> bool:
        """Return whether a recipe measures by a flow what the same flow has magnified."""
        recipe = self[name]
        if isinstance(recipe, FramesRecipe):
            return False
        below = self[self.made_of(recipe.of)]
        measured = isinstance(recipe, FlowRecipe) and isinstance(below, MagnificationRecipe)
        return (measured and warps_by(below, recipe.algorithm)) or self.is_circular(recipe.of)

    def size(self, name: str) -> int:
        """Return the side in px of the pictures or maps that a recipe gives to a method."""
        recipe = self[name]
        if isinstance(recipe, FlowRecipe) and recipe.map:
            return recipe.map
        return self.crops[recipe.crop].size if isinstance(recipe, FramesRecipe) else self.size(recipe.of)
