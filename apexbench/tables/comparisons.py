"""Runs of a protocol against its best one, or against the one that the card names: difference, interval, tests."""

from pathlib import Path

import pandas as pd

from apexbench.config.tables import Table
from apexbench.tables.row_titles import row_titles
from apexbench.tables.run_scores import RunScores
from apexbench.tables.table import Column, TableData, TableInputs, join, read_csv, tidy

NUMBERS = ["difference", "low", "high", "p_permutation", "p_holm", "p_mcnemar", "p_mcnemar_holm"]
COMPARISON_COLUMNS = ["row", "column", "reference", "score", *NUMBERS, "status", "note", "origin"]
BEST = (
    "Reference: the run with the best honest score of the protocol; that it was chosen by the scores is not corrected "
    "for."
)
CAPTION = (
    "Difference: run minus reference, both after the last epoch, with a 95 % interval (paired "
    "bootstrap over subjects). Permutation: the predictions of the two are swapped subject by subject. McNemar: "
    "exact, on clips, for accuracy; it takes the clips of a subject for independent. Holm: corrected for all "
    "comparisons of the protocol. With so few subjects a large p is no evidence of equality."
)


def comparisons_table(card: Table, name: str, inputs: TableInputs) -> TableData:
    """Build the table of paired comparisons from one CSV for each protocol."""
    scores, titles = RunScores(inputs), row_titles(inputs.shown() | inputs.shown([*card.rows, card.reference]))
    study = [protocol for protocol in inputs.comparisons if card.protocol in (None, protocol)]
    cells, absent = [], []
    for protocol in study:
        path = Path(inputs.comparisons[protocol])
        if inputs.partial and not path.exists():
            absent.append(scores.title(protocol))
            continue
        frame = read_csv(
            path, ["run", "reference", "score", "note", "table", *NUMBERS], "delete it and rerun the comparisons"
        )
        frame = frame[frame["table"] == (name if card.reference else "")]
        lines = {line["run"]: line for line in frame.to_dict("records")}
        for line in (lines[run] for run in card.rows or lines if run in lines):
            numbers = {key: pd.to_numeric(line[key], errors="coerce") for key in NUMBERS}
            status = scores.rows((protocol, ""), line["run"])[1]
            reference = titles.get(line["reference"], line["reference"])
            cell = {"row": titles.get(line["run"], line["run"]), "column": protocol, "reference": reference}
            cell |= {"score": line["score"], "status": status, "note": line["note"]}
            cells.append({**cell, **numbers, "origin": inputs.origins.get(line["run"], "")})
    partial = f"Partial: no comparisons yet of {', '.join(absent)}." if absent else ""
    facts, warning = scores.facts(study)
    caption = join(
        join(partial, inputs.not_shown(card.rows), card.caption, facts),
        join("" if card.reference else BEST, CAPTION),
        by="\n",
    )
    columns = [Column(protocol, scores.title(protocol)) for protocol in study]
    return TableData(name, card, caption, warning, tidy(cells, COMPARISON_COLUMNS, (), NUMBERS), columns)
