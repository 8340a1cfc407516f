"""Some columns of a parquet file that anyone may have written: no more is held than predictions can have."""

import os
from collections.abc import Sequence

import pyarrow
import pyarrow.compute
import pyarrow.parquet

ROWS = 5_000_000  # the composite after each of 800 epochs has 353,600
_BYTES = 2**31  # of the wanted columns, uncompressed, as the file says
_LONGEST, _TEXTS = 1000, 2**30  # bytes of a text, which is a name; of those of all rows


def is_text(kind: pyarrow.DataType) -> bool:
    """Tell whether a type of arrow is that of texts."""
    types = pyarrow.types
    kinds = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary, types.is_large_binary)
    return any(its(kind) for its in (*kinds, types.is_binary_view))


def read_columns(source: str | os.PathLike, columns: Sequence[str]) -> pyarrow.Table:
    """Return some columns of a file, those that it has; texts come as dictionaries, so that each is held once.

    A few bytes of a file can stand for a text in each of many rows: what is not wanted is never read.

    Raises ValueError for too many rows or bytes, or a text that no name is as long as; OSError or ArrowException for
    what is no parquet file.
    """
    with pyarrow.parquet.ParquetFile(source) as file:
        its, schema = file.metadata, file.schema_arrow
    names = [name for name in dict.fromkeys(columns) if name in schema.names]
    paths = [its.schema.column(place).path for place in range(its.num_columns)]
    wanted = [place for place, path in enumerate(paths) if path in names or path.partition(".")[0] in names]
    groups = [its.row_group(number) for number in range(its.num_row_groups)]
    size = sum(group.column(place).total_uncompressed_size for group in groups for place in wanted)
    if its.num_rows > ROWS or size > _BYTES:
        raise ValueError(f"{its.num_rows} rows, {size >> 20} MB; at most {ROWS} rows of {_BYTES >> 20} MB are read")
    texts = [name for name in names if is_text(schema.field(name).type)]
    with pyarrow.parquet.ParquetFile(source, read_dictionary=texts) as file:
        table = file.read(columns=names)
    for name in names:
        _check_texts(name, table[name])
    return table


def _check_texts(name: str, column: pyarrow.ChunkedArray) -> None:
    """Raise ValueError for texts that would be too long, or too many, once each row has its own."""
    compute, kind, total = pyarrow.compute, column.type, 0
    if not (pyarrow.types.is_dictionary(kind) and is_text(kind.value_type)):
        return
    for chunk in column.chunks:
        lengths = compute.binary_length(chunk.dictionary)
        longest = compute.max(lengths).as_py() or 0
        if longest > _LONGEST:
            raise ValueError(f"column {name!r}: a text of {longest} bytes; at most {_LONGEST} are read")
        total += compute.sum(compute.take(lengths, chunk.indices)).as_py() or 0
    if total > _TEXTS:
        raise ValueError(f"column {name!r}: texts of {total >> 20} MB; at most {_TEXTS >> 20} are read")
