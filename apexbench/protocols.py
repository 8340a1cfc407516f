"""Protocols: which clips with which labels, and the folds. A protocol table has one row for each clip.

Every clip is tested exactly once, in the fold of its subject; a subject never stands on both sides.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from apexbench.clips import clip_ids, read_index
from apexbench.config import ProtocolCard
from apexbench.errors import InputError
from apexbench.store import atomic

COLUMNS = ("dataset", "subject", "clip", "onset", "emotion", "label", "class", "fold")


def fold_name(dataset: str, subject: int) -> str:
    """Return the name of a fold: subjects are numbered within their data set, so both belong to it.

    >>> fold_name("samm", 6)
    'samm:6'
    """
    return f"{dataset}:{subject}"


def label(card: ProtocolCard, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of an index whose emotion has a class in the protocol, with the columns `class` and `label`."""
    classes = list(card.classes)
    of_emotion = {emotion.lower(): c for c, emotions in card.classes.items() for emotion in emotions}
    frame = frame.assign(**{"class": frame["emotion"].str.lower().map(of_emotion)})
    frame = frame.dropna(subset=["class"]).reset_index(drop=True)
    return frame.assign(label=[classes.index(c) for c in frame["class"]])


def assemble(name: str, card: ProtocolCard, indexes: Iterable[str | os.PathLike]) -> pd.DataFrame:
    """Return the protocol's table from the index CSVs of its data sets (columns `COLUMNS`).

    Clips whose emotion has no class are left out, as the protocol's class map says.

    Raises
    ------
    InputError
        A class without clips, or clips of one subject only: nothing could be learned or tested.
    """
    frame = label(card, pd.concat([read_index(path) for path in indexes], ignore_index=True))
    empty = [c for c in card.classes if c not in set(frame["class"])]
    if empty:
        raise InputError(
            f"protocol {name!r}: no clip of class {empty[0]!r} (emotions {', '.join(card.classes[empty[0]])}) in "
            f"{', '.join(card.datasets)}; check the annotation, or leave the protocol out of config/config.yaml"
        )
    frame["fold"] = [fold_name(d, s) for d, s in zip(frame["dataset"], frame["subject"], strict=True)]
    if frame["fold"].nunique() < 2:
        raise InputError(
            f"protocol {name!r}: all {len(frame)} clips are of one subject ({frame['fold'].iloc[0]}); leaving one "
            f"subject out needs two at least"
        )
    frame = frame.sort_values(["dataset", "subject", "clip", "onset"], kind="stable")
    return frame.loc[:, list(COLUMNS)].reset_index(drop=True)


def unexpected(card: ProtocolCard, frame: pd.DataFrame) -> list[str]:
    """Compare a table with the counts of the official list; return one line for each difference."""
    lines = []

    def compare(what: str, expected: int | None, found: int) -> None:
        if expected is not None and expected != found:
            lines.append(f"{what}: expected {expected} clips, found {found}")

    compare("in all", card.expected_clips, len(frame))
    found = frame["class"].value_counts()
    for name, count in zip(card.classes, card.expected_classes or [None] * len(card.classes), strict=True):
        compare(f"class {name}", count, int(found.get(name, 0)))
    for dataset, subjects in card.expected_subjects.items():
        part = frame[frame["dataset"] == dataset]
        for subject, count in subjects.items():
            rows = part[part["subject"] == subject]
            if isinstance(count, int):
                compare(f"{dataset} subject {subject}", count, len(rows))
            else:
                for label, (name, wanted) in enumerate(zip(card.classes, count, strict=True)):
                    compare(f"{dataset} subject {subject}, {name}", wanted, int((rows["label"] == label).sum()))
        for subject in sorted(set(part["subject"]) - set(subjects)):
            lines.append(f"{dataset} subject {subject}: not in the official list")
    return lines


def planned(card: ProtocolCard, plan: Iterable[tuple[str, int, str, int]]) -> ProtocolCard:
    """Return the card with the counts of a synthetic plan in place of the official ones."""
    classes = list(card.classes)
    of_emotion = {emotion.lower(): c for c, emotions in card.classes.items() for emotion in emotions}
    counts: dict[str, dict[int, list[int]]] = {}
    for dataset, subject, emotion, clips in plan:
        if dataset in card.datasets and emotion.lower() in of_emotion and clips:
            row = counts.setdefault(dataset, {}).setdefault(subject, [0] * len(classes))
            row[classes.index(of_emotion[emotion.lower()])] += clips
    totals = [sum(row[i] for part in counts.values() for row in part.values()) for i in range(len(classes))]
    return card.model_copy(
        update={
            "expected_clips": sum(totals),
            "expected_classes": tuple(totals),
            "expected_subjects": {d: {s: tuple(row) for s, row in part.items()} for d, part in counts.items()},
        }
    )


def write_protocol(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a protocol table as CSV."""
    with atomic(path) as part:
        frame.to_csv(part, index=False)


def read_protocol(path: str | os.PathLike) -> pd.DataFrame:
    """Read a protocol table; `ids` is added, the text of every clip's identity."""
    frame = pd.read_csv(Path(path), dtype={"dataset": str, "clip": str, "emotion": str, "class": str, "fold": str})
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}; delete the file and rerun the rule 'protocol'")
    frame["id"] = [str(clip_id) for clip_id in clip_ids(frame)]
    return frame


def loso(frame: pd.DataFrame) -> Mapping[str, tuple[list[int], list[int]]]:
    """Return {fold: (training rows, test rows)}, leave one subject out."""
    folds = {}
    for fold in dict.fromkeys(frame["fold"]):
        inside = (frame["fold"] == fold).to_numpy()
        folds[fold] = (list((~inside).nonzero()[0]), list(inside.nonzero()[0]))
    return folds
