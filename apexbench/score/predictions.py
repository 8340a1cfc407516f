"""What every reader returns: predictions in the layout of our own files, and what the file does and does not say."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from apexbench.evaluation.conventions import score_columns
from apexbench.evaluation.megc_log import our_clip

KEY = ["dataset", "subject", "clip"]
OCCURRING = "classes are those that occur"  # a remark
LIMIT = 5_000_000  # rows; the composite after each of 800 epochs has 353,600
_KNOWN = {"casmeii": "casme2", "casme2": "casme2", "smic": "smic-hs", "smichs": "smic-hs", "samm": "samm"}
_SUBJECT = re.compile(r"(?:subject|sub|s)?[ _-]?0*(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True)
class Predictions:
    """Predictions of one system.

    name : what it is called in the output.
    taken_for : what the file was taken for, in words.
    frame : run, seed, fold, dataset, subject, clip, onset, label (0 .. C-1), epoch, line (of the file, 0 if unknown)
        and p0 .. of the classes; a row for each clip and epoch. A field that the file lacks is "" (epoch: 0).
    classes : names, in the order of p0 ...
    has : which of dataset, subject, clip, onset, epoch, fold the file has.
    remarks : what had to be assumed.
    """

    name: str
    taken_for: str
    frame: pd.DataFrame
    classes: tuple[str, ...]
    has: frozenset[str]
    remarks: tuple[str, ...] = ()

    @property
    def folds(self) -> bool:
        """Whether it is known which clips were tested together."""
        return bool(self.has & {"subject", "fold"})

    @property
    def epochs(self) -> int:
        """How many epochs the file holds."""
        return self.frame["epoch"].nunique()

    @property
    def clips(self) -> pd.DataFrame:
        """The clips, once each, whatever the epochs; the frame itself if there is one epoch."""
        if self.epochs == 1:
            return self.frame
        last = self.frame.groupby("fold")["epoch"].transform("max")  # folds may end early
        return self.frame[self.frame["epoch"] == last]

    @property
    def choices(self) -> int:
        """From how many epochs one is chosen, in the fold that has the most."""
        return int(self.frame.groupby("fold")["epoch"].nunique().max())

    def noting(self, *remarks: str) -> "Predictions":
        """Return the same with more remarks."""
        return replace(self, remarks=(*self.remarks, *remarks))


def dataset_name(text: str) -> str:
    """Return our name of a data set of MEGC2019, and any other as it is written.

    >>> dataset_name("CASME II"), dataset_name("SMIC"), dataset_name("MMEW")
    ('casme2', 'smic-hs', 'MMEW')
    """
    return _KNOWN.get(re.sub(r"[\s_()^-]", "", text.lower()), text)


def subject_name(text: str) -> str:
    """Return a subject's number without what is before it; any other text as it is.

    >>> subject_name("sub01"), subject_name("s20"), subject_name("006"), subject_name("spNO.1")
    ('1', '20', '6', 'spNO.1')
    """
    found = _SUBJECT.fullmatch(text)
    return found[1] if found else text


def _mixed(subjects: Sequence[str]) -> list[str]:
    """Return one subject of each spelling, where sub01, s01 and 1 stand in one file: these may be three persons."""
    spelt: dict[str, str] = {}
    for text in subjects:
        spelt.setdefault(re.sub(r"[ _-]?\d+$", "", text).lower(), text)
    return [*spelt.values()] if len(spelt) > 1 else []


def gather(
    name: str,
    taken_for: str,
    columns: Mapping[str, Sequence],
    scores: np.ndarray,
    classes: Sequence[str],
    remarks: Sequence[str] = (),
) -> Predictions:
    """Return predictions from columns: label (codes) and, if there are, dataset, subject, clip, epoch, fold, line.

    scores : (N, C).
    """
    size = len(scores)
    frame = pd.DataFrame({"run": pd.Categorical.from_codes(np.zeros(size, int), [name]), "seed": 0})
    for column in KEY:
        frame[column] = columns.get(column, "")
        frame[column] = frame[column].astype(str)
    frame["dataset"] = _each(frame["dataset"], dataset_name)
    mixed = [] if "dataset" in columns else _mixed(frame["subject"].unique().tolist())
    if mixed:
        remarks = [*remarks, f"no data set is named, so subjects spelt unlike are not one: {', '.join(mixed[:5])}"]
    else:
        frame["subject"] = _each(frame["subject"], subject_name)
    smic = (frame["dataset"] == "smic-hs").to_numpy()
    frame.loc[smic, "clip"] = _each(frame.loc[smic, "clip"], lambda clip: our_clip("smic-hs", clip))
    frame["onset"] = columns.get("onset", 0)
    if "fold" in columns:
        frame["fold"] = np.asarray(columns["fold"]).astype(str)
    else:
        frame["fold"] = frame["dataset"] + ":" + frame["subject"]
    frame["epoch"] = columns.get("epoch", 0)
    frame["line"] = columns.get("line", 0)
    frame["label"] = np.asarray(columns["label"], dtype=np.int64)
    scored = pd.DataFrame(np.asarray(scores), columns=[f"p{number}" for number in range(len(classes))])
    has = frozenset(columns) & {*KEY, "onset", "epoch", "fold"}
    whole = pd.concat([frame, scored], axis=1)
    return Predictions(name, taken_for, whole, tuple(map(str, classes)), has, tuple(remarks))


def _each(texts: pd.Series, function) -> pd.Series:
    """Apply a function to each different text once."""
    return texts.map({text: function(text) for text in texts.unique()})


def one_hot(codes: Sequence[int], count: int) -> np.ndarray:
    """Return scores (N, C) that are 1 for the predicted class."""
    codes = np.asarray(codes, dtype=np.int64)
    scores = np.zeros((len(codes), count), dtype=np.float32)
    scores[np.arange(len(codes)), codes] = 1
    return scores


def places_among(theirs: Sequence[str], ours: Sequence[str]) -> list[int | None]:
    """Return the place of each class of a file among others, by name, or by number where the file has numbers."""
    if all(name.isdecimal() for name in theirs):
        known = {str(code): code for code in range(len(ours))}
    else:
        known = {name.lower(): code for code, name in enumerate(ours)}
    return [known.get(name.lower()) for name in theirs]


def among(scores: np.ndarray, places: np.ndarray, count: int, kind: type = np.float64) -> np.ndarray:
    """Return scores (N, C) as (N, count) of a type, each class at its place; the predicted classes stay the same.

    Of equal scores the first counts, and a number of fewer digits has more equals: where another class would be
    predicted, or a score is not finite, the predicted class has 1 and the others 0.
    """
    scores = np.asarray(scores, dtype=np.float64)
    placed = np.empty((len(scores), count), kind)
    with np.errstate(over="ignore"):
        placed[:] = scores.min(axis=1, keepdims=True) - 1  # a class that the file does not know is never predicted
        placed[:, places] = scores
    guess = places[scores.argmax(axis=1)]
    lost = (placed.argmax(axis=1) != guess) | ~np.isfinite(placed).all(axis=1)
    placed[lost] = np.eye(count, dtype=kind)[guess[lost]]
    return placed


def decided(frame: pd.DataFrame) -> np.ndarray:
    """Return the predicted class of every row."""
    return frame[score_columns(frame)].to_numpy().argmax(axis=1)
