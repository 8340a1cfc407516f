"""Before the crops: synthetic clips where there is no licensed copy, the index, and the protocol tables."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from apexbench.clips import write_index
from apexbench.config.protocols import ProtocolCard
from apexbench.datasets import Finding, differences, read_release
from apexbench.errors import InputError
from apexbench.protocols import assemble, counts, unexpected, write_protocol
from apexbench.store import atomic


def index_dataset(
    dataset: str,
    root: str,
    subjects: Sequence[int],
    output: str,
    findings: str,
    strict: bool = False,
    expected: Mapping | None = None,
    **annotation,
) -> None:
    """Write the index CSV of a release and, beside it, what was found on the way (columns kind, place, clip, text).

    Parameters
    ----------
    subjects : those that config/datasets.yaml lists.
    expected : the counts of `apexbench.datasets.differences`; None where the clips are synthetic.
    strict : makes a count that differs an error; otherwise it is a finding and a line in the log.
    annotation : goes to `apexbench.datasets.read_release`.

    Raises InputError for clips that cannot be used, and for a subject that is not listed: its clips would be lost
    silently.
    """
    release = read_release(dataset, root, **annotation)
    release.require_usable()
    index = release.index
    strangers = sorted(set(index["subject"]) - set(subjects))
    if strangers:
        raise InputError(
            f"config/datasets.yaml: entry {dataset!r}, field 'subjects': {root} has clips of subject {strangers[0]}, "
            f"which is not listed; add it"
        )
    counts = differences(index, expected or {})
    if counts and strict:
        left_out = map(str, release.of_kind("dropped"))
        mend = "complete the copy, or set strict: false in config/config.yaml to go on with what is there"
        raise InputError("\n".join(f"{root}: {dataset}: {line}" for line in [*counts, *left_out, mend]))
    found = [*release.findings, *(Finding("count", root, "", line) for line in counts)]
    for finding in found:
        level = logging.WARNING if finding.kind in ("dropped", "count") else logging.INFO
        logging.log(level, "%s: %s", finding.kind, finding)
    write_index(index, output)
    with atomic(findings) as part:
        pd.DataFrame(map(vars, found), columns=["kind", "place", "clip", "text"]).to_csv(part, index=False)


def protocol_table(
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
    with atomic(counts_output) as part:
        counts(protocol, frame).to_csv(part, index=False)
