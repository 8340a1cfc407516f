"""A method that is a torch model, and the one training loop of all of them.

torch is imported by those who train: the configuration is checked without waiting for it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from tqdm import trange

from apexbench.dynamo_shim import spare_dynamo
from apexbench.methods.base import Fold, Inputs, Method, Params


class DeepParams(Params):
    """What every deep method has. `precision` and `compile` are matters of speed."""

    epochs: int = Field(default=100, ge=1)
    """How often every training clip is seen; the last epoch is what counts."""
    batch_size: int = Field(default=32, ge=1)
    """Clips of a training step."""
    shuffle: bool = True
    """Whether each epoch has an order of its own."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 is autocast around the forward pass and the loss."""
    compile: bool = False
    """Whether torch.compile makes the network faster."""


class Deep(Method):
    """A method that is a torch model, trained by the one loop, `epochs`; every part has a plain default.

    In the order of a training: `fit`, `build`, `tensors`, `optimizer`; in each epoch `begin_epoch`, `batches`, and for
    each batch `step`, which is `transform`, the model and `loss`; then `transform`, the model and `logits` of the test.

    Attributes
    ----------
    losses : the mean loss of the training clips in each epoch so far, over the steps as they were taken.
    """

    Parameters: ClassVar[type[Params]] = DeepParams
    multilabel = True
    uses_gpu = True

    def fit(self, train: Inputs) -> None:
        """Keep on `self` what `transform` needs to know of the training clips, such as means."""

    def tensors(self, inputs: Inputs) -> dict:
        """Return {name: (N, ...)}, arrays or tensors: row by row, of the stored type, without a copy where possible."""
        return {name: x for name, x in inputs.items() if name.removesuffix("_lengths") in self.reads}

    def transform(self, batch: Mapping, rng: np.random.Generator | None = None) -> dict:
        """Return {argument of the model: tensor (B, ...)} of a batch of `tensors`, on its device.

        In training `rng` is there and augments; in the test it is None. As floats, if nothing else is said.
        """
        return {name: x.float() for name, x in batch.items()}

    def build(self, weights: Mapping[str, Mapping] | None = None):
        """Return the torch.nn.Module, freshly initialised from torch's generator, or from state dicts.

        It is called without arguments where no hyper-parameter names weights; see `initial`. What `fit` takes from
        clips has the paper's size before, so that parameters can be counted.
        """
        raise NotImplementedError

    def initial(self, name: str, weights: Mapping[str, Mapping] | None) -> Mapping | None:
        """Return the state dict of the hyper-parameter `name`; None if its weights are random."""
        if getattr(self.params, name).random:
            return None
        if name not in (weights or {}):
            raise ValueError(f"hyper-parameter {name!r} names weights, but none were handed to build()")
        return weights[name]

    def optimizer(self, model):
        """Return an optimizer, or (optimizer, scheduler); a scheduler is stepped after each epoch."""
        raise NotImplementedError

    def batches(self, labels: np.ndarray, generator) -> Iterator | Sequence:
        """Return the batches of an epoch, row numbers each; what is random in them comes from torch's `generator`."""
        import torch

        count, p = len(labels), self.params
        rows = torch.randperm(count, generator=generator) if p.shuffle else torch.arange(count)
        return rows.split(p.batch_size)

    def begin_epoch(self, model, clips, epoch: int) -> None:
        """Do what an epoch begins with; `clips` (`Clips`) gives the training clips in batches, as in the test."""

    def step(self, model, clips, rows, rng: np.random.Generator):
        """Return the loss of one training step on some rows of `clips` (`Clips`)."""
        batch, targets = clips.batch(rows, rng), clips.targets[rows]
        with self.autocast(clips.device):
            return clips.loss(model(**batch), targets)

    def autocast(self, device: str):
        """The context of forward pass and loss."""
        import torch

        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.params.precision == "bfloat16")

    def loss(self, output, targets):
        """Return the scalar loss of what the model returned; targets are classes (B,), or soft labels (B, C)."""
        return self.score_loss(self.logits(output), targets)

    def score_loss(self, scores, targets):
        """Return the scalar loss of class scores (B, C) alone: the one that figures show of the test clips."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(scores, targets)

    def presence_loss(self, output, targets):
        """Return the scalar loss where a clip may have several classes, targets (B, C)."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(self.logits(output), targets)

    def logits(self, output):
        """Return the class scores (B, C) of what the model returned."""
        return output

    @classmethod
    def inside(cls, params: Params) -> str:
        """Return which drawing of stages/inside_picture.py shows the trained model at work; empty: none."""
        return ""

    def scores(self, train: Inputs, labels: np.ndarray, test: Inputs, fold: Fold) -> np.ndarray:
        return train_and_score(self, train, labels, test, fold)


def no_batch_of_one(batches: Iterable) -> list:
    """Return batches of rows, a last one of a single clip joined to the one before: for batch norm of vectors."""
    import torch

    parts = list(batches)
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


class Clips:
    """Clips of one side of a fold: their stored tensors on the device, cut into batches and converted there.

    Attributes
    ----------
    targets : what the loss is given: classes (N,) int64, or presence (N, C) float32.
    presence, soft : (N, C) 0 or 1, as an array int64 and as a float32 tensor.
    loss : the method's loss for these labels.
    """

    def __init__(self, method: Deep, inputs: Inputs, labels: np.ndarray | None = None, device: str = "cpu"):
        import torch

        self.method, self.device = method, device
        self.inputs = {name: torch.as_tensor(x).to(device) for name, x in method.tensors(inputs).items()}
        self.labels = np.zeros(len(self), dtype=np.int64) if labels is None else np.asarray(labels)
        several = self.labels.ndim == 2
        self.targets = torch.from_numpy(self.labels.astype(np.float32 if several else np.int64)).to(device)
        self.presence = self.labels if several else np.eye(method.num_classes, dtype=np.int64)[self.labels]
        self.soft = torch.from_numpy(self.presence.astype(np.float32)).to(device)
        self.loss = method.presence_loss if several else method.loss

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def batch(self, rows, rng: np.random.Generator | None = None) -> dict:
        """Return the model's arguments for some rows, augmented if there is a generator."""
        import torch

        rows = torch.as_tensor(rows, device=self.device)
        return self.method.transform({name: x.index_select(0, rows) for name, x in self.inputs.items()}, rng)

    def __iter__(self) -> Iterator[tuple[dict, object]]:
        """Yield (arguments of the model, targets) of all clips in order, as in the test."""
        size = self.method.params.batch_size
        for start in range(0, len(self), size):
            some = {name: x[start : start + size] for name, x in self.inputs.items()}
            yield self.method.transform(some), self.targets[start : start + size]


def train_and_score(method: Deep, train: Inputs, labels: np.ndarray, test: Inputs, fold: Fold) -> np.ndarray:
    """Train from scratch and return the scores of the test clips after every epoch, (epochs, N, C) float32.

    The test clips are looked at only to record their scores; nothing in the training depends on them.
    """
    held_out = Clips(method, test, device=fold.device)
    return np.stack([predict(method, model, held_out) for model in epochs(method, train, labels, fold)])


def predict(method: Deep, model, clips: Clips) -> np.ndarray:
    """Return the model's scores (N, C) float32 of some clips."""
    import torch

    model.eval()
    parts = []
    with torch.inference_mode():
        for batch, _ in clips:
            with method.autocast(clips.device):
                parts.append(method.logits(model(**batch)))
    return torch.cat(parts).float().cpu().numpy()


def epochs(method: Deep, train: Inputs, labels: np.ndarray | None, fold: Fold) -> Iterator:
    """Train from scratch and yield the model after every epoch.

    `labels` are classes (N,), or the classes' presence (N, C) where a clip may have several; None where the method
    learns without. All data lies on the device. Initial weights, batch order, augmentation and dropout derive from the
    fold's seed alone.
    """
    import torch

    if not method.params.compile:
        spare_dynamo()
    method.fit(train)
    torch.manual_seed(fold.torch_seed)
    order, rng = torch.Generator().manual_seed(fold.torch_seed), fold.rng
    model = (method.build(fold.weights) if fold.weights else method.build()).to(fold.device)
    clips = Clips(method, train, labels, fold.device)
    p = method.params
    made = method.optimizer(model)
    optimizer, scheduler = made if isinstance(made, tuple) else (made, None)
    forward = torch.compile(model) if p.compile else model
    method.losses = []
    for epoch in trange(p.epochs, desc="epochs", leave=False, delay=30, mininterval=10):  # seen where folds take long
        method.begin_epoch(model, clips, epoch)
        model.train()
        total, seen = 0.0, 0
        for rows in method.batches(clips.labels, order):
            optimizer.zero_grad(set_to_none=True)
            for part in _parts(torch.as_tensor(rows, device=fold.device), fold.micro_batches):
                loss = method.step(forward, clips, part, rng)
                (loss if len(part) == len(rows) else loss * (len(part) / len(rows))).backward()
                total, seen = total + loss.detach() * len(part), seen + len(part)
            optimizer.step()
        method.losses.append(float(total) / max(seen, 1))
        if scheduler is not None:
            scheduler.step()
        yield model


def _parts(rows, count: int):
    """Cut a batch into `count` parts, of two clips at least: of one there may be nothing to normalise by."""
    return rows.tensor_split(max(min(count, len(rows) // 2), 1))
