"""A published table whose rows are named `<anything>=<number>`, as scores over that number."""

import os
import re

import pandas as pd

from apexbench.config.published import NULL_ROW
from apexbench.config.tables import PrintedColumn, Table
from apexbench.errors import InputError
from apexbench.tables.table import card_file, read_csv

SCORES = ["published", "as_published", "honest", "ci_low", "ci_high", "null"]


def read_curve(path: str | os.PathLike, name: str, card: Table) -> tuple[pd.DataFrame, PrintedColumn]:
    """Read the first scored column of a table's CSV: x and SCORES by row, and the column.

    `null` is what the null model scores as published, with as many epochs as the row's run has.

    Raises InputError, naming the card and the row, for a row without a number after its last "=".
    """
    frame = read_csv(path, ["row", "column", *SCORES], "delete it and rerun the table")
    place = next(place for place, column in enumerate(card.columns) if column.honest)
    part = frame[frame["column"] == frame["column"].unique()[place]].set_index("row")[SCORES].apply(pd.to_numeric)
    points = part.drop(NULL_ROW, errors="ignore")
    numbers = []
    for row in points.index:
        number = re.search(r"=\s*(-?\d+(\.\d+)?)$", row)
        if number is None:
            raise InputError(
                f"{card_file(name)}: field 'curve': the row {row!r} does not end in '=' and a number; name it so, "
                f"or take 'curve' out"
            )
        numbers.append(float(number[1]))
    return points.assign(x=numbers).sort_values("x", ignore_index=True), card.columns[place]
