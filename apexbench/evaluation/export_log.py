"""The predictions of a run -> a log in the submission format of MEGC2019."""

import os
from collections.abc import Sequence

from apexbench.errors import InputError
from apexbench.evaluation.megc_log import write_log
from apexbench.evaluation.predictions import read_predictions
from apexbench.evaluation.selection import CLIP, select


def export_log(predictions: Sequence[str | os.PathLike], rule: str, seed: int | None, output: str | os.PathLike) -> int:
    """Write the predictions of one run as a log in the submission format of MEGC2019; return the number of clips.

    Raises InputError if the files hold several runs, or several seeds and none is chosen.
    """
    frame, _ = read_predictions(predictions)
    for column, wish in (("protocol", None), ("run", None), ("seed", seed)):
        there = sorted(set(frame[column]))
        if wish is None and len(there) > 1:
            listed = ", ".join(map(str, there))
            raise InputError(
                f"{predictions[0]} and the files with it: several values of {column!r} ({listed}); give one"
            )
        if wish is not None and wish not in there:
            raise InputError(
                f"{predictions[0]}: no predictions of {column} {wish}; there are {', '.join(map(str, there))}"
            )
    if seed is not None:
        frame = frame[frame["seed"] == seed]
    chosen = select(frame, rule)
    write_log(chosen.sort_values(CLIP, kind="stable"), output)
    return len(chosen)
