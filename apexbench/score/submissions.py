"""A submission (`submissions/<name>`): what is asked of predictions that shall stand in a table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from apexbench.config.submissions import CARD, SubmissionCard
from apexbench.errors import InputError, nearest
from apexbench.evaluation.conventions import score_columns
from apexbench.score.official import Check, cards, doubled
from apexbench.score.predictions import KEY, OCCURRING, Predictions, among, places_among


def submitted(predictions: Predictions, card: SubmissionCard, path: Path) -> Predictions:
    """Return a submission's predictions under its title, with the classes of its protocol in its order.

    Raises InputError, naming file and field, if the protocol is not known or has other classes, if rows do not say
    whose clip they are, or if a clip stands twice.
    """
    known, file = cards(), path.parent / CARD
    if card.protocol not in known:
        raise InputError(f"{file}: field 'protocol': unknown name {card.protocol!r}; {nearest(card.protocol, known)}")
    protocol = known[card.protocol]
    places = places_among(predictions.classes, [*protocol.classes])
    if None in places:
        there, unknown = ", ".join(protocol.classes), predictions.classes[places.index(None)]
        raise InputError(f"{path}, field 'classes' of {CARD}: class {unknown!r}; {card.protocol} has {there}")
    predictions = _of_classes(predictions, np.array(places), tuple(protocol.classes))
    wanted = KEY if len(protocol.datasets) > 1 else KEY[1:]
    lacks = [name for name in wanted if name not in predictions.has]
    if lacks:
        raise InputError(f"{path}, field {lacks[0]!r}: not there; a submission says of each row whose clip it is")
    twice = doubled(predictions)
    if twice:
        raise InputError(f"{path}, field 'clip': {twice[0]} stands twice; a submission has each clip once")
    remark = f"submission of {card.year} by {card.contact}; tuned: {card.tuned}"
    return replace(predictions, name=card.title).noting(remark)


def _of_classes(predictions: Predictions, places: np.ndarray, classes: tuple[str, ...]) -> Predictions:
    """Return the same predictions with all classes of a protocol: one may neither occur nor be predicted."""
    columns = score_columns(predictions.frame)
    scores = among(predictions.frame[columns].to_numpy(), places, len(classes))
    frame = predictions.frame.drop(columns=columns).assign(label=places[predictions.frame["label"]])
    frame = pd.concat([frame, pd.DataFrame(scores, frame.index, [f"p{n}" for n in range(len(classes))])], axis=1)
    remarks = tuple(remark for remark in predictions.remarks if not remark.startswith(OCCURRING))
    return replace(predictions, frame=frame, classes=classes, remarks=remarks)


def check_submission(checked: Check, path: Path) -> None:
    """Raise InputError, naming the file, if a comparison with the official list found other clips or labels."""
    facts = checked.facts or {}
    if facts.get("on_list") == 0:
        raise InputError(f"{path}, field 'clip': no clip has a name of the list of {checked.protocol}")
    if facts.get("surplus"):
        raise InputError(f"{path}, field 'clip': {facts['surplus'][0]} is not on the list of {checked.protocol}")
    if facts.get("labels_differ"):
        raise InputError(f"{path}, field 'label': {facts['labels_differ'][0]}; a submission has the official labels")
