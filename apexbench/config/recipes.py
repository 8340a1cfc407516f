"""recipes.yaml: what happens between the clips and the methods."""

from typing import Any, Literal

from pydantic import Field, model_validator

from apexbench.config.methods import Budget, Values
from apexbench.config.model import Model
from apexbench.weights import RANDOM, Weights


class MagnificationRecipe(Model):
    """recipes.yaml, magnification: arm, factor (added amplification) and the arm's options."""

    arm: Literal["none", "evm"]
    factor: float = Field(default=0.0, ge=0)
    options: dict[str, Any] = {}


class FlowRecipe(Model):
    """recipes.yaml, flow: onset -> apex flow and strain of magnified crops, first resized to `size` px if given."""

    magnification: str = "none"
    algorithm: Literal["tvl1", "farneback"] = "tvl1"
    size: int | None = Field(default=None, ge=16, le=1024)
    strain: Literal["sobel", "forward", "central"] = "sobel"
    options: dict[str, Any] = {}


class Jitter(Model):
    """How far training frames may lie from the key frames, as parts of a quarter of the rise (onset to apex).

    The onset moves later and the apex earlier; `past_apex` is a part of a quarter of the fall (apex to offset).
    """

    onset: float = Field(default=0.0, ge=0, le=1)
    apex: float = Field(default=0.0, ge=0, le=1)
    past_apex: float = Field(default=0.0, ge=0, le=1)


class PackRecipe(Model):
    """recipes.yaml, packs: what a method reads; either a flow recipe's maps or a magnification recipe's frames."""

    flow: str | None = None
    frames: str | None = None
    size: int = Field(ge=8, le=1024)
    jitter: Jitter | None = None

    @model_validator(mode="after")
    def _one_source(self):
        if (self.flow is None) == (self.frames is None):
            raise ValueError("give either 'flow' or 'frames', naming one recipe")
        if self.jitter and self.flow:
            raise ValueError("field 'jitter': goes with 'frames', and only with it")
        return self


class FeatureRecipe(Model):
    """recipes.yaml, features: a pack of frames through a network up to a named layer."""

    pack: str
    network: str = "resnet18"
    layer: str = "layer3"
    weights: Weights = RANDOM
    seed: int = 0


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
    """recipes.yaml."""

    magnification: dict[str, MagnificationRecipe]
    flow: dict[str, FlowRecipe]
    packs: dict[str, PackRecipe]
    features: dict[str, FeatureRecipe] = {}
    pretraining: dict[str, PretrainingRecipe] = {}
