"""Predictions -> scores -> figures and tables -> README: the last stages, files in, files out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from apexbench.config import MethodCard, ProtocolCard, TableCard
from apexbench.evaluation.scores import learning_curves, read_scores, score_runs, write_scores
from apexbench.protocols import read_protocol
from apexbench.tables.build import build_table
from apexbench.tables.readme import rewrite
from apexbench.tables.render import write_table


def score_protocol(runs: Mapping[str, Sequence[str]], protocol: str, seed: int, output: str) -> None:
    """Score all runs of a protocol; a run that misses a clip of the protocol's table is marked partial."""
    write_scores(score_runs(runs, expected_clips=len(read_protocol(protocol)), bootstrap_seed=seed), output)


def protocol_figures(
    runs: Mapping[str, Sequence[str]], scores: str, classes: Sequence[str], title: str, confusion: str, curves: str
) -> None:
    """Draw the confusion matrices (rule `last`) of all runs, and the learning curves of those with epochs."""
    from apexbench.tables.figures import confusion_figure, curves_figure

    confusion_figure(read_scores(scores), classes, confusion, title)
    curves_figure(pd.concat([learning_curves(paths) for paths in runs.values()]), curves, title)


def make_table(
    name: str,
    card: dict,
    scores: Sequence[str],
    published_folder: str,
    protocols: Mapping[str, dict],
    methods: Mapping[str, dict],
    benchmarks: Sequence[tuple[str, str, Sequence[str]]],
    outputs: Sequence[str],
) -> None:
    """Build one table and write it in the format of every output's suffix."""
    table = build_table(
        TableCard(**card),
        name,
        {Path(path).stem: read_scores(path) for path in scores},
        published_folder,
        {key: ProtocolCard(**value) for key, value in protocols.items()},
        {key: MethodCard(**value) for key, value in methods.items()},
        {(protocol, run): [path for path in paths if Path(path).exists()] for protocol, run, paths in benchmarks},
    )
    for path in outputs:
        write_table(table, path)


def rewrite_readme(readme: str, tables: Sequence[str]) -> None:
    """Put Markdown tables between their markers in the README."""
    rewrite(readme, {Path(path).stem: Path(path).read_text() for path in tables})
