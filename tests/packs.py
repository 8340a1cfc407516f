"""Packs for tests, written at once."""

from apexbench.store.packs import pack_rows


def write_pack(path, ids, x, meta, lengths=None):
    """Write a pack; row i of `x` belongs to clip `ids[i]`."""
    if len(ids) != len(x):
        raise ValueError(f"{len(ids)} clip ids for {len(x)} rows")
    with pack_rows(path, ids, x.shape[1:], x.dtype, meta, lengths) as rows:
        rows[...] = x
