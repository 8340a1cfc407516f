"""The clip record and the index CSV that every stage shares."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apexbench.errors import InputError

if TYPE_CHECKING:  # the configuration is checked without waiting for pandas
    import pandas as pd
from apexbench.store.checksums import check_seal, sealed

COLUMNS = (
    "dataset", "subject", "clip", "onset", "apex", "offset", "fps", "emotion", "aus",
    "frames_dir", "n_frames", "apex_source", "label_set", "repairs", "objective",
)  # fmt: skip
APEX_SOURCES = ("sheet", "midpoint", "last", "spotted", "provided")  # provided: inside flow maps that others made
_NUMBERS = ("subject", "onset", "apex", "offset", "n_frames")
_FRAME = re.compile(r"(\d+)\.(jpe?g|png|bmp)$", re.IGNORECASE)
# one action unit of a sheet: side or "asymmetric", number, intensity, doubt, kept; "4", "L2", "AU12B", "7?", "17(k)";
# the side may stand behind: "AUR2", "12L"
_UNIT = re.compile(r"(?<!\w)[LRATB]?\s?(?:AU\s?)?[LRATB]?(\d{1,2})\s?[A-E]?[LRATB]?\??\s?(\(k\))?(?!\w)", re.IGNORECASE)
_BETWEEN_UNITS = re.compile(r"[\s+,;/&?\uff0c\u3001\uff1b\uff0b-]+|\bor\b", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class ClipId:
    """Identity of a clip. Two clips of one long video differ by their onset only."""

    dataset: str
    subject: int
    clip: str
    onset: int

    def __str__(self) -> str:
        return f"{self.dataset}/{self.subject}/{self.clip}/{self.onset}"

    @property
    def label(self) -> str:
        """What a picture calls the clip."""
        return f"{self.subject}: {self.clip}"

    @classmethod
    def parse(cls, text: str) -> ClipId:
        """Inverse of `str`.

        >>> ClipId.parse(str(ClipId("samm", 6, "006_1_2", 5562)))
        ClipId(dataset='samm', subject=6, clip='006_1_2', onset=5562)
        """
        dataset, subject, clip, onset = text.split("/")
        return cls(dataset, int(subject), clip, int(onset))


def clip_ids(frame: pd.DataFrame) -> list[ClipId]:
    """Return the identity of every row of a table that has the four identity columns."""
    return [
        ClipId(str(d), int(s), str(c), int(o))
        for d, s, c, o in zip(frame["dataset"], frame["subject"], frame["clip"], frame["onset"], strict=True)
    ]


def sample_hash(frame: pd.DataFrame) -> str:
    """Return a short hash of an index's clips (subject, clip, onset), whatever their order and the data set's name."""
    ids = sorted(str(clip_id).partition("/")[2] for clip_id in clip_ids(frame))
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:12]


def read_units(text: str) -> tuple[set[int], list[str]]:
    """Return the action units of a sheet's cell, and the words in it that are none.

    Sides, intensities A..E and doubts are dropped; of "R12 or R15" both count; a unit kept throughout the clip,
    marked (k), moves nothing and does not count.

    >>> read_units("R4, AU12B / 17(k) or smile; ?")
    ({4, 12}, ['smile'])
    """
    units = {int(match[1]) for match in _UNIT.finditer(text) if not match[2]}
    return units, [word for word in _BETWEEN_UNITS.split(_UNIT.sub(" ", text)) if word]


def action_units(text: str) -> set[int]:
    """Return the action units of a sheet's cell, see `read_units`.

    >>> sorted(action_units("L2+R4")), sorted(action_units("AU4, R12A")), sorted(action_units("?"))
    ([2, 4], [4, 12], [])
    """
    return read_units(text)[0]


def write_index(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write an index CSV, sorted by subject, clip and onset; the columns are `COLUMNS`.

    Raises InputError if a clip occurs twice.
    """
    frame = frame.loc[:, list(COLUMNS)].sort_values(["subject", "clip", "onset"], kind="stable")
    twice = frame[frame.duplicated(["dataset", "subject", "clip", "onset"])]
    if len(twice):
        raise InputError(f"{path}: clip {clip_ids(twice)[0]} is listed twice; keep one row for each clip and onset")
    with sealed(path) as part:
        frame.to_csv(part, index=False)


def read_index(path: str | os.PathLike) -> pd.DataFrame:
    """Read an index CSV; frame numbers are ints, everything else text but `fps`."""
    import pandas as pd

    path = Path(path)
    mend = "delete the file and rerun the rule 'index'"
    check_seal(path)
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise InputError(f"{path}: not an index ({error}); {mend}") from None
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}; {mend}")
    for column in (*_NUMBERS, "fps"):
        try:
            frame[column] = frame[column].astype(float if column == "fps" else int)
        except ValueError as error:
            raise InputError(f"{path}: column {column!r}: {error}; {mend}") from None
    return frame


def is_file(path: Path) -> bool:
    """Tell whether a path is a file or leads to one; a link that leads to itself does not."""
    try:
        return path.is_file()
    except OSError:
        return False


def find_frames(folder: str | os.PathLike) -> dict[int, Path]:
    """Return {frame number: path} of a clip folder, in order of the number.

    The number is the last run of digits of the name, whatever its prefix, padding, case or extension
    (`img46.jpg`, `006_05562.JPG`, `image559740.bmp`). Other files are ignored.

    Raises InputError if two files carry one number, or if a folder, pipe or broken link is named like a frame.
    """
    frames: dict[int, Path] = {}
    try:
        with os.scandir(folder) as entries:
            names = sorted((entry.name, entry.is_file(follow_symlinks=False)) for entry in entries)
    except OSError as error:
        raise InputError(f"{folder}: the clip's folder cannot be listed ({error.strerror})") from error
    for name, plain in names:
        match = _FRAME.search(name)
        if match is None or name.startswith("."):
            continue
        if not plain and not is_file(Path(folder) / name):
            raise InputError(f"{folder}: {name} is no picture, but a folder, a pipe or a broken link; remove it")
        number = int(match[1])
        if number in frames:
            raise InputError(f"{folder}: {frames[number].name} and {name} both claim frame {number}; keep one of them")
        frames[number] = Path(folder) / name
    return dict(sorted(frames.items()))
