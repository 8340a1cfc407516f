"""MEGC2019's submission format: `casme2 sub01`, then `EP02_01f 0 0` for each clip: name, label, prediction.

A header may stand before every clip, and SMIC's subjects may be written `smic 20`. Unlike `evaluation.megc_log` it
takes a doubled clip, which the comparison with the protocol reports.
"""

from collections.abc import Sequence
from pathlib import Path

from apexbench.errors import InputError
from apexbench.evaluation.megc_log import header
from apexbench.score.predictions import Predictions, gather, one_hot
from apexbench.score.texts import check_length, whole_number

CLASSES = ("negative", "positive", "surprise")


def read_megc_log(path: Path, lines: Sequence[str]) -> Predictions:
    """Read a log; InputError names line and field."""
    check_length(path, len(lines), "a log")
    rows, where, headers = [], None, 0
    for number, line in enumerate(lines, 1):
        place, fields = f"{path}, line {number}", line.split()
        if not fields:
            continue
        if line.lstrip().startswith("[") or "," in line:
            raise InputError(
                f"{place}: {line.strip()[:60]!r} is a list or CSV, but the file began as a MEGC2019 log; "
                f"one format a file"
            )
        if len(fields) == 2:
            where, headers = header(fields, place), headers + 1
        elif len(fields) != 3:
            raise InputError(
                f"{place}: {len(fields)} fields; expected 'data set subject', or 'clip label prediction'; "
                f"found {line.strip()[:60]!r}"
            )
        elif where is None:
            raise InputError(f"{place}: a clip before any header; the first line names data set and subject")
        else:
            label, guess = (
                whole_number(text, len(CLASSES), place, field)
                for field, text in zip(("label", "prediction"), fields[1:], strict=True)
            )
            rows.append((*where, fields[0], label, guess, number))
    if not rows:
        raise InputError(f"{path}: no clips; expected a header 'casme2 sub01' and lines 'EP02_01f 0 0'")
    dataset, subject, clip, label, guess, line = zip(*rows, strict=True)
    kind = "MEGC2019 log" + (", a header before each clip" if headers == len(rows) > len(set(subject)) else "")
    columns = {"dataset": dataset, "subject": subject, "clip": clip, "label": label, "line": line}
    return gather(path.name, kind, columns, one_hot(guess, len(CLASSES)), CLASSES)
