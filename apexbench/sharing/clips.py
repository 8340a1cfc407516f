"""The clips of a bundle's protocols: that they are those which the protocol's card asks for."""

import pandas as pd

from apexbench.errors import InputError
from apexbench.evaluation.selection import CLIP
from apexbench.protocols import fold_name, fold_names, read_protocol
from apexbench.sharing.archive import Bundle
from apexbench.sharing.record import Scored


def clips_of(bundle: Bundle, protocol: str) -> pd.DataFrame:
    """Return the table of a protocol; InputError names the bundle."""
    try:
        return read_protocol(bundle.path(f"protocols/{protocol}.csv"))
    except InputError as error:
        raise InputError(str(error).replace(f"{bundle.folder}/", f"{bundle.name}: ")) from None


def check_clips(bundle: Bundle, protocol: str, scored: Scored) -> pd.DataFrame:
    """Return the table of a protocol.

    Raises InputError, naming the line, for a clip that stands twice or is of no data set or class of the protocol, and
    for a fold that the protocol's split does not give: a person would be trained on and tested.
    """
    card, table = scored.card, clips_of(bundle, protocol)
    highest = 2 ** len(card.classes) - 1 if card.multilabel else len(card.classes) - 1
    owners = [fold_name(*row) for row in zip(table["dataset"], table["subject"], strict=True)]
    several = table.groupby(owners)["fold"].transform("nunique") > 1
    wrong = {
        "clip {id} stands twice": table.duplicated(CLIP),
        "clip {id}: no data set of the protocol": ~table["dataset"].isin(card.datasets),
        "clip {id}: label {label}, which no class has": ~table["label"].between(0, highest),
        f"clip {{id}}: fold {{fold!r}}, which the split {card.split} does not give": _misplaced(scored, table, owners),
        "subject {subject} of {dataset} stands in several folds": several,
    }
    if not card.multilabel:
        names = dict(enumerate(card.classes))
        wrong["clip {id}: label {label}, and class {class!r}"] = table["label"].map(names) != table["class"]
    for what, rows in wrong.items():
        if rows.any():
            line = int(rows.to_numpy().argmax())
            raise InputError(
                f"{bundle.name}: protocols/{protocol}.csv, line {line + 2}: {what.format(**table.iloc[line])}"
            )
    return table


def _misplaced(scored: Scored, table: pd.DataFrame, owners: list[str]) -> pd.Series:
    """Which clips stand in a fold that is not theirs; of parts of many subjects any is."""
    if scored.card.split == "k-fold":
        return ~table["fold"].isin(fold_names(scored.card, ()))
    theirs = owners if scored.card.split == "loso" else table["dataset"]
    return table["fold"] != pd.Series(theirs, table.index)
