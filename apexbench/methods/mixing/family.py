"""The mixup family: MEMix (Gu et al., ICASSP 2024), and the methods that its authors compare it with.

Written from the papers and from what their repositories do; where these differ, the docstrings say so. The README of
MEMix links two other methods than it names: both of each pair are here.
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from apexbench.methods.mixing import Batch, Hidden, Mixed, Positive, Share, Weight, blend, blended, mixing


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
    inputs = {name: blended(x[rows], x[partner], weight) for name, x in batch.inputs.items()}
    labels = blended(batch.labels[rows], batch.labels[partner], weight)
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
    labels = blended(batch.labels, batch.labels[partner], weight)
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
    return Mixed(mixed.inputs, blended(labels, labels[partner], share[:, None]))


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
    mixed = {name: blended(inputs[name], x, weight) for name, x in batch.inputs.items()}
    return Mixed(mixed, blended(labels, batch.labels, weight))


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
    return Mixed(inputs, blended(batch.labels, batch.labels[partner], area))


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
        return Mixed(blend(batch, partner, weight).inputs, blended(anchor, other, weight))
    inputs, area, cut = _paste(batch, rng, partner, rng.beta(alpha, alpha))
    kept = anchor.new_tensor(1.0 - cut)

    def relabel(attention):
        share = attention_share(attention, kept, 0.0)[:, None]
        return blended(anchor, other, (share + area) / 2 if with_area else share)

    return Mixed(inputs, blended(anchor, other, area), relabel)


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
    inputs, partners = dict(batch.inputs), rank.new_tensor(partner)
    for name in batch.motion:
        x = inputs[name]
        inputs[name] = x.lerp(x.index_select(0, partners), _spread((1 - weight) * (1 - kept), batch.grid, x))
    anchor, other = batch.labels, batch.labels.index_select(0, partners)

    def relabel(attention):
        return blended(anchor, other, attention_share(attention, kept, weight)[:, None])

    return Mixed(inputs, relabel(kept.new_ones(kept.shape)), relabel)


def _pool(energy, grid: int, pooling: str = "mean"):
    """(B, H, W) -> (B, grid**2), cell by cell, row by row."""
    size, height, width = energy.shape
    cells = energy.reshape(size, grid, height // grid, grid, width // grid)
    pooled = cells.mean(dim=(2, 4)) if pooling == "mean" else cells.amax(dim=(2, 4))
    return pooled.reshape(size, grid * grid)


def _spread(mask, grid: int, x):
    """(B, grid**2) -> (B, 1, ..., H, W) like x, each cell repeated over its pixels."""
    import torch

    rows, columns = (torch.from_numpy(np.arange(side) * grid // side).to(x.device) for side in x.shape[-2:])
    cells = mask.reshape(len(x), *(1 for _ in x.shape[1:-2]), grid, grid)
    return cells.index_select(-1, columns).index_select(-2, rows)
