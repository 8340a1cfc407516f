"""CAS(ME)^2 (Qu et al., TAFFC 2018): 30 fps, clips inside long videos; only its micro-expressions are read.

The sheet has no header, so its nine columns are taken by position. Two further sheets say which folder a participant
(sNN) and a stimulus (a code of four digits) has; their columns are told apart by what is in them. In `selectedpic` a
clip has a folder of its own, in `rawpic` and `cropped` it lies in the video whose name has the stimulus' code: the
first of the three that is there is read. Where several are, that order is our choice.
"""

import re
from pathlib import Path

from apexbench.datasets.annotations import Annotation, Annotations, Copy, subfolders
from apexbench.datasets.sheets import Cells, read_cells, read_named

EMOTIONS = ("negative", "positive", "surprise", "others")
_SHEETS = ("CASFEcode_final", "CASMEcode_final")
_RULES = ("naming rule1", "naming rule2")
_NUMBER = r"[0-9]{1,9}"
_FIELDS = ("subject", "clip", "onset", "apex", "offset", "aus", "emotion")


def read(copy: Copy) -> Annotations:
    """Return the micro-expressions of a CAS(ME)^2 folder; frames lie in `.../s15/15_0101disgustingteeth/img001.jpg`."""
    sheet, tree = copy.find(["*code_final*.xlsx"], ["selectedpic", "rawpic", "cropped"], r"s(\d+)")
    people, stimuli = _naming(sheet)
    folders = {int(path.name[1:]): path for path in subfolders(tree) if re.fullmatch(r"[sS]\d+", path.name)}
    place, cells = read_cells(sheet, _SHEETS, _lacks)
    clips = []
    for number, row in enumerate(cells, 1):
        if sum(map(bool, row)) < 2:
            continue
        kind = row[7].lower() if len(row) > 7 else ""
        if kind.startswith("macro"):
            continue
        item = Annotation(f"{place}, row {number}", **dict(zip(_FIELDS, row, strict=False)), prefix="s")
        if not kind.startswith("micro"):
            item.problem = f"column 8: expected micro-expression or macro-expression, found {kind!r}"
        person, code = people.get(item.number), stimuli.get(item.clip.split("_")[0].lower())
        if person in folders:
            item.folders = _clip_folders(folders[person], item.clip, code)
        if person is None and not item.problem:
            item.problem = f"column 1: sheet {_RULES[0]!r} names no folder of participant {item.subject!r}"
        elif code is None and not item.folders and item.clip and not item.problem:
            item.problem = f"column 2: sheet {_RULES[1]!r} names no code of the stimulus of {item.clip!r}"
        clips.append(item)
    return Annotations(clips, EMOTIONS)


def _lacks(cells: Cells) -> list[str]:
    """What says that a sheet is not the one of the clips: no row's eighth column names a kind of expression."""
    kinds = {row[7].lower()[:5] for row in cells if len(row) > 7}
    return [] if kinds & {"micro", "macro"} else [": no row has micro- or macro-expression in column 8"]


def _clip_folders(subject: Path, clip: str, code: str | None) -> list[Path]:
    """The clip's own folder, or else those of the video of its stimulus."""
    videos = subfolders(subject)
    own = [path for path in videos if path.name.lower() == clip.lower()]
    return own or [path for path in videos if code and re.search(rf"(?<!\d){code}(?!\d)", path.name)]


def _naming(sheet: Path) -> tuple[dict[int, int], dict[str, str]]:
    """Return {participant: NN of the folder sNN} and {stimulus: code of four digits}."""
    people, stimuli = {}, {}
    for name in _RULES:
        for row in read_named(sheet, name):
            numbers = [int(cell) for cell in row if re.fullmatch(_NUMBER, cell)]
            words = [cell.lower() for cell in row if cell and not re.fullmatch(_NUMBER, cell)]
            if not numbers or not words:
                continue
            folder = re.fullmatch(r"s(\d+)", words[0])
            if folder:
                participant = [number for number in numbers if number != int(folder[1])] or numbers
                people[participant[-1]] = int(folder[1])
            else:
                stimuli[words[0]] = f"{numbers[0]:04d}"
    return people, stimuli
