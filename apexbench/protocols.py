"""Protocols: which clips with which labels, and the folds. A protocol table has one row for each clip.

Every clip is tested exactly once; a subject never stands on both sides of a fold.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from apexbench.clips import action_units, clip_ids, read_index
from apexbench.config.protocols import ProtocolCard
from apexbench.errors import InputError
from apexbench.labels import classes_in, is_multilabel
from apexbench.store.checksums import check_seal, sealed

if TYPE_CHECKING:  # the configuration is checked without waiting for pandas
    import pandas as pd

COLUMNS = ("dataset", "subject", "clip", "onset", "emotion", "label", "class", "fold")


def fold_name(dataset: str, subject: int) -> str:
    """Return the name of a subject's fold: subjects are numbered within their data set, so both belong to it.

    >>> fold_name("samm", 6)
    'samm:6'
    """
    return f"{dataset}:{subject}"


def fold_names(card: ProtocolCard, subjects: Iterable[tuple[str, int]]) -> list[str]:
    """Return the names of a protocol's folds, in order; `subjects` are (dataset, subject) of everyone tested."""
    if card.split == "k-fold":
        return [f"part:{number}" for number in range(1, card.folds + 1)]
    if card.split == "leave-one-dataset-out":
        return list(card.datasets)
    return [fold_name(*subject) for subject in subjects]


def _folds(card: ProtocolCard, frame: pd.DataFrame) -> list[str]:
    """The fold of every clip. k-fold: each subject, largest first, joins the part that has the fewest clips."""
    import pandas as pd

    subjects = [fold_name(d, s) for d, s in zip(frame["dataset"], frame["subject"], strict=True)]
    if card.split == "leave-one-dataset-out":
        return frame["dataset"].tolist()
    if card.split == "loso":
        return subjects
    sizes = pd.Series(subjects).value_counts()
    parts, held = {}, dict.fromkeys(fold_names(card, ()), 0)
    for subject in sorted(sizes.index, key=lambda name: (-sizes[name], name)):
        parts[subject] = min(held, key=held.get)
        held[parts[subject]] += sizes[subject]
    return [parts[subject] for subject in subjects]


def _spelt(value: str) -> str:
    return " ".join(str(value).lower().split())


def label(card: ProtocolCard, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of an index that the protocol takes, with the columns `class` and `label`.

    Rows whose emotion (or objective class) has no class are left out, and those that the card excludes. On action
    units (`target: aus`) every clip is taken: `label` is then the sum of 2**c over the classes c that it shows, and
    `class` their names joined by `+`, empty where it shows none.
    """
    out = {(item.dataset, item.subject, item.clip) for item in card.exclude}
    taken = [key not in out for key in zip(frame["dataset"], frame["subject"], frame["clip"], strict=True)]
    frame = frame[taken].reset_index(drop=True)
    classes = list(card.classes)
    if is_multilabel(card):
        units = {c: {int(value) for value in values} for c, values in card.classes.items()}
        shown = [action_units(text) for text in frame["aus"]]
        names = [[c for c in classes if units[c] & some] for some in shown]
        return frame.assign(
            **{"class": ["+".join(some) for some in names]},
            label=[sum(1 << classes.index(c) for c in some) for some in names],
        )
    of_value = {
        (dataset, _spelt(value)): c
        for dataset in card.datasets
        for c, values in classes_in(card, dataset).items()
        for value in values
    }
    keys = zip(frame["dataset"], frame[card.target].map(_spelt), strict=True)
    frame = frame.assign(**{"class": [of_value.get(key) for key in keys]})
    frame = frame.dropna(subset=["class"]).reset_index(drop=True)
    return frame.assign(label=[classes.index(c) for c in frame["class"]])


def assemble(name: str, card: ProtocolCard, indexes: Iterable[str | os.PathLike]) -> pd.DataFrame:
    """Return the protocol's table from the index CSVs of its data sets (columns `COLUMNS`).

    Clips whose emotion has no class are left out, as the protocol's class map says.

    Raises
    ------
    InputError
        A class without clips, or a single fold: nothing could be learned or tested.
    """
    import pandas as pd

    frame = label(card, pd.concat([read_index(path) for path in indexes], ignore_index=True))
    shown = {c for several in frame["class"] for c in (several.split("+") if is_multilabel(card) else [several])}
    empty = [c for c in card.classes if c not in shown]
    if empty:
        raise InputError(
            f"protocol {name!r}: no clip of class {empty[0]!r} ({card.target} {', '.join(card.classes[empty[0]])}) in "
            f"{', '.join(card.datasets)}; check the annotation, or leave the protocol out of config/config.yaml"
        )
    frame["fold"] = _folds(card, frame)
    if frame["fold"].nunique() < 2:
        raise InputError(
            f"protocol {name!r}: all {len(frame)} clips are of one fold ({frame['fold'].iloc[0]}); the split "
            f"{card.split} needs two at least"
        )
    frame = frame.sort_values(["dataset", "subject", "clip", "onset"], kind="stable")
    return frame.loc[:, list(COLUMNS)].reset_index(drop=True)


def counts(card: ProtocolCard, frame: pd.DataFrame) -> pd.DataFrame:
    """Return what the card expects and what a table holds: columns what, expected (or missing), found.

    Totals, subjects, classes, and the clips (per class, where known) of every subject of the official list; subjects
    that are in the table only come last, with 0 expected.
    """
    import pandas as pd

    rows = []
    classes = list(card.classes)
    has = _membership(card, frame)
    expected = sum(len(part) for part in card.expected_subjects.values()) if card.expected_subjects else None
    rows.append(("clips", card.expected_clips, len(frame)))
    rows.append(("subjects", expected, frame.groupby(["dataset", "subject"]).ngroups))
    for c, wanted in zip(classes, card.expected_classes or [None] * len(classes), strict=True):
        rows.append((f"class {c}", wanted, int(has[c].sum())))
    for dataset, subjects in card.expected_subjects.items():
        part = (frame["dataset"] == dataset).to_numpy()
        for subject, count in subjects.items():
            mine = part & (frame["subject"] == subject).to_numpy()
            if isinstance(count, int):
                rows.append((f"{dataset} subject {subject}", count, int(mine.sum())))
            else:
                for c, wanted in zip(classes, count, strict=True):
                    rows.append((f"{dataset} subject {subject}, {c}", wanted, int((has[c] & mine).sum())))
        for subject, found in frame[part]["subject"].value_counts().sort_index().items():
            if subject not in subjects:
                rows.append((f"{dataset} subject {subject}, not in the official list", 0, int(found)))
    return pd.DataFrame(rows, columns=["what", "expected", "found"]).astype({"expected": "Int64", "found": "Int64"})


def _membership(card: ProtocolCard, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """{class: (N,) bool} of the clips of a table."""
    labels = frame["label"].to_numpy()
    if is_multilabel(card):
        return {c: (labels >> number) % 2 == 1 for number, c in enumerate(card.classes)}
    return {c: labels == number for number, c in enumerate(card.classes)}


def unexpected(card: ProtocolCard, frame: pd.DataFrame) -> list[str]:
    """Compare a table with the counts of the official list; return one line for each difference."""
    table = counts(card, frame).dropna(subset=["expected"])
    differing = table[table["expected"] != table["found"]]
    return [f"{row.what}: expected {row.expected}, found {row.found}" for row in differing.itertuples()]


def planned(card: ProtocolCard, plans: Mapping[str, Iterable[Sequence]]) -> ProtocolCard:
    """Return the card with the counts of synthetic plans, {dataset: (subject, emotion, clips, objective)}.

    What a plan leaves open (which action units a clip will show, its objective class) is not expected of anyone.
    """
    classes = list(card.classes)
    expected: dict[str, dict[int, list[int]]] = {}
    known = not is_multilabel(card)
    total = 0
    for dataset, rows in plans.items():
        of_value = {_spelt(v): c for c, values in classes_in(card, dataset).items() for v in values}
        for subject, emotion, clips, objective in rows:
            total += clips
            known &= card.target == "emotion" or bool(objective)
            c = of_value.get(_spelt(objective if card.target == "objective" else emotion))
            if c is not None and clips:
                row = expected.setdefault(dataset, {}).setdefault(subject, [0] * len(classes))
                row[classes.index(c)] += clips
    if not known:
        clips = total if is_multilabel(card) else None
        return card.model_copy(update={"expected_clips": clips, "expected_classes": None, "expected_subjects": {}})
    totals = [sum(row[i] for part in expected.values() for row in part.values()) for i in range(len(classes))]
    return card.model_copy(
        update={
            "expected_clips": sum(totals),
            "expected_classes": tuple(totals),
            "expected_subjects": {d: {s: tuple(row) for s, row in part.items()} for d, part in expected.items()},
        }
    )


def write_protocol(frame: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a protocol table as CSV."""
    with sealed(path) as part:
        frame.to_csv(part, index=False)


def read_protocol(path: str | os.PathLike) -> pd.DataFrame:
    """Read a protocol table; `ids` is added, the text of every clip's identity."""
    import pandas as pd

    check_seal(path)
    mend = "delete the file and rerun the rule 'protocol'"
    try:
        frame = pd.read_csv(Path(path), dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; rerun the rule 'protocol'") from None
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a protocol ({error}); {mend}") from None
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}; {mend}")
    for column in ("subject", "onset", "label"):
        try:
            frame[column] = frame[column].astype(int)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{path}: column {column!r}: {error}; {mend}") from None
    if frame.empty:
        raise InputError(f"{path}: no clips; {mend}")
    frame["id"] = [str(clip_id) for clip_id in clip_ids(frame)]
    return frame


def splits(frame: pd.DataFrame) -> dict[str, tuple[list[int], list[int]]]:
    """Return {fold: (training rows, test rows)}: each fold of a table is left out once."""
    folds = {}
    for fold in dict.fromkeys(frame["fold"]):
        inside = (frame["fold"] == fold).to_numpy()
        folds[fold] = (list((~inside).nonzero()[0]), list(inside.nonzero()[0]))
    return folds


def inner_splits(frame: pd.DataFrame, rows: Sequence[int], count: int, seed: int) -> list[tuple[list[int], list[int]]]:
    """Split the training rows of one fold by subject: return `count` pairs (training rows, validation rows).

    Every row is validated once. Subjects are dealt out in a random order that `seed` fixes; with fewer subjects than
    parts there are as many parts as subjects.
    """
    owners = [fold_name(frame["dataset"].iloc[row], frame["subject"].iloc[row]) for row in rows]
    subjects = sorted(set(owners))
    order = np.random.default_rng(seed).permutation(len(subjects))
    part_of = {subjects[subject]: place % count for place, subject in enumerate(order)}
    parts = [part_of[owner] for owner in owners]
    return [
        (
            [r for r, p in zip(rows, parts, strict=True) if p != n],
            [r for r, p in zip(rows, parts, strict=True) if p == n],
        )
        for n in range(min(count, len(subjects)))
    ]
