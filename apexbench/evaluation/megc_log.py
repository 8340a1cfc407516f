"""Predictions in the submission format of MEGC2019: a header for each subject, then its clips.

    casme2 sub01
    EP02_01f 0 0

A clip's line holds its name, its label and the prediction, 0 = negative, 1 = positive, 2 = surprise. Data sets and
subjects are spelt as in the official list (`casme2 sub01`, `smic s01`, `samm 6`), and so are the clips of SMIC, whose
folders write s1_ne_01 where the list has s01_ne_01. Clips of given flow maps are the same clips; what is read back has
the names of the releases, `official_key` tells which are one.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from apexbench.errors import InputError, nearest
from apexbench.evaluation.conventions import score_columns
from apexbench.evaluation.selection import predicted
from apexbench.store.writing import atomic

COLUMNS = ["dataset", "subject", "clip", "label", "predicted"]
# our name -> the list's name, and how it writes a subject; given flow maps are of the same clips
_LISTED = {"casme2": ("casme2", "sub{:02d}"), "smic-hs": ("smic", "s{:02d}"), "samm": ("samm", "{}")}
OFFICIAL = _LISTED | {f"{dataset}-flow": spelt for dataset, spelt in _LISTED.items()}
_OURS = {name: dataset for dataset, (name, _) in _LISTED.items()} | {dataset: dataset for dataset in _LISTED}
_SUBJECT = re.compile(r"(?:sub|s)?(\d{1,9})", re.IGNORECASE)
_SMIC_CLIP = re.compile(r"s0*(\d+)_", re.IGNORECASE)


def official_clip(dataset: str, clip: str) -> str:
    """Return a clip's name as the official list writes it.

    >>> official_clip("smic-hs", "s1_ne_01"), official_clip("casme2", "EP02_01f")
    ('s01_ne_01', 'EP02_01f')
    """
    return _SMIC_CLIP.sub(_padded, clip, count=1) if dataset.startswith("smic-hs") else clip


def official_key(dataset: str, subject: int, clip: str) -> tuple[str, int, str]:
    """Return whose clip it is on the official list, from frames or from given flow maps; others keep their names.

    >>> official_key("smic-hs", 1, "s1_ne_01") == official_key("smic-hs-flow", 1, "s01_ne_01")
    True
    """
    name = OFFICIAL[dataset][0] if dataset in OFFICIAL else dataset
    return name, subject, official_clip(dataset, clip)


def _padded(match: re.Match) -> str:
    return f"s{int(match[1]):02d}_"


def our_clip(dataset: str, clip: str) -> str:
    """Inverse of `official_clip`: the name of the clip's folder.

    >>> our_clip("smic-hs", "s01_ne_01")
    's1_ne_01'
    """
    return _SMIC_CLIP.sub(r"s\1_", clip, count=1) if dataset == "smic-hs" else clip


def write_log(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a log, subject by subject, in the order of the frame.

    frame : one row per clip, columns dataset, subject, clip, label, and either predicted or p0, p1, ...

    Raises InputError if a data set is not part of MEGC2019, or a clip stands twice.
    """
    for dataset in frame["dataset"].unique():
        if dataset not in OFFICIAL:
            raise InputError(f"{path}: data set {dataset!r} is not part of MEGC2019; {nearest(dataset, OFFICIAL)}")
    twice = frame[frame.duplicated(["dataset", "subject", "clip"])]
    if len(twice):
        dataset, subject, clip = twice.iloc[0][["dataset", "subject", "clip"]]
        raise InputError(f"{path}: clip {clip!r} of {dataset} subject {subject} stands twice; one row for each clip")
    if "predicted" not in frame:
        if not score_columns(frame):
            raise InputError(f"{path}: no column 'predicted', and no scores p0, p1, ... to take it from")
        frame = frame.assign(predicted=predicted(frame))
    lines = []
    for (dataset, subject), part in frame.groupby(["dataset", "subject"], sort=False):
        name, spelling = OFFICIAL[dataset]
        lines.append(f"{name} {spelling.format(subject)}")
        for clip, label, guess in part[["clip", "label", "predicted"]].itertuples(index=False):
            lines.append(f"{official_clip(dataset, clip)} {label} {guess}")
    with atomic(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def header(fields: Sequence[str], place: str) -> tuple[str, int]:
    """Return our name of the data set and the subject's number of a header; InputError, naming `place`, if unknown."""
    dataset = _OURS.get(fields[0].lower())
    if dataset is None:
        raise InputError(f"{place}: unknown data set {fields[0]!r}; {nearest(fields[0], _OURS)}")
    subject = _SUBJECT.fullmatch(fields[1])
    if subject is None:
        raise InputError(f"{place}: {fields[1]!r} is no subject; expected a number as in sub01, s01 or 6")
    return dataset, int(subject[1])


def read_log(path: str | os.PathLike, classes: int = 3) -> pd.DataFrame:
    """Read a log: columns dataset, subject, clip, label, predicted, in the order of the file.

    Data sets and clips carry our names (smic-hs, s1_ne_01). Blank lines, tabs and Windows line ends do no harm.

    Raises InputError naming file and line for a line that is neither a header nor a clip, a clip before any header, a
    clip that stands twice, or a label or prediction that is not one of 0 .. classes - 1.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: expected a file, found a folder or a pipe")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8 ({error})") from None
    rows, seen, where = [], {}, None
    for number, line in enumerate(text.splitlines(), 1):
        place, fields = f"{path}, line {number}", line.split()
        if not fields:
            continue
        if len(fields) == 2:
            where = header(fields, place)
            continue
        if len(fields) != 3:
            raise InputError(
                f"{place}: expected 'data set subject', or 'clip label prediction'; found {line.strip()!r}"
            )
        if where is None:
            raise InputError(f"{place}: a clip before any header; the first line names data set and subject")
        for field, value in zip(("label", "prediction"), fields[1:], strict=True):
            if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) < classes):
                raise InputError(f"{place}: {field} {value!r}; expected a whole number from 0 to {classes - 1}")
        clip = our_clip(where[0], fields[0])
        before = seen.setdefault((*where, clip), number)
        if before != number:
            raise InputError(f"{place}: clip {fields[0]!r} stands in line {before} already; keep one of them")
        rows.append((*where, clip, int(fields[1]), int(fields[2])))
    if not rows:
        raise InputError(f"{path}: no clips; expected a header 'casme2 sub01' and lines 'EP02_01f 0 0'")
    return pd.DataFrame(rows, columns=COLUMNS)
