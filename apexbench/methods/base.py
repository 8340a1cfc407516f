"""What a method is: it turns training clips, test clips and a seed into class scores of the test clips.

Two thin kinds. A `Classic` gives a scikit-learn estimator and a feature matrix; a `Deep` gives a torch model, tensors,
and, if it wants, a batch transform and a loss of its own. The plumbing (folds, seeds, epochs, device) is in training/.
"""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from apexbench.errors import InputError, nearest
from apexbench.methods.mixing import check_mixing

# The rows of a method's packs by role, and `id`, the clips' identities (N,): so a method without packs knows N too.
Inputs = dict[str, np.ndarray]


_NEVER = -1e9  # score of a class that the training clips do not have


class Params(BaseModel):
    """Hyper-parameters of a method. Defaults are the paper's; cards override them, a wrong key or type is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Method:
    """Base of both kinds.

    Attributes
    ----------
    reads : roles of the packs that the method needs, such as `flow`; a card says which pack plays each role.
    params : its hyper-parameters.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    Parameters: ClassVar[type[Params]] = Params

    def __init__(self, num_classes: int, params: Params | None = None):
        self.num_classes = num_classes
        self.params = params if params is not None else self.Parameters()

    @classmethod
    def parse(cls, values: dict[str, Any], where: str) -> Params:
        """Validate hyper-parameters; `where` names the card for the message."""
        try:
            return cls.Parameters.model_validate(values)
        except ValidationError as error:
            lines = []
            for item in error.errors():
                field = ".".join(str(part) for part in item["loc"])
                if not field:
                    lines.append(f"{where}: {item['msg'].removeprefix('Value error, ')}")
                elif item["type"] == "extra_forbidden":
                    lines.append(
                        f"{where}: unknown hyper-parameter {field!r}; {nearest(field, cls.Parameters.model_fields)}"
                    )
                else:
                    lines.append(f"{where}: hyper-parameter {field!r}: {item['msg']}; found {item['input']!r}")
            raise InputError("\n".join(lines)) from None


class Classic(Method):
    """A method that is a scikit-learn estimator on a feature matrix. It has one epoch."""

    def features(self, inputs: Inputs) -> np.ndarray:
        """Return the features, (N, D), from the packs' rows; a row must not depend on other rows."""
        raise NotImplementedError

    def estimator(self, rng: np.random.Generator):
        """Return an unfitted estimator; whatever is random in it comes from `rng`."""
        raise NotImplementedError

    def scores(self, train: Inputs, labels: np.ndarray, test: Inputs, rng: np.random.Generator) -> np.ndarray:
        """Fit on the training clips and return the class scores of the test clips, (epochs, N, C) float32."""
        features = self.features(test)
        scores = np.full((1, len(features), self.num_classes), _NEVER, dtype=np.float32)
        if len(set(labels)) == 1:
            scores[..., labels[0]] = 0
            return scores
        estimator = self.estimator(rng)
        estimator.fit(self.features(train), labels)
        if hasattr(estimator, "decision_function"):
            values = estimator.decision_function(features)
            if values.ndim == 1:
                values = np.stack([-values, values], axis=1)
        else:
            values = estimator.predict_proba(features)
        scores[0][:, estimator.classes_] = values
        return scores


class DeepParams(Params):
    """What every deep method has: the loop's parameters, and how any of them may mix clips (see mixing/).

    `precision` and `compile` are matters of speed: bfloat16 is autocast around the forward pass and the loss.
    """

    epochs: int = Field(default=100, ge=1)
    batch_size: int = Field(default=32, ge=1)
    shuffle: bool = True
    mixing: str = "none"
    mixing_options: dict[str, Any] = {}
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False

    @model_validator(mode="after")
    def _mixing(self):
        check_mixing(self.mixing, self.mixing_options)
        return self


class Deep(Method):
    """A method that is a torch model, trained by the one loop in training/.

    Attributes
    ----------
    motion : the inputs of the model that show the motion; MEMix mixes no others. None: all.
    attends : whether the model, called with `attention=True`, returns (output, attention): its last attention of the
        class token to each of `grid` x `grid` patches, (B, grid**2), detached. Else patches count alike.
    image_size : side in px of the packs that the model takes; None: any.
    pretrained : hyper-parameters that name pretrained weights: `random`, a file or a timm tag (apexbench.pretrained).
    """

    Parameters: ClassVar[type[Params]] = DeepParams
    motion: ClassVar[tuple[str, ...] | None] = None
    attends: ClassVar[bool] = False
    pretrained: ClassVar[tuple[str, ...]] = ()

    @property
    def image_size(self) -> int | None:
        return getattr(self.params, "image_size", None)

    @property
    def grid(self) -> int:
        """Patches on a side, by which masks are made; MEMix has 14 on 224 px."""
        size = self.image_size or 14
        return max(side for side in range(1, 15) if size % side == 0)

    def build(self):
        """Return the torch.nn.Module, freshly initialised from torch's generator."""
        raise NotImplementedError

    def tensors(self, inputs: Inputs, train: Inputs):
        """Return {argument name of the model: tensor (N, ...)} for the clips of `inputs`, without augmentation.

        Whatever is fitted to data, such as means, is fitted to `train`, the training clips of the fold.
        """
        raise NotImplementedError

    def optimizer(self, parameters):
        """Return the optimizer, and optionally a scheduler that is stepped after each epoch: (optimizer, scheduler)."""
        raise NotImplementedError

    def augment(self, inputs, rng: np.random.Generator):
        """Return the tensors of a training batch, {name: (B, ...)}, augmented; nothing is done by default."""
        return inputs

    def energy(self, inputs):
        """Return how much moves where, (B, H, W), non-negative, from a batch's tensors; |u| + |v| by default."""
        x = inputs[(self.motion or tuple(inputs))[0]]
        return x[:, 0].abs() + x[:, 1].abs()

    def hidden(self, model) -> list:
        """Return the parts of the model after which hidden states may be mixed, in order; none by default."""
        return []

    def loss(self, output, targets):
        """Return the scalar loss; cross-entropy by default. Targets are classes (B,), or soft labels (B, C)."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(output, targets)

    def presence_loss(self, output, targets):
        """Return the scalar loss where a clip may have several classes, targets (B, C); binary cross-entropy."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(output, targets)
