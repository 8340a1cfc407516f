"""Mixing of training clips: MEMix (Gu et al., ICASSP 2024), and the mixup family that its authors compare it with.

A mixing function takes a `Batch` and a numpy generator, and returns `Mixed`. Any deep method mixes by what its card
says: `mixing: cutmix`, `mixing_options: {probability: 0.5}`. To add one's own: a function here under `@mixing`, whose
keyword-only arguments are its options, and a card that names it with `-` for `_` (docs/add-a-method.md).

Tensors are used by their methods only, so that a card is checked without waiting for torch. Random numbers are drawn on
the CPU: a GPU sees the same batches.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from apexbench.errors import nearest

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Batch:
    """What a mixing function gets: some training clips, augmented, and what is known of the others.

    Attributes
    ----------
    inputs : {argument of the model: tensor (B, ...)}.
    labels : (B, C) float32: 1 for the class, or for every class of a clip that may have several.
    counts : (C,) training clips of the fold with each class.
    all_labels : (N, C) labels of all training clips of the fold, numpy.
    more : gives `inputs` and `labels` of training clips by row number, augmented like the batch.
    motion : the inputs that show the motion.
    energy : from inputs, how much moves where, (B, H, W).
    grid : patches on a side of the model's input.
    depth : hidden states of the model that can be mixed (0: none).
    """

    inputs: Mapping[str, Any]
    labels: Any
    counts: np.ndarray
    all_labels: np.ndarray
    more: Callable[[np.ndarray], tuple[Mapping[str, Any], Any]]
    motion: tuple[str, ...]
    energy: Callable[[Mapping[str, Any]], Any]
    grid: int
    depth: int = 0

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Hidden:
    """Mixing inside the model: after its part number `part` (from 0), h becomes weight h + (1 - weight) h[partner]."""

    part: int
    partner: np.ndarray
    weight: float


@dataclass(frozen=True)
class Mixed:
    """What a mixing function returns.

    Attributes
    ----------
    inputs, labels : what the model sees, and soft labels (B, C) of it; a row has the sum that the blended rows had.
    relabel : gives the labels from the attention of this same forward pass, (B, grid**2), detached; None: as they are.
    hidden : mixing inside the model, beside or in place of that of the inputs.
    parts : (rows, weight) of the batch's parts, in order; the loss is the weighted sum of each part's. None: one part.
    """

    inputs: Mapping[str, Any]
    labels: Any
    relabel: Callable[[Any], Any] | None = None
    hidden: Hidden | None = None
    parts: tuple[tuple[int, float], ...] | None = None


Mixing = Callable[..., Mixed]
FAMILY: dict[str, Mixing] = {}


def mixing(function: Mixing) -> Mixing:
    """Let cards name a mixing function."""
    FAMILY[function.__name__.replace("_", "-")] = function
    return function


def check_mixing(name: str, options: Mapping[str, Any]) -> None:
    """Raise ValueError for an unknown mixing function or option, a value that an option cannot take, or none at all."""
    if name not in {"none", *FAMILY}:
        raise ValueError(f"unknown mixing {name!r}; {nearest(name, ['none', *FAMILY])}")
    known = {} if name == "none" else dict(inspect.signature(FAMILY[name], eval_str=True).parameters)
    known = {key: given for key, given in known.items() if given.kind is inspect.Parameter.KEYWORD_ONLY}
    for key, value in options.items():
        if key not in known:
            raise ValueError(f"mixing {name!r} has no option {key!r}; {nearest(key, known)}")
        try:
            TypeAdapter(_kind(known[key])).validate_python(value, strict=True)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            raise ValueError(f"mixing {name!r}, option {key!r}: {message}; found {value!r}") from None
    for key, given in known.items():
        if given.default is given.empty and key not in options:
            raise ValueError(f"mixing {name!r} needs the option {key!r}")


def _kind(option: inspect.Parameter) -> Any:
    """What an option takes: its annotation, or else what its default is."""
    if option.annotation is not option.empty:
        return option.annotation
    return Any if option.default in (None, option.empty) else type(option.default)


def _blend(first, second, weight):
    return first.lerp(second, 1 - weight)


def blend(batch: Batch, partner: np.ndarray, weight: float) -> Mixed:
    """Blend every input and the labels: weight of each clip, the rest of its partner."""
    inputs = {name: _blend(x, x[partner], weight) for name, x in batch.inputs.items()}
    return Mixed(inputs, _blend(batch.labels, batch.labels[partner], weight))


@mixing
def mixup(batch: Batch, rng: np.random.Generator, *, alpha: Positive = 1.0) -> Mixed:
    """Blend every input with that of a partner, one weight for the batch: Zhang et al., ICLR 2018.

    weight ~ Beta(alpha, alpha). All inputs of a clip have the same weight and partner, as in MEMix's own version.
    """
    weight = rng.beta(alpha, alpha)
    return blend(batch, rng.permutation(len(batch)), weight)


@mixing
def mix_half(batch: Batch, rng: np.random.Generator) -> Mixed:
    """Blend half and half with a shuffled batch: `dongdong69/MixAugmentation`, 2020.

    MEMix's README links it under the name MixAugment, which is another and later method (`mixaugment`). The weight is
    constant there; CutMix and RICAP are only cited.
    """
    return blend(batch, rng.permutation(len(batch)), 0.5)


@mixing
def mixaugment(
    batch: Batch, rng: np.random.Generator, *, alpha: Positive = 0.2, virtual: Weight = 1.0, real: Weight = 1.0
) -> Mixed:
    """Learn from mixup's virtual clips and from both real ones: Psaroudakis and Kollias, CVPR workshops 2022.

    loss = virtual L(mixed) + real L(clip) + real L(partner); partners run over the same clips, so the real part counts
    twice. One forward pass of 2B: batch norm sees virtual and real clips together. That all three enter the loss is in
    the paper's abstract; alpha and the weights are recalled, not verified.
    """
    weight, size = rng.beta(alpha, alpha), len(batch)
    rows = np.tile(np.arange(size), 2)
    partner = np.concatenate([rng.permutation(size), np.arange(size)])  # a blend with oneself is oneself, exactly
    inputs = {name: _blend(x[rows], x[partner], weight) for name, x in batch.inputs.items()}
    labels = _blend(batch.labels[rows], batch.labels[partner], weight)
    return Mixed(inputs, labels, parts=((size, virtual), (size, 2 * real)))


@mixing
def manifold_mixup(batch: Batch, rng: np.random.Generator, *, alpha: Positive = 2.0) -> Mixed:
    """Blend the inputs or one of the hidden states, drawn for each batch: Verma et al., ICML 2019.

    weight ~ Beta(alpha, alpha); the inputs and every hidden part are equally likely, and a model without hidden parts
    has plain mixup. Labels as in mixup, with the method's own loss; the released code takes binary cross-entropy of the
    softmax. It has residual networks only: which parts of another model are mixed is its method's `hidden`, ours.
    """
    weight = rng.beta(alpha, alpha)
    place = int(rng.integers(batch.depth + 1))
    partner = rng.permutation(len(batch))
    if place == 0:
        return blend(batch, partner, weight)
    labels = _blend(batch.labels, batch.labels[partner], weight)
    return Mixed(batch.inputs, labels, hidden=Hidden(place - 1, partner, weight))


@mixing
def remix(
    batch: Batch,
    rng: np.random.Generator,
    *,
    alpha: Positive = 1.0,
    kappa: Annotated[float, Field(ge=1)] = 3.0,
    tau: Share = 0.5,
) -> Mixed:
    """Mixup whose label is the rarer class's alone where the classes are too uneven: Chou et al., ECCV workshops 2020.

    The label weight of a clip is 0 if its class has `kappa` times the training clips of its partner's and weight < tau;
    1 if it is the other way round and 1 - weight < tau; else the weight. Of a clip's several classes the rarest counts,
    and a clip without any has the plain weight. There is no released code; this follows the
    re-implementation of imbalanced-DL. MEMix's README links another method under this name, `balanced_mixup`.
    """
    weight = rng.beta(alpha, alpha)
    partner = rng.permutation(len(batch))
    mixed = blend(batch, partner, weight)
    labels = batch.labels
    count = labels.new_tensor(batch.counts).expand_as(labels).masked_fill(labels == 0, np.inf).amin(1)
    count = count.masked_fill(count.isinf(), np.nan)  # compares with nothing
    share = count.new_full(count.shape, weight)
    if 1 - weight < tau:
        share = share.masked_fill(kappa * count <= count[partner], 1.0)
    if weight < tau:
        share = share.masked_fill(count >= kappa * count[partner], 0.0)
    return Mixed(mixed.inputs, _blend(labels, labels[partner], share[:, None]))


@mixing
def balanced_mixup(batch: Batch, rng: np.random.Generator, *, alpha: Positive = 0.1) -> Mixed:
    """Blend the batch with clips of equally likely classes: Balanced-MixUp, Galdran et al., MICCAI 2021.

    weight ~ Beta(alpha, 1) is that of the balanced clips, drawn with replacement from all training clips: a class that
    the fold has, then one of its clips. The released example has alpha 0.1, the paper tries up to 0.3. MEMix's README
    links it under the name Remix, which is another method (`remix`).
    """
    weight = rng.beta(alpha, 1)
    rarity = (batch.all_labels / np.maximum(batch.counts, 1)).sum(1)
    chances = rarity / rarity.sum() if rarity.any() else None
    inputs, labels = batch.more(rng.choice(len(rarity), len(batch), p=chances))
    blended = {name: _blend(inputs[name], x, weight) for name, x in batch.inputs.items()}
    return Mixed(blended, _blend(labels, batch.labels, weight))


@mixing
def cutmix(batch: Batch, rng: np.random.Generator, *, alpha: Positive = 1.0, probability: Share = 1.0) -> Mixed:
    """Paste a box of a partner, the same for the batch and all inputs: Yun et al., ICCV 2019, in MEMix's own version.

    The box has the share 1 - weight of the picture, weight ~ Beta(alpha, alpha), before the edges clip it; labels go by
    the area that is left. CutMix's own recipes have alpha 1 and probability 0.5 on CIFAR, 1 on ImageNet; its parser's
    defaults are off.
    """
    if rng.random() >= probability:
        return Mixed(batch.inputs, batch.labels)
    weight = rng.beta(alpha, alpha)
    partner = rng.permutation(len(batch))
    inputs, area, _ = _paste(batch, rng, partner, weight)
    return Mixed(inputs, _blend(batch.labels, batch.labels[partner], area))


@mixing
def transmix(
    batch: Batch,
    rng: np.random.Generator,
    *,
    alpha: Positive = 1.0,
    probability: Share = 0.8,
    mixup_alpha: Positive = 0.8,
    smoothing: Share = 0.1,
    with_area: bool = True,
) -> Mixed:
    """CutMix whose labels go by where the model looks: Chen et al., CVPR 2022, as released, with DeiT-B's settings.

    The partner is the clip at the same place from the batch's other end. An odd batch, which the released code cannot
    take, has a middle clip that stays plain. Batches that are not cut have mixup with ordinary labels.

    Parameters
    ----------
    alpha, mixup_alpha : weight ~ Beta(alpha, alpha), of the box and of mixup.
    probability : that a batch is cut.
    smoothing : of all labels; of several classes of a clip, each loses the same part.
    with_area : the label weight is the mean of the area and the attention; false: the attention alone, as in the paper.
    """
    partner = np.arange(len(batch))[::-1].copy()
    anchor = batch.labels.lerp(batch.labels.mean(1, keepdim=True), smoothing)
    other = anchor[partner]
    if rng.random() >= probability:
        weight = rng.beta(mixup_alpha, mixup_alpha)
        return Mixed(blend(batch, partner, weight).inputs, _blend(anchor, other, weight))
    inputs, area, cut = _paste(batch, rng, partner, rng.beta(alpha, alpha))
    kept = anchor.new_tensor(1.0 - cut)

    def relabel(attention):
        share = attention_share(attention, kept, 0.0)[:, None]
        return _blend(anchor, other, (share + area) / 2 if with_area else share)

    return Mixed(inputs, _blend(anchor, other, area), relabel)


def _paste(batch: Batch, rng: np.random.Generator, partner: np.ndarray, weight: float):
    """Return the inputs with a box of their partner, the share of the area that is left, and the patches that are cut.

    The box is drawn in px of the first input that shows motion, and scaled to others; a patch, (1, grid**2), is cut if
    its first pixel is, as where a mask is resized to the nearest pixel.
    """
    sides = batch.inputs[batch.motion[0]].shape[-2:]
    edges = []
    for side in sides:
        half, centre = int(side * (1 - weight) ** 0.5) // 2, int(rng.integers(side))
        edges.append((max(0, centre - half), min(side, centre + half)))
    inputs = {}
    for name, x in batch.inputs.items():
        rows, columns = (
            slice(*(round(edge * own / side) for edge in pair))
            for pair, side, own in zip(edges, sides, x.shape[-2:], strict=True)
        )
        inputs[name] = x.clone()
        inputs[name][..., rows, columns] = x[..., rows, columns][partner]
    firsts = (np.arange(batch.grid) * side // batch.grid for side in sides)
    down, across = ((start <= at) & (at < end) for at, (start, end) in zip(firsts, edges, strict=True))
    area = np.prod([end - start for start, end in edges]) / np.prod(sides)
    return inputs, 1 - float(area), np.outer(down, across).reshape(1, -1)


def patch_counts(shares: np.ndarray, patches: int = 196, floor: int = 14) -> np.ndarray:
    """Return how many patches MEMix mixes: the share of all, rounded down, and a floor on top; all at most.

    >>> patch_counts(np.array([0.426134, 0.244076, 0.461408]))
    array([ 97,  61, 104])
    """
    return np.minimum(patches, np.floor(patches * np.asarray(shares)).astype(int) + floor)


def attention_share(attention, kept, weight: float):
    """Return the label weight of the anchors, (B,): the share of the attention (B, P) that lies on what is theirs.

    `kept` (B, P) is 1 where the anchor was kept, 0 where it has only `weight` of the blend. Where there is no attention
    at all, patches count alike.
    """
    attention = attention + 1e-12
    mixed = (attention * (1 - kept)).sum(1)
    anchor = (attention * kept).sum(1) + weight * mixed
    return anchor / (anchor + (1 - weight) * mixed)


@mixing
def memix(
    batch: Batch,
    rng: np.random.Generator,
    *,
    alpha_m: Positive = 1.0,
    alpha_k: Positive = 2.0,
    floor: Annotated[int, Field(ge=0, le=196)] = 14,
    patches: Annotated[int, Field(ge=-1, le=196)] = -1,
    pooling: Literal["mean", "max"] = "mean",
    where: Literal["motion", "random"] = "motion",
) -> Mixed:
    """Blend the patches of the anchor that move most, keep the rest: Gu et al., ICASSP 2024, as released.

    One weight ~ Beta(alpha_m, alpha_m) for the batch; for each clip a number of patches K from Beta(alpha_k, alpha_k)
    with a floor that the README of MEMix does not mention. The mask is the anchor's own; the partner's motion plays no
    part. Only the inputs that show the motion are blended. Labels: by the attention of the same forward pass, without
    the average with the area that TransMix takes.

    Parameters
    ----------
    floor, patches : counts of 196 patches; on another grid in proportion. `patches` from 0 up fixes K, without floor.
    pooling : `mean` or `max` energy of a patch.
    where : `motion`, or `random` patches (the authors' ablation).
    """
    cells, size = batch.grid**2, len(batch)
    weight = rng.beta(alpha_m, alpha_m)
    if patches >= 0:
        counts = np.full(size, min(patches, max(1, round(cells * patches / 196))))
    else:
        counts = patch_counts(rng.beta(alpha_k, alpha_k, size), cells, round(cells * floor / 196))
    partner = rng.permutation(size)
    energy = _pool(batch.energy(batch.inputs), batch.grid, pooling)
    if where == "random":
        energy = energy.new_tensor(rng.random((size, cells)))
    order = energy.argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1)
    kept = (rank >= rank.new_tensor(counts)[:, None]).to(energy.dtype)
    inputs = dict(batch.inputs)
    for name in batch.motion:
        x = inputs[name]
        inputs[name] = x.lerp(x[partner], (1 - weight) * _spread(1 - kept, batch.grid, x))
    anchor, other = batch.labels, batch.labels[partner]

    def relabel(attention):
        return _blend(anchor, other, attention_share(attention, kept, weight)[:, None])

    return Mixed(inputs, relabel(kept.new_ones(kept.shape)), relabel)


def _pool(energy, grid: int, pooling: str = "mean"):
    """(B, H, W) -> (B, grid**2), cell by cell, row by row."""
    size, height, width = energy.shape
    cells = energy.reshape(size, grid, height // grid, grid, width // grid)
    pooled = cells.mean(dim=(2, 4)) if pooling == "mean" else cells.amax(dim=(2, 4))
    return pooled.reshape(size, grid * grid)


def _spread(mask, grid: int, x):
    """(B, grid**2) -> (B, 1, ..., H, W) like x, each cell repeated over its pixels."""
    rows, columns = (np.arange(side) * grid // side for side in x.shape[-2:])
    cells = mask.reshape(len(x), *(1 for _ in x.shape[1:-2]), grid, grid)
    return cells[..., rows, :][..., columns]
