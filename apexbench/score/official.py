"""Predictions beside what their protocol should hold: clips, subjects, classes; of MEGC2019 clip by clip.

The official list of MEGC2019 (442 clips; a second one of 441 circulates) is compared by salted hashes, so that no names
are shipped. `config/lists/megc2019.csv` has for each clip the data set, the subject, the first 16 hexadecimal digits of
the SHA-256 of `apexbench:megc2019|<data set>|<subject>|<clip>`, the same with `|<label>` appended, and whether the
second list has it. A label is found by trying the classes.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from apexbench.config.model import read_yaml, validate
from apexbench.config.protocols import ProtocolCard
from apexbench.errors import InputError, nearest
from apexbench.evaluation.megc_log import OFFICIAL, official_clip
from apexbench.score.predictions import KEY, Predictions, decided

CONFIG = Path(__file__).parents[2] / "config"
MEGC = "megc2019"
_SHOWN = 10
LIST_CLASSES = 3


@dataclass(frozen=True)
class Check:
    """What the comparison found: protocol, how it was found, lines in words, and the label of each row if known."""

    protocol: str
    how: str
    lines: tuple[str, ...] = ()
    facts: dict | None = None


def hashed(dataset: str, subject: int, clip: str, label: int | None = None) -> str:
    """Return the hash of a clip of the list, or of a clip and its label.

    >>> hashed("casme2", 1, "EP02_01f")
    'e4f20023567d9588'
    """
    text = f"apexbench:{MEGC}|{dataset}|{subject}|{clip}" + ("" if label is None else f"|{label}")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cards() -> dict[str, ProtocolCard]:
    """Return the protocols of one label a clip."""
    path = CONFIG / "protocols.yaml"
    found = {name: validate(ProtocolCard, card, path) for name, card in read_yaml(path).items()}
    return {name: card for name, card in found.items() if not card.multilabel}


def _base(dataset: str) -> str:
    """The clips of given flow maps are those of the release."""
    return dataset.removesuffix("-flow")


def _counts(card: ProtocolCard, predictions: Predictions) -> tuple[int, ...] | None:
    """Return the expected clips of each class in the order of the file's classes, or None if these are others."""
    if card.expected_classes is None or len(card.classes) != len(predictions.classes):
        return None
    names = [name.lower() for name in card.classes]
    theirs = [name.lower() for name in predictions.classes]
    if sorted(names) == sorted(theirs):
        return tuple(card.expected_classes[names.index(name)] for name in theirs)
    return tuple(card.expected_classes) if all(name.isdecimal() for name in theirs) else None


def find(predictions: Predictions, wanted: str, named: str = "") -> tuple[str, str]:
    """Return the protocol ("" if none) and how it was found.

    wanted : a protocol, `auto` or `none`; named : what the file says of itself.
    """
    if wanted == "none":
        return "", "not compared, as asked for"
    known = cards()
    if wanted != "auto":
        if wanted not in known:
            raise InputError(f"--protocol: unknown protocol {wanted!r}; {nearest(wanted, known)}")
        if len(known[wanted].classes) != len(predictions.classes):
            raise InputError(
                f"--protocol {wanted}: its classes are {', '.join(known[wanted].classes)}, those of "
                f"{predictions.name} {', '.join(predictions.classes)}"
            )
        return wanted, "as asked for"
    if named in known:
        return named, "named by the file"
    if predictions.taken_for.startswith("MEGC2019 log"):
        return MEGC, "by the format"
    clips = predictions.clips
    true = tuple(np.bincount(clips["label"], minlength=len(predictions.classes)).tolist())
    fits = [name for name, card in known.items() if _counts(card, predictions) is not None]
    same = [name for name in fits if _counts(known[name], predictions) == true]
    if "dataset" in predictions.has:
        there = set(clips["dataset"])
        fits = [name for name in fits if set(known[name].datasets) == there and known[name].split == "loso"]
        same = [name for name in same if name in fits]
        if len(fits) > 1 and len(same) != 1:
            return "", f"not compared: {', '.join(fits)} have these data sets and classes; choose with --protocol"
        if same or fits:
            return (same or fits)[0], "by data sets and classes" + (" and their counts" if same else "")
        return "", "not compared: no protocol has these data sets and classes"
    same = [name for name in same if known[name].split == "loso" and not name.endswith("-flow")]
    if len(same) == 1:
        return same[0], "by the counts of its classes, as the file names no data set"
    why = "no protocol has these counts of classes" if not same else f"{', '.join(same)} have these counts of classes"
    return "", f"not compared: the file names no data set, and {why}"


def _differences(card: ProtocolCard, predictions: Predictions, by_clip: bool) -> list[str]:
    """Return how counts differ from the expected ones, a line each; `by_clip`: the clips are listed elsewhere."""
    clips, lines = predictions.clips, []
    if card.expected_clips is not None:
        mark = "as expected" if len(clips) == card.expected_clips else f"{card.expected_clips} expected"
        lines.append(f"{len(clips)} clips, {mark}")
    true = np.bincount(clips["label"], minlength=len(predictions.classes)).tolist()
    wanted = _counts(card, predictions)
    if wanted is not None:
        different = [
            f"{name} {found} ({count} expected)"
            for name, found, count in zip(predictions.classes, true, wanted, strict=True)
            if found != count
        ]
        lines.append("clips of each class: " + ("as expected" if not different else ", ".join(different)))
        guessed = np.bincount(decided(clips), minlength=len(true)).tolist()
        if different and guessed == list(wanted):
            lines.append("the predictions have the expected counts, the truth has not: are the two swapped?")
    if "subject" in predictions.has and card.expected_subjects:
        sizes = {
            (dataset, str(subject)): count if isinstance(count, int) else sum(count)
            for dataset, subjects in card.expected_subjects.items()
            for subject, count in subjects.items()
        }
        if "dataset" in predictions.has:
            found = clips.groupby(["dataset", "subject"]).size().to_dict()
            off = [
                f"{dataset} {subject}: {found.get((dataset, subject), 0)} ({sizes.get((dataset, subject), 0)} expected)"
                for dataset, subject in sorted({*found, *sizes}, key=str)
                if found.get((dataset, subject), 0) != sizes.get((dataset, subject), 0)
            ]
            lines.append(
                f"{len(found)} subjects, {len(sizes)} expected" + (f"; {_listed(off)}" if off and not by_clip else "")
            )
        else:
            found = clips.groupby("subject").size()
            same = sorted(found) == sorted(sizes.values())
            says = "as many clips each as expected" if same else "not as many clips each as expected"
            lines.append(f"{len(found)} subjects, {len(sizes)} expected; {says}")
    return lines


def _listed(items: Sequence[str]) -> str:
    rest = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + rest


def doubled(predictions: Predictions) -> list[str]:
    """Return the clips that stand more than once, with their lines."""
    if "clip" not in predictions.has:
        return []
    clips = predictions.clips
    # one name in a video of several expressions is told apart by the onset
    twice = clips[clips.duplicated([*KEY, "onset"], keep=False)]
    lines = []
    for key, rows in twice.groupby([*KEY, "onset"], sort=False):
        places = ", ".join(map(str, rows["line"])) if rows["line"].any() else ""
        lines.append(" ".join(filter(None, key[:3])) + (f" (lines {places})" if places else ""))
    return lines


def _list() -> pd.DataFrame:
    path = CONFIG / f"lists/{MEGC}.csv"
    try:
        return pd.read_csv(path, dtype={"clip_hash": str, "label_hash": str})
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the hashed list cannot be read ({error}); restore it from the repository") from None


def _hashes(clips: pd.DataFrame) -> list[str | None]:
    """Return the clip's hash of every row, None where data set or subject cannot be on the list."""
    found = []
    for dataset, subject, clip in clips[KEY].itertuples(index=False):
        ours = _base(dataset)
        known = ours in OFFICIAL and subject.isdecimal()
        found.append(hashed(OFFICIAL[ours][0], int(subject), official_clip(ours, clip)) if known else None)
    return found


def listed_labels(clips: pd.DataFrame, official: pd.DataFrame) -> tuple[list[str | None], list[int | None]]:
    """Return of every row the clip's hash, and the label that the list has, None for a clip that is not on it."""
    label_of = dict(zip(official["clip_hash"], official["label_hash"], strict=True))
    hashes, labels = _hashes(clips), []
    for row, code in zip(clips[KEY].itertuples(index=False), hashes, strict=True):
        if code not in label_of:
            labels.append(None)
            continue
        ours = _base(row.dataset)
        tries = (
            number
            for number in range(LIST_CLASSES)
            if hashed(OFFICIAL[ours][0], int(row.subject), official_clip(ours, row.clip), number) == label_of[code]
        )
        labels.append(next(tries, None))
    return hashes, labels


def _against_list(predictions: Predictions) -> tuple[list[str], dict, list[int | None]]:
    """Compare with the list clip by clip; return lines, facts, and the list's label of every clip."""
    official, clips = _list(), predictions.clips
    hashes, labels = listed_labels(clips, official)
    present = set(hashes) - {None}
    missing = official[~official["clip_hash"].isin(present)]
    where = Counter(f"{row.dataset} subject {row.subject}" for row in missing.itertuples())
    on_list = np.array([label is not None for label in labels])
    surplus = [" ".join(row) for row in clips.loc[~on_list, KEY].itertuples(index=False)]
    different = [
        f"{row.dataset} {row.subject} {row.clip}"
        f"{f' (line {row.line})' if row.line else ''}: {predictions.classes[row.label]}, the list has "
        f"{predictions.classes[label]}"
        for row, label in zip(clips.itertuples(index=False), labels, strict=True)
        if label is not None and label != row.label
    ]
    if not on_list.any():
        return ["no clip has a name of the official list: compared by counts only"], {"on_list": 0}, labels
    second = official["in_second_list"] == 1
    first, other = set(official["clip_hash"]), set(official.loc[second, "clip_hash"])
    if present & first == first:
        which = "all clips of the official list of 442"
    elif present & first == other:
        which = "all clips of the second list in circulation (441, without samm 32 032_3_1), not of the official 442"
    else:
        which = f"{int(on_list.sum())} clips of the official list of 442, or of its second version of 441"
    lines = [which]
    if len(missing):
        lines.append(f"{len(missing)} missing: " + _listed([f"{name} ({n})" for name, n in where.items()]))
    if surplus:
        lines.append(f"{len(surplus)} not on the list: {_listed(surplus)}")
    lines.append(f"{len(different)} labels differ: {_listed(different)}" if different else "no label differs")
    facts = {"on_list": int(on_list.sum()), "missing": len(missing), "surplus": surplus, "labels_differ": different}
    return lines, facts, labels


def check(predictions: Predictions, protocol: str, how: str) -> tuple[Check, list[int | None] | None]:
    """Compare with a protocol; return what was found and, of MEGC2019, the list's label of every clip.

    Raises InputError, naming the line, for a MEGC2019 log with a subject that the protocol does not know.
    """
    twice = doubled(predictions)
    lines = [f"{len(twice)} clips stand more than once, and count as often: {_listed(twice)}"] if twice else []
    if not protocol:
        return Check("", how, tuple(lines), {"doubled": twice}), None
    card, labels, facts = cards()[protocol], None, {"doubled": twice}
    if predictions.taken_for.startswith("MEGC2019 log") and protocol == MEGC:
        for row in predictions.clips.itertuples(index=False):
            if int(row.subject) not in card.expected_subjects[row.dataset]:
                raise InputError(
                    f"{predictions.name}, line {row.line}, field subject: MEGC2019 has no subject {row.subject} of "
                    f"{row.dataset}; mend its header, or score the file as it is with --protocol none"
                )
    found: list[str] = []
    if protocol in (MEGC, f"{MEGC}-flow") and set(KEY) <= predictions.has:
        found, of_list, labels = _against_list(predictions)
        facts |= of_list
    lines = [*_differences(card, predictions, bool(facts.get("on_list"))), *lines, *found]
    return Check(protocol, how, tuple(lines), facts), labels


def relabelled(predictions: Predictions, labels: Sequence[int | None] | None) -> Predictions:
    """Return predictions with the list's labels, where it has any; InputError if the protocol has no list."""
    if labels is None or all(label is None for label in labels):
        raise InputError(
            f"--labels protocol: {predictions.name} cannot be compared clip by clip; that needs protocol {MEGC} and "
            f"the data set, subject and clip of each row"
        )
    keys = [*KEY, "onset"]
    clips = predictions.clips[keys].assign(listed=pd.array(labels, dtype="Int64")).drop_duplicates(keys)
    listed = predictions.frame[keys].merge(clips, how="left", on=keys)["listed"]
    own = predictions.frame["label"]
    new = listed.fillna(pd.Series(own.to_numpy(), dtype="Int64")).to_numpy(dtype=np.int64)
    remark = f"labels are those of the official list; {int((new != own).sum())} rows had another"
    return replace(predictions, frame=predictions.frame.assign(label=new)).noting(remark)
