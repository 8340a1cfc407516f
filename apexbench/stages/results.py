"""Predictions -> scores -> figures and tables -> README: the last stages, files in, files out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from apexbench.config.datasets import DatasetCard
from apexbench.config.methods import MethodCard
from apexbench.config.protocols import ProtocolCard
from apexbench.config.tables import Table
from apexbench.evaluation.comparisons import Ranking, rank_runs
from apexbench.evaluation.null_model import null_curves
from apexbench.evaluation.scores import (
    compare_predictions,
    learning_curves,
    read_scores,
    score_runs,
    write_scores,
)
from apexbench.evaluation.selection import LEAKING
from apexbench.protocols import read_protocol
from apexbench.tables.build import build_table
from apexbench.tables.curve import read_curve
from apexbench.tables.numbers import chance
from apexbench.tables.readme import rewrite
from apexbench.tables.render import write_table
from apexbench.tables.table import TableInputs
from apexbench.tables.words import PRINTED


def score_protocol(
    runs: Mapping[str, Sequence[str]],
    inner: Mapping[str, Sequence[str]],
    skipped: Mapping[str, str],
    compared: Sequence[str],
    card: Mapping,
    protocol: str,
    seed: int,
    scores: str,
    comparisons: str,
) -> None:
    """Score all runs of a protocol and the null model, and compare runs with the best of them by honest predictions.

    A run that misses a clip of the protocol's table is marked partial.

    Parameters
    ----------
    runs, inner : {run: predictions files}, {run: files of inner predictions}; a run may have none.
    skipped : {run: why it was not run}.
    compared : the runs to compare.
    card, protocol : the protocol's card, and its table as CSV.
    scores, comparisons : CSV files to write.
    """
    card = ProtocolCard(**card)
    write_scores(score_runs(runs, card, read_protocol(protocol), inner, seed, skipped), scores)
    write_scores(compare_predictions({run: runs[run] for run in compared}, card, seed), comparisons)


def rank_figure(
    scores: Mapping[str, str], runs: Sequence[str], multilabel: Sequence[str], title: str, output: str
) -> None:
    """Draw the mean ranks of runs over protocols, {protocol: scores CSV}, by the honest UF1 (F1 of action units)."""
    from apexbench.tables.figures import critical_difference_figure

    columns = {}
    for protocol, path in scores.items():
        frame = read_scores(path)
        honest = frame[(frame["rule"] == "last") & (frame["slice"] == "") & frame["run"].isin(runs)].set_index("run")
        columns[protocol] = honest["au_f1" if protocol in multilabel else "uf1"]
    ranking = rank_runs(pd.DataFrame(columns).T)
    ranks = ranking.mean_ranks.to_dict()
    critical_difference_figure(ranks, ranking.critical_difference, output, title, _tests_in_words(ranking))


def _tests_in_words(ranking: Ranking) -> str:
    if pd.isna(ranking.p):
        return ""
    behind = ranking.holm[ranking.holm["p_holm"] < 0.05]
    named = ", ".join(f"{row.run} ({chance(row.p_holm)})" for row in behind.itertuples()) or "none"
    best = ranking.mean_ranks.index[0]
    return f"Friedman (Iman-Davenport): p {chance(ranking.p)}. Behind {best} after Holm's correction, p < .05: {named}."


def protocol_figures(
    runs: Mapping[str, Sequence[str]],
    scores: str,
    protocol: str,
    classes: Sequence[str],
    title: str,
    confusion: str,
    curves: str,
    null: str,
) -> None:
    """Draw the confusion matrices (rule `last`) of some runs, their learning curves, and what the null model scores."""
    from apexbench.tables.figures import confusion_figure, curves_figure, null_figure

    whole = read_scores(scores)
    whole = whole[(whole["slice"] == "") & whole["run"].isin(runs)]
    confusion_figure(whole, classes, confusion, title)
    curves_figure(pd.concat([learning_curves(paths) for paths in runs.values() if paths]), curves, title)
    table = read_protocol(protocol)
    null_figure(null_curves(table["fold"], table["label"], len(classes)), null, title)


def curve_figure(table: str, name: str, card: Mapping, title: str, output: str) -> None:
    """Draw a published table, as CSV, over the number in its rows' names; `name` and `card` are the table's."""
    from apexbench.tables.figures import sweep_figure

    card = Table(**card)
    points, null, column = read_curve(table, name, card)
    score = PRINTED.get(column.metric, column.metric)
    sweep_figure(points, null, output, title, card.curve, score, column.rule in LEAKING)


def make_table(
    name: str,
    card: dict,
    scores: Mapping[str, str],
    published_folder: str,
    protocols: Mapping[str, dict],
    datasets: Mapping[str, dict],
    methods: Mapping[str, dict],
    benchmarks: Sequence[tuple[str, str, Sequence[str]]],
    data: Mapping[str, Mapping[str, str]],
    comparisons: Mapping[str, str],
    partial: bool,
    outputs: Sequence[str],
) -> None:
    """Build one table and write it in the format of every output's suffix.

    Parameters
    ----------
    name, card : the table.
    scores, comparisons : {protocol: CSV}, the study's protocols in its order.
    protocols, datasets : every card that there is; methods : those of the study.
    benchmarks : (protocol, run, TSV files of its training jobs) each.
    data : {"counts": {protocol: CSV}, "indexes": {data set: CSV}, "findings": {data set: CSV}}.
    partial : files may be missing; the caption says what is.
    """
    there = {key: read_scores(path) for key, path in scores.items() if Path(path).exists() or not partial}
    inputs = TableInputs(
        published=published_folder,
        protocols={key: ProtocolCard(**value) for key, value in protocols.items()},
        datasets={key: DatasetCard(**value) for key, value in datasets.items()},
        methods={key: MethodCard(**value) for key, value in methods.items()},
        scores={key: there.get(key, pd.DataFrame()) for key in scores},
        benchmarks={(protocol, run): [p for p in paths if Path(p).exists()] for protocol, run, paths in benchmarks},
        comparisons=comparisons,
        partial=partial,
        **data,
    )
    table = build_table(Table(**card), name, inputs)
    for path in outputs:
        write_table(table, path)


def rewrite_readme(readme: str, tables: Sequence[str]) -> None:
    """Put Markdown tables between their markers in the README."""
    rewrite(readme, {Path(path).stem: Path(path).read_text() for path in tables})
