"""What all loaders share: sheets read by header name, and the checks that turn annotations into an index."""

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from apexbench.clips import COLUMNS, find_frames
from apexbench.errors import InputError, nearest

_MOST_COMPLAINTS = 20


# Header names of the sheets that have one row for each clip; releases differ in blanks only.
COLUMNS_OF_SHEETS = {
    "subject": ["Subject"],
    "clip": ["Filename"],
    "onset": ["OnsetFrame", "Onset Frame"],
    "apex": ["ApexFrame", "Apex Frame"],
    "offset": ["OffsetFrame", "Offset Frame"],
    "aus": ["Action Units"],
    "emotion": ["Estimated Emotion"],
}


@dataclass
class Annotation:
    """One clip as annotated; `place` names file and row for messages. Frame numbers may be None where unannotated."""

    place: str
    subject: str
    clip: str
    onset: str | None
    apex: str | None
    offset: str | None
    emotion: str
    aus: str
    frames_dir: Path | None
    repairs: list[str] = field(default_factory=list)

    @classmethod
    def of_row(cls, row, frames_dir: Path | None) -> "Annotation":
        """Take a row of `read_sheet` with `COLUMNS_OF_SHEETS`; a folder that is not there becomes None."""
        folder = frames_dir if frames_dir is not None and frames_dir.is_dir() else None
        numbers = row.onset, row.apex, row.offset
        return cls(row.place, row.subject, row.clip, *numbers, row.emotion, row.aus, folder)


def find_one(root: Path, patterns: Sequence[str], what: str) -> Path:
    """Return the only file or folder below `root` that matches one of the glob patterns, tried in turn.

    Raises InputError if there is none, or more than one for the first pattern that matches.
    """
    for pattern in patterns:
        found = sorted(path for path in root.glob(pattern) if not path.name.startswith((".", "~$")))
        if len(found) > 1:
            listed = ", ".join(str(path.relative_to(root)) for path in found)
            raise InputError(f"{root}: {what} found more than once ({listed}); keep one")
        if found:
            return found[0]
    raise InputError(f"{root}: {what} not found; expected {' or '.join(patterns)}, as in the release")


def read_sheet(path: Path, columns: Mapping[str, Sequence[str]], sheet: str | None = None) -> pd.DataFrame:
    """Read a workbook as text, find the header row by its names, and return the wanted columns and `row`.

    Parameters
    ----------
    path : workbook.
    columns : {name in the result: accepted header names}; headers are compared without case and outer blanks.
    sheet : sheet name; the first sheet if None or absent.

    Returns
    -------
    DataFrame of str with the keys of `columns` and `row`, the row number as the spreadsheet program shows it.
    Rows in which every wanted cell is empty are dropped.
    """
    try:
        with pd.ExcelFile(path) as book:
            name = sheet if sheet in book.sheet_names else book.sheet_names[0]
            cells = pd.read_excel(book, name, header=None, dtype=str, keep_default_na=False)
    except (OSError, ValueError, KeyError, ImportError, SyntaxError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable workbook ({error}); copy it anew from the release") from None
    place = f"{path}, sheet {name!r}"
    wanted = {key: [name.strip().lower() for name in names] for key, names in columns.items()}
    best, header = 0, None
    for number in range(min(len(cells), 40)):
        row = [str(cell).strip().lower() for cell in cells.iloc[number]]
        hits = sum(any(name in row for name in names) for names in wanted.values())
        if hits > best:
            best, header = hits, number
    if header is None:
        raise InputError(f"{place}: no header row with {', '.join(names[0] for names in columns.values())} found")
    row = [str(cell).strip().lower() for cell in cells.iloc[header]]
    picked = {}
    for key, names in wanted.items():
        place_in_row = next((row.index(name) for name in names if name in row), None)
        if place_in_row is None:
            present = [str(cell).strip() for cell in cells.iloc[header] if str(cell).strip()]
            wish = " or ".join(map(repr, columns[key]))
            raise InputError(f"{place}, row {header + 1}: no column {wish}; {nearest(columns[key][0], present)}")
        picked[key] = cells.iloc[header + 1 :, place_in_row].str.strip()
    frame = pd.DataFrame(picked)
    frame["row"] = [index + 1 for index in frame.index]
    frame["place"] = [f"{place}, row {number}" for number in frame["row"]]
    filled = (frame[list(columns)] != "").sum(axis=1)
    return frame[filled >= 2].reset_index(drop=True)


class _Refused(Exception):
    """One annotated clip cannot be used; the text says why."""


def _number(item: Annotation, field_name: str) -> int:
    text = getattr(item, field_name)
    try:
        value = float(text)
        if value != int(value) or value < 0:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise _Refused(f"field {field_name!r}: expected a frame number, found {text!r}") from None
    return int(value)


def _frames_and_apex(item: Annotation, dataset: str, apex: str) -> tuple[int, int, int, int, str]:
    """Return onset, apex, offset, the number of frames between, and where the apex comes from."""
    if item.frames_dir is None:
        raise _Refused("the clip is listed but has no folder of frames; copy it from the release")
    frames = find_frames(item.frames_dir)
    if not frames:
        raise _Refused(f"no frames in {item.frames_dir}; copy them from the release")
    first, last = next(iter(frames)), next(reversed(frames))
    onset = first if item.onset is None else _number(item, "onset")
    offset = last if item.offset is None else _number(item, "offset")
    inside = [number for number in frames if onset <= number <= offset]
    if offset < onset:
        raise _Refused(f"field 'offset': {offset} lies before the onset {onset}; correct the sheet")
    if onset not in frames:
        raise _Refused(f"field 'onset': no frame {onset} in {item.frames_dir} (it holds {first}..{last})")
    midpoint = f"apex: midpoint for {dataset!r} in config/datasets.yaml"
    if item.apex is None or apex == "midpoint":
        middle = onset + (offset - onset) // 2
        return onset, min(inside, key=lambda number: abs(number - middle)), offset, len(inside), "midpoint"
    try:
        peak = _number(item, "apex")
    except _Refused as refusal:
        raise _Refused(f"{refusal}; correct the sheet, or use {midpoint}") from None
    if not onset <= peak <= offset:
        raise _Refused(
            f"field 'apex': {peak} lies outside onset..offset = {onset}..{offset}; correct the sheet, or use {midpoint}"
        )
    if peak not in frames:
        raise _Refused(f"field 'apex': no frame {peak} in {item.frames_dir} (it holds {first}..{last})")
    return onset, peak, offset, len(inside), "sheet"


def to_index(
    annotations: list[Annotation], *, dataset: str, root: Path, label_set: str, fps: float, apex: str
) -> pd.DataFrame:
    """Check annotations against the frames on disk and return the index (columns of `apexbench.clips.COLUMNS`).

    Raises InputError with a line for each problem, all of them together.
    """
    problems, rows, places = [], [], {}
    for item in annotations:
        digits = re.findall(r"\d+", item.subject)
        try:
            if len(digits) != 1:
                raise _Refused(f"field 'subject': expected a number, found {item.subject!r}")
            onset, peak, offset, count, source = _frames_and_apex(item, dataset, apex)
            first = places.setdefault((int(digits[0]), item.clip, onset), item.place)
            if first != item.place:
                raise _Refused(f"listed already with onset {onset} ({first}); keep one of the two rows")
        except _Refused as refusal:
            problems.append(f"{item.place}: clip {item.clip!r} of subject {item.subject!r}: {refusal}")
            continue
        folder = item.frames_dir.relative_to(root).as_posix()
        numbers = (dataset, int(digits[0]), item.clip, onset, peak, offset, fps)
        rows.append((*numbers, item.emotion, item.aus, folder, count, source, label_set, ";".join(item.repairs)))
    if not annotations:
        problems.append(f"{root}: the annotation lists no clips")
    if problems:
        more = len(problems) - _MOST_COMPLAINTS
        tail = [f"... and {more} more"] if more > 0 else []
        raise InputError("\n".join(problems[:_MOST_COMPLAINTS] + tail))
    return pd.DataFrame(rows, columns=list(COLUMNS))
