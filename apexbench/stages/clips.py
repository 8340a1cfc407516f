"""Before the crops: synthetic clips where there is no licensed copy, the index, and the protocol tables."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from apexbench.clips import write_index
from apexbench.config import ProtocolCard
from apexbench.datasets import load_index
from apexbench.errors import InputError
from apexbench.protocols import assemble, unexpected, write_protocol


def index_dataset(dataset: str, root: str, subjects: Sequence[int], output: str, **annotation) -> None:
    """Write the index CSV of a release; `annotation` goes to `apexbench.datasets.load_index`.

    Raises InputError for a subject that config/datasets.yaml does not list: its clips would be lost silently.
    """
    frame = load_index(dataset, root, **annotation)
    strangers = sorted(set(frame["subject"]) - set(subjects))
    if strangers:
        raise InputError(
            f"config/datasets.yaml: entry {dataset!r}, field 'subjects': {root} has clips of subject {strangers[0]}, "
            f"which is not listed; add it"
        )
    write_index(frame, output)


def protocol_table(name: str, card: dict, indexes: Sequence[str | os.PathLike], output: str) -> None:
    """Write the table of a protocol from the indexes of its data sets; every count that differs is named in the log."""
    protocol = ProtocolCard(**card)
    frame = assemble(name, protocol, indexes)
    for line in unexpected(protocol, frame):
        logging.warning("protocol %s (%s), %s", name, protocol.label_set, line)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    write_protocol(frame, output)
