"""Raw clips and the annotation sheet -> the index of a data set, which all stages share."""

import logging
from collections.abc import Mapping, Sequence

import pandas as pd

from apexbench.clips import write_index
from apexbench.datasets import Finding, differences, read_release
from apexbench.errors import InputError
from apexbench.store.checksums import sealed


def index_dataset(
    *,
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
    strict : makes a count that differs and a warning an error; otherwise it is a finding and a line in the log.
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
    if release.warnings and strict:
        mend = "correct them, or set strict: false in config/config.yaml to go on with them"
        raise InputError("\n".join([*map(str, release.warnings), f"{root}: {dataset}: {mend}"]))
    if counts and strict:
        left_out = map(str, release.of_kind("dropped"))
        mend = "complete the copy, or set strict: false in config/config.yaml to go on with what is there"
        raise InputError("\n".join(f"{root}: {dataset}: {line}" for line in [*counts, *left_out, mend]))
    found = [*release.findings, *(Finding("count", root, "", line) for line in counts)]
    for finding in found:
        level = logging.WARNING if finding.warns or finding.kind in ("dropped", "count") else logging.INFO
        logging.log(level, "%s: %s", finding.kind, finding)
    write_index(index, output)
    with sealed(findings) as part:
        pd.DataFrame(map(vars, found), columns=["kind", "place", "clip", "text"]).to_csv(part, index=False)
