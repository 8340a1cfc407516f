"""LBP-TOP: local binary patterns on three orthogonal planes (Zhao and Pietikäinen, TPAMI 2007).

The baseline of micro-expression recognition since Pfister et al. (ICCV 2011), SMIC (2013) and CASME II (2014). Every
voxel of a gray clip gets one code in each of the planes XY, XT and YT: bit p is set if neighbour p is at least as
bright as the centre. What a clip's row holds are histograms of the codes, block by block.

Published codes differ. Neighbours here are interpolated bilinearly, their offsets rounded to 5 decimals: scikit-image's
`local_binary_pattern`, of which the planes are equal wherever float rounding does not decide. The authors' Matlab code
also rounds the interpolated value down, others take the nearest voxel. Axes and signs of the planes only permute bins.
Sums are whole numbers (offsets in units of 1e-5), so codes are exact: in flat skin a neighbour equals its centre, and
float rounding would draw lots.

Ours, where sources say nothing: the blocks cover exactly the voxels that have all their neighbours (whole lengths are
rounded down), all directions overlap alike, and a normalised histogram is that of one plane of one block.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache, lru_cache
from itertools import product
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field, model_validator

from apexbench.features.base import Extractor, Options

_UNIT = 10**5  # offsets of neighbours have 5 decimals
_FRAMES, _ROWS = 8, 8  # of a clip at a time: what is in work stays in the cache, and small arrays are got fast
Radius = Annotated[int, Field(ge=1, le=8)]
Count = Annotated[int, Field(ge=1, le=64)]


class LBPTOPOptions(Options):
    """Parameters of LBP-TOP. Defaults are those of the baselines on CASME II, from memory, on ten frames (TIM).

    Attributes
    ----------
    points : neighbours on the circle, alike in all planes.
    radii : of the circles, px in x, px in y and frames in t.
    blocks : how many in rows, columns and time; a block is a share of the voxels that have all their neighbours.
    overlap : share of a block's length that it has in common with the next, in each direction.
    bins : "uniform" has one for each of the 58 codes of 8 bits with at most two changes between neighbouring bits, in
        the order of the codes, and one for all others; "full" has one for each of the 2^points codes.
    normalise : whether the histogram of each plane of each block sums to 1; otherwise it counts voxels.
    """

    points: Literal[4, 8] = 4
    radii: tuple[Radius, Radius, Radius] = (1, 1, 4)
    blocks: tuple[Count, Count, Count] = (5, 5, 1)
    overlap: float = Field(default=0.0, ge=0, le=0.9, allow_inf_nan=False)
    bins: Literal["uniform", "full"] = "full"
    normalise: bool = True

    @model_validator(mode="after")
    def _uniform_is_of_eight(self):
        if self.bins == "uniform" and self.points != 8:
            raise ValueError(f"bins: uniform is for 8 points; with {self.points} take bins: full, which has 16")
        return self


# Parameters in use, by who uses them; see the sources for the number of frames and the classifier that go with them.
# MEB's and Benchmark-MER's are not among them: their blocks, bins and neighbours are others, whatever the parameters.
SETS = {
    # ELBPTOP (Guo et al. 2019), paper: radii 1 to 4, 4 or 8 points; whitened PCA, linear SVM; ten frames.
    # One of its best on CASME II, and the blocks that it has for SAMM
    "elbptop-casme2": LBPTOPOptions(points=4, radii=(3, 3, 3), blocks=(8, 8, 2), bins="full"),
    "elbptop-samm": LBPTOPOptions(points=4, radii=(3, 3, 3), blocks=(5, 5, 2), bins="full"),
    # As on CASME II and in MEGC2019, from memory: ten frames; linear SVM
    "casme2": LBPTOPOptions(),
    # As in the paper of SMIC (2013), from memory, radii 1 to 3: ten frames; SVM
    "smic": LBPTOPOptions(points=8, radii=(3, 3, 3), blocks=(8, 8, 1), bins="uniform"),
}


class LBPTOP(Extractor):
    """Histograms of a clip, (T, H, W, 1 or 3) uint8 (RGB) -> (D,) float32.

    D = rows x columns x time x 3 planes x bins, in this order. ValueError if the clip is too short or too small for its
    radii and blocks.
    """

    reads = ("frame", "y", "x", "colour")
    adds = ("feature",)
    Options = LBPTOPOptions

    def __call__(self, clip: np.ndarray) -> np.ndarray:
        options = self.options
        codes = top_codes(gray(clip), options.points, options.radii)
        row = block_histograms(codes, 2**options.points, options.blocks, options.overlap)
        if options.bins == "uniform":
            order = uniform_bins().argsort(kind="stable")
            row = np.add.reduceat(row[..., order], np.searchsorted(uniform_bins()[order], np.arange(59)), axis=-1)
        if options.normalise:
            row = row / row.sum(-1, keepdims=True)
        return row.astype(np.float32).ravel()


def block_histograms(
    planes: Sequence[np.ndarray], patterns: int, blocks: tuple[int, int, int], overlap: float = 0.0
) -> np.ndarray:
    """Count the codes of each block: (rows, columns, times, planes, patterns) int64.

    Parameters
    ----------
    planes : codes (T, H, W) uint8 below `patterns`, all of one shape.
    blocks, overlap : as in `LBPTOPOptions`.

    Raises ValueError if a block would have no voxel.
    """
    inner = planes[0].shape
    cells, spans = _cells(inner, (blocks[2], *blocks[:2]), overlap)
    count = [len(edges) - 1 for edges in cells]
    first = _places(inner, cells) * patterns
    place, by_plane = np.empty_like(first), []
    for codes in planes:
        np.add(first, codes, out=place)
        found = np.bincount(place.ravel(), minlength=int(np.prod(count)) * patterns)
        by_plane.append(found.reshape(*count, patterns))
    by_cell = np.stack(by_plane, -2)  # (t, y, x, plane, pattern)
    order = product(spans[1], spans[2], spans[0])
    rows = [by_cell[slice(*t), slice(*y), slice(*x)].sum((0, 1, 2)) for y, x, t in order]
    return np.stack(rows).reshape(*blocks, len(planes), patterns)


def top_codes(
    volume: np.ndarray, points: int = 8, radii: tuple[int, int, int] = (1, 1, 1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the codes of the planes XY, XT and YT, each (T - 2 rt, H - 2 b, W - 2 b) uint8, b the larger of rx and ry.

    Parameters
    ----------
    volume : (T, H, W) uint8.
    points : neighbours on the circle; number p lies at the angle 2 pi p / points and sets bit p.
    radii : (rx, ry, rt) px, px, frames. A neighbour is at (x + rx cos, y - ry sin), (x + rx cos, t - rt sin) or
        (y + ry cos, t - rt sin).

    Raises ValueError if no voxel has all its neighbours.

    Examples
    --------
    >>> flat = np.full((3, 4, 5), 7, np.uint8)
    >>> [np.unique(codes).tolist() for codes in top_codes(flat)]  # a neighbour as bright as the centre counts
    [[255], [255], [255]]
    """
    inner, border = inner_lengths(volume.shape, radii), max(radii[:2])
    codes = tuple(np.empty(inner, np.uint8) for _ in range(3))
    for t, y in product(range(0, inner[0], _FRAMES), range(0, inner[1], _ROWS)):
        t, y = slice(t, min(t + _FRAMES, inner[0])), slice(y, min(y + _ROWS, inner[1]))
        part = volume[t.start : t.stop + 2 * radii[2], y.start : y.stop + 2 * border]
        for plane, found in zip(codes, _codes(part, points, radii), strict=True):
            plane[t, y] = found
    return codes


def _codes(volume: np.ndarray, points: int, radii: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    """As `top_codes`, of a few rows. A neighbour is a voxel or lies between four; what they share is computed once.

    Float64 holds whole numbers up to 2^53, and grey levels times 1e10 stay below 2^42.
    """
    (rx, ry, rt), inner, border = radii, inner_lengths(volume.shape, radii), max(radii[:2])
    begin = (rt, border, border)
    exact = volume.astype(np.float64)

    def cut(array, **shifts):
        """The inner voxels' neighbours; an axis without a shift stays whole, or was cut before."""
        place = [slice(None)] * 3
        for axis, name in enumerate("tyx"):
            if name in shifts:
                first = begin[axis] + shifts[name]
                place[axis] = slice(first, first + inner[axis])
        return array[tuple(place)]

    @cache
    def weighted(weight):
        return exact * weight

    @cache
    def between(axis, step, part):
        """Between two voxels along an axis, times 1e5."""
        return cut(weighted(_UNIT - part), **{axis: step}) + cut(weighted(part), **{axis: step + 1})

    @cache
    def lifted(axis, step, part, weight):
        return between(axis, step, part) * weight

    centre = cut(volume, t=0, y=0, x=0)
    level = cut(exact, t=0, y=0, x=0) * _UNIT**2
    value, bit = np.empty(inner), np.empty(inner, bool)
    planes = []
    for down, across, other, ring in (("y", "x", "t", (ry, rx)), ("t", "x", "y", (rt, rx)), ("t", "y", "x", (rt, ry))):
        code = np.zeros(inner, np.uint8)
        for point, ((lower, below), (left, right)) in enumerate(_offsets(points, ring)):
            if not below and not right:
                np.greater_equal(cut(volume, **{down: lower, across: left, other: 0}), centre, out=bit)
            else:
                upper = cut(lifted(across, left, right, _UNIT - below), **{down: lower, other: 0})
                np.add(upper, cut(lifted(across, left, right, below), **{down: lower + 1, other: 0}), out=value)
                np.greater_equal(value, level, out=bit)
            code |= bit.view(np.uint8) << np.uint8(point)
        planes.append(code)
    return tuple(planes)


@lru_cache
def _offsets(points: int, radii: tuple[int, int]) -> tuple:
    """For each neighbour, down and across: whole steps, and the part of the next one in units of 1e-5."""
    angles = 2 * np.pi * np.arange(points) / points
    circle = np.stack([-radii[0] * np.sin(angles), radii[1] * np.cos(angles)], -1)
    return tuple(tuple(divmod(round(float(part) * _UNIT), _UNIT) for part in pair) for pair in circle)


@lru_cache
def uniform_bins() -> np.ndarray:
    """Return the bin (256,) uint8 of each code of 8 bits: 0..57 for uniform ones, in their order, 58 for all others.

    >>> int(uniform_bins().max()), int((uniform_bins() == 58).sum())
    (58, 198)
    """
    codes = np.arange(256)
    bits = codes[:, None] >> np.arange(8) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(1) <= 2
    table = np.full(256, uniform.sum(), np.uint8)
    table[uniform] = np.arange(uniform.sum())
    table.flags.writeable = False
    return table


def gray(clip: np.ndarray) -> np.ndarray:
    """Return a clip (T, H, W, 1 or 3) uint8 RGB as (T, H, W); ValueError for another shape or type."""
    if clip.dtype != np.uint8 or clip.ndim != 4 or clip.shape[-1] not in (1, 3):
        raise ValueError(f"expected a clip (T, H, W, 1 or 3) uint8, got {clip.shape} {clip.dtype}")
    if clip.shape[-1] == 1:
        return clip[..., 0]
    return np.stack([cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in clip])


def inner_lengths(shape: tuple[int, ...], radii: tuple[int, int, int]) -> tuple[int, ...]:
    """Return the lengths (t, y, x) of what has all its neighbours, of a clip (T, H, W); ValueError if nothing has."""
    border = (radii[2], max(radii[:2]), max(radii[:2]))
    inner = tuple(n - 2 * b for n, b in zip(shape, border, strict=True))
    if min(inner) < 1:
        raise ValueError(
            f"radii (x, y, t) {radii} need more than {2 * border[0]} frames of more than {2 * border[1]} px, the clip "
            f"has {shape[0]} of {shape[2]} x {shape[1]}; take more or larger frames, or smaller radii"
        )
    return inner


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    """Where `count` blocks that cover 0..length begin and end; neighbours share `overlap` of their length.

    >>> _spans(10, 3, 0.0), _spans(20, 3, 0.5)
    ([(0, 3), (3, 6), (6, 10)], [(0, 10), (5, 15), (10, 20)])
    """
    step = 1 - Fraction(str(overlap))
    block = length / (count * step + 1 - step)
    return [(int(i * step * block), int(i * step * block + block)) for i in range(count)]


@lru_cache
def _cells(inner: tuple[int, ...], blocks: tuple[int, ...], overlap: float) -> tuple[list, list]:
    """Edges of the cells on each axis, and for each block the range of its cells: cells are cut by all blocks' ends."""
    edges, spans = [], []
    for length, count in zip(inner, blocks, strict=True):
        ends = _spans(length, count, overlap)
        if any(stop <= start for start, stop in ends):
            raise ValueError(f"{count} blocks in {length} voxels: take fewer blocks or larger frames (or more of them)")
        cut = sorted({0, length, *(end for pair in ends for end in pair)})
        edges.append(cut)
        spans.append([(cut.index(start), cut.index(stop)) for start, stop in ends])
    return edges, spans


def _places(inner: tuple[int, ...], cells: list[list[int]]) -> np.ndarray:
    """For each voxel, the number of its cell, (t, y, x) int64."""
    t, y, x = (np.repeat(np.arange(len(edges) - 1), np.diff(edges)) for edges in cells)
    columns, rows = len(cells[2]) - 1, len(cells[1]) - 1
    return (t[:, None, None] * rows + y[:, None]) * columns + x
