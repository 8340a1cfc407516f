"""What a method is: it turns training clips, test clips and a seed into class scores of the test clips.

Two thin kinds. A `Classic` gives features and a scikit-learn estimator; a `Deep` gives a torch model, tensors and what
is done with them (`deep`). What neither knows, a method does by `scores` of its own.
docs/add-a-method.md has an example of each part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from apexbench.config.recipes import Axes
from apexbench.registry import checked
from apexbench.weights import Weights

# What a method gets of some clips: the rows of its packs by role, `<role>_lengths` where a pack has lengths, and `id`
# and `subject` of each clip, texts (N,): so a method without packs knows N too.
Inputs = dict[str, np.ndarray]

# axes of one clip, as packs name them
FLOW: Axes = ("motion", "y", "x")
KEY_FRAMES: Axes = ("key", "colour", "y", "x")
NEAR_KEYS: Axes = ("key", "near", "colour", "y", "x")
FRAMES: Axes = ("frame", "colour", "y", "x")
KEY_MAPS: Axes = ("key", "feature", "y", "x")
MAGNIFIED_KEY_MAPS: Axes = ("key", "factor", "feature", "y", "x")
FRAME_MAPS: Axes = ("frame", "feature", "y", "x")
MAGNIFIED_FRAME_MAPS: Axes = ("frame", "factor", "feature", "y", "x")
PAIR_FEATURES: Axes = ("pair", "feature")
DESCRIPTOR: Axes = ("feature",)

_NEVER = -1e9  # score of a class that the training clips do not have


@dataclass(frozen=True)
class Fold:
    """What one training is given beside its clips: all that is random in it derives from the seed.

    Attributes
    ----------
    weights : {hyper-parameter: state dict} of what is not initialised at random.
    micro_batches : parts into which a batch is cut, where memory does not do for the whole; their gradients add up.
    """

    seed: int | tuple[int, ...]
    device: str = "cpu"
    weights: Mapping[str, Mapping] = field(default_factory=dict)
    micro_batches: int = 1

    @property
    def rng(self) -> np.random.Generator:
        """A generator, new at each access."""
        return np.random.default_rng(self.seed)

    @property
    def torch_seed(self) -> int:
        if isinstance(self.seed, tuple):
            return int(np.random.SeedSequence(self.seed).generate_state(1, np.uint64)[0] >> 1)
        return self.seed


@dataclass(frozen=True)
class ProtocolFacts:
    """What is known of a protocol before any clip is read."""

    name: str
    classes: tuple[str, ...]
    datasets: tuple[str, ...] = ()
    multilabel: bool = False


def alternatives(axes: Axes | tuple[Axes, ...]) -> tuple[Axes, ...]:
    """Return the axes that a role may have, each a tuple of names.

    >>> alternatives(FLOW), alternatives((KEY_FRAMES, FRAMES))[1]
    ((('motion', 'y', 'x'),), ('frame', 'colour', 'y', 'x'))
    """
    return (axes,) if isinstance(axes[0], str) else axes


class Params(BaseModel):
    """Hyper-parameters of a method. Defaults are the paper's; cards override them, a wrong key or type is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def weights_named(self) -> dict[str, Weights]:
        """Return {hyper-parameter: weights} of all that are not random."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if isinstance(value, Weights) and not value.random}


class Method:
    """Base of all. An object is made for each fold, so that what it learns may lie on it.

    Attributes
    ----------
    reads : {role: axes of a clip in the packs of that role}, or a tuple of such; a card says which pack plays the role.
    multilabel : takes presence (N, C) itself where a clip may have several classes; else it is asked class by class.
    uses_gpu : whether a job asks for a GPU.
    deterministic : nothing in it is random: it is trained once, with the first of a study's seeds.
    test_params, test_sizes : hyper-parameters and sizes of axes with which the tests run the method in a second.
    params : its hyper-parameters.
    losses : of each epoch of the last training, the mean loss of its clips; empty where there are no epochs.
    """

    reads: ClassVar[Mapping[str, Axes | tuple[Axes, ...]]] = {}
    multilabel: ClassVar[bool] = False
    uses_gpu: ClassVar[bool] = False
    deterministic: ClassVar[bool] = False
    test_params: ClassVar[Mapping[str, Any]] = {}
    test_sizes: ClassVar[Mapping[str, int]] = {}
    Parameters: ClassVar[type[Params]] = Params

    def __init__(self, num_classes: int, params: Params | None = None):
        self.num_classes = num_classes
        self.params = params if params is not None else self.Parameters()
        self.losses: list[float] = []

    def scores(self, train: Inputs, labels: np.ndarray, test: Inputs, fold: Fold) -> np.ndarray:
        """Train on the training clips and return the class scores of the test clips, (epochs, N, C) float32.

        Labels are classes (N,), or presence (N, C) if the method is `multilabel` and clips may have several.
        """
        raise NotImplementedError

    def one_by_one(self, train: Inputs, presence: np.ndarray, test: Inputs, fold: Fold) -> np.ndarray:
        """Return scores of presence (epochs, N, C), one class after the other (binary relevance)."""
        parts = []
        for number, column in enumerate(presence.T):
            own = replace(fold, seed=(*np.atleast_1d(fold.seed).tolist(), number))
            parts.append(type(self)(2, self.params).scores(train, column, test, own))
        return np.stack([part[..., 1] - part[..., 0] for part in parts], axis=-1)

    @classmethod
    def skip(cls, params: Params, protocol: ProtocolFacts) -> str:
        """Return the reason for which a protocol is left out; empty if the method runs."""
        return ""

    @classmethod
    def needs_px(cls, params: Params) -> bool:
        """Return whether flow must be in px: maps that were stretched to their own range lack size, sign and zero."""
        return False

    @classmethod
    def misfit(cls, params: Params, pretrained: Params) -> str:
        """Return why weights of a pre-training with these hyper-parameters do not fit; empty if they may."""
        return ""

    @classmethod
    def lacking(cls, params: Params, role: str, factors: Sequence[float]) -> tuple[str, str] | None:
        """Return a hyper-parameter, and what it asks for that the recipe of a role lacks; None if all is there.

        `factors` are those by which the recipe's frames are magnified, none where they are not.
        """
        return None

    @classmethod
    def image_size(cls, params: Params) -> int | None:
        """Return the side in px of the maps or frames that the method takes; None: any."""
        return getattr(params, "image_size", None)

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Params:
        """Validate hyper-parameters; `where` names the card for the message."""
        return checked(cls.Parameters, values, where, "hyper-parameter")


class Classic(Method):
    """A method that is a scikit-learn estimator on a feature matrix. It has one epoch."""

    def features(self, inputs: Inputs) -> np.ndarray:
        """Return the features, (N, D), from the packs' rows; a row must not depend on other rows."""
        raise NotImplementedError

    def estimator(self, rng: np.random.Generator):
        """Return an unfitted estimator; whatever is random in it comes from `rng`."""
        raise NotImplementedError

    def fit(self, features: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator):
        """Return a fitted estimator; `groups` are the clips' subjects, for choices within the training clips."""
        return self.estimator(rng).fit(features, labels)

    def scores(self, train: Inputs, labels: np.ndarray, test: Inputs, fold: Fold) -> np.ndarray:
        features = self.features(test)
        scores = np.full((1, len(features), self.num_classes), _NEVER, dtype=np.float32)
        if len(set(labels)) == 1:
            scores[..., labels[0]] = 0
            return scores
        estimator = self.fit(self.features(train), labels, train.get("subject"), fold.rng)
        if hasattr(estimator, "decision_function"):
            values = estimator.decision_function(features)
            if values.ndim == 1:
                values = np.stack([-values, values], axis=1)
        else:
            values = estimator.predict_proba(features)
        scores[0][:, estimator.classes_] = values
        return scores
