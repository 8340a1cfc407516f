"""Indexes of data sets -> the clips, labels and folds of one protocol."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from apexbench.config.protocols import ProtocolCard
from apexbench.errors import InputError
from apexbench.protocols import assemble, counts, unexpected, write_protocol
from apexbench.store.checksums import check_seal, sealed


def protocol_table(
    *,
    name: str,
    card: dict,
    indexes: Sequence[str | os.PathLike],
    findings: Sequence[str | os.PathLike],
    output: str,
    counts_output: str,
    strict: bool = False,
) -> None:
    """Write the table of a protocol, and what its card expects beside what was found.

    Every count that differs is named in the log, with the clips that were left out of the indexes.

    Raises InputError with all differences if `strict`.
    """
    protocol = ProtocolCard(**card)
    frame = assemble(name, protocol, indexes)
    lines = unexpected(protocol, frame)
    if lines:
        for path in findings:
            check_seal(path)
        left_out = pd.concat([pd.read_csv(path, dtype=str, keep_default_na=False) for path in findings])
        left_out = left_out[left_out["kind"] == "dropped"]
        lines += [f"left out: {row.place}, clip {row.clip}: {row.text}" for row in left_out.itertuples()]
        lines = [f"protocol {name} ({protocol.label_set}), {line}" for line in lines]
        if strict:
            mend = "complete the copy, or set strict: false in config/config.yaml to go on with what is there"
            raise InputError("\n".join([*lines, mend]))
        for line in lines:
            logging.warning(line)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    write_protocol(frame, output)
    with sealed(counts_output) as part:
        counts(protocol, frame).to_csv(part, index=False)
