"""Bi-WOOF: bi-weighted oriented optical flow (Liong, See, Wong and Phan, "Less is more", SPIC 2018).

Of the flow from onset to apex each block gives a histogram of eight directions. A pixel weighs as much as it moves,
and a block as much as it is strained. Blocks and order are those of the authors' Matlab code, which has neither flow
nor apex search nor SVM. It differs from the paper: it takes a block's sum of strain, not the mean, all but the same as
blocks are all but equal; and the edges that it gives to a weighted `histc` end at 135 degrees, so that with the usual
helper of that name (its own is not released, so this is inferred) all flow between 135 and 180 degrees is lost:
`bins: released7`.

The code of Benchmark-MER has 6 x 6 blocks on flow of 60 x 60 px and does not normalise the row.
"""

from functools import lru_cache
from typing import Literal

import numpy as np
from pydantic import Field

from apexbench.features.base import Extractor, Options


class BiWOOFOptions(Options):
    """Parameters of Bi-WOOF.

    Attributes
    ----------
    blocks : how many in rows, and as many in columns.
    bins : "full8" counts all directions, as the method's description means (inferred); "released7" leaves out those
        above 135 and below 180 degrees, as the released edges do (inferred).
    strain : how a block is weighed: by the "sum" of its strain, as released, or its "mean", as the paper says.
    normalise : whether the row gets length 1.
    """

    blocks: int = Field(default=5, ge=1, le=64)
    bins: Literal["full8", "released7"] = "full8"
    strain: Literal["sum", "mean"] = "sum"
    normalise: bool = True


class BiWOOF(Extractor):
    """Weighted histograms of flow, (H, W, 3) u, v (px) and strain -> (D,) float32; D = rows x columns x 8 directions.

    Directions begin at -180 degrees; +90 points down the picture. A block without motion is zero, and so is a flow
    without strain. ValueError if the map is smaller than its blocks.
    """

    reads = ("y", "x", "motion")
    adds = ("feature",)
    Options = BiWOOFOptions

    def __call__(self, clip: np.ndarray) -> np.ndarray:
        options = self.options
        if clip.ndim != 3 or clip.shape[-1] != 3 or not np.issubdtype(clip.dtype, np.floating):
            raise ValueError(f"expected flow (H, W, 3) of floats, got {clip.shape} {clip.dtype}")
        from apexbench.features.directions import direction_sums

        cells, cuts, rows, columns = _grid(*clip.shape[:2], options.blocks)
        shape = (rows.shape[1], columns.shape[1])
        u, v, strain = np.moveaxis(clip, -1, 0).reshape(3, -1).astype(np.float32, order="C")
        if options.bins == "released7":
            lost = (v > 0) & (u < 0) & (v < -u)
            u[lost] = v[lost] = 0
        histograms = direction_sums(u, v, cells, np.prod(shape), False)[..., 1].reshape(*shape, 8)
        histograms = np.roll(_over_blocks(histograms, rows, columns), 4, axis=-1)  # from -180 degrees on
        total = histograms.sum(-1, keepdims=True)
        strains = strain.reshape(clip.shape[:2])
        for axis, starts in enumerate(cuts):
            strains = np.add.reduceat(strains, starts, axis=axis, dtype=np.float64)
        weights = _over_blocks(strains[..., None], rows, columns)
        if options.strain == "mean":
            weights = weights / _over_blocks(np.bincount(cells).reshape(*shape, 1), rows, columns)
        row = (histograms / np.where(total > 0, total, 1) * weights).ravel()
        size = np.linalg.norm(row)
        return (row / size if options.normalise and size > 0 else row).astype(np.float32)


def block_ends(length: int, count: int) -> list[tuple[int, int]]:
    """Return where the blocks of a side begin and end, the latter excluded, px; ValueError if there are more than px.

    Each reaches a pixel beyond its share at both ends, where there is one; the last has what is left, too.

    >>> block_ends(28, 5)
    [(0, 6), (4, 11), (9, 16), (14, 21), (19, 28)]
    """
    step = length // count
    if not step:
        raise ValueError(f"{count} blocks in {length} px: take fewer blocks or larger maps")
    return [(max(i * step - 1, 0), (i + 1) * step + 1 if i < count - 1 else length) for i in range(count)]


@lru_cache(maxsize=8)
def _grid(height: int, width: int, count: int) -> tuple[np.ndarray, tuple, np.ndarray, np.ndarray]:
    """A map cut by all ends of blocks: the cell of each pixel (H x W,), where cells begin, by rows and by columns, and
    which block (B, N) has which cells, by rows and by columns."""
    number, starts, has = [], [], []
    for length in (height, width):
        ends = block_ends(length, count)
        cuts = np.unique(ends)
        number.append(np.repeat(np.arange(len(cuts) - 1), np.diff(cuts)))
        starts.append(cuts[:-1])
        has.append(np.array([(cuts[:-1] >= first) & (cuts[1:] <= last) for first, last in ends], np.float64))
    return (number[0][:, None] * len(starts[1]) + number[1]).ravel(), tuple(starts), *has


def _over_blocks(cells: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Sums over cells (N, M, K) as sums over blocks (B, B, K)."""
    return columns @ (rows @ cells.reshape(len(cells), -1)).reshape(len(rows), *cells.shape[1:])
