"""Scores and published numbers -> one table in all formats."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from apexbench.config.datasets import DatasetCard
from apexbench.config.methods import MethodCard
from apexbench.config.protocols import ProtocolCard
from apexbench.config.tables import Table
from apexbench.evaluation.score_files import read_scores
from apexbench.gpu_hours import Work
from apexbench.store.writing import atomic
from apexbench.tables.build import build_table
from apexbench.tables.render import write_table
from apexbench.tables.short import short_form
from apexbench.tables.table import StudyFacts, TableInputs


def make_table(
    *,
    name: str,
    card: dict,
    scores: Mapping[str, str],
    published_folder: str,
    protocols: Mapping[str, dict],
    datasets: Mapping[str, dict],
    methods: Mapping[str, dict],
    oracles: Sequence[str],
    circular: Sequence[str],
    benchmarks: Sequence[tuple[str, str, Sequence[str]]],
    data: Mapping[str, Mapping[str, str]],
    comparisons: Mapping[str, str],
    work: Sequence[tuple[str, str, Mapping | None]],
    partial: bool,
    study: Mapping,
    outputs: Sequence[str],
    short: str,
    origins: Mapping[str, str] | None = None,
) -> None:
    """Build one table and write it in the format of every output's suffix, and its short form, empty if it has none.

    Parameters
    ----------
    name, card : the table.
    scores, comparisons : {protocol: CSV}, the study's protocols in its order.
    protocols, datasets : every card that there is; methods : those of the study.
    oracles : the runs that read what true action units of a test clip have chosen.
    circular : the runs that read flow of what the same flow has magnified.
    benchmarks : (protocol, run, TSV files of its training jobs) each.
    work : (protocol, run, its counted work at paper budget, None if it is not known) each.
    data : {"counts": {protocol: CSV}, "indexes": {data set: CSV}, "findings": {data set: CSV}}.
    partial : files may be missing; the caption says what is.
    origins : {run: where its predictions come from}.
    study : its name, budget, seeds, real data sets and `table_methods`, as `StudyFacts` has them.
    """
    there = {key: read_scores(path) for key, path in scores.items() if Path(path).exists() or not partial}
    inputs = TableInputs(
        published=published_folder,
        protocols={key: ProtocolCard(**value) for key, value in protocols.items()},
        datasets={key: DatasetCard(**value) for key, value in datasets.items()},
        methods={key: MethodCard(**value) for key, value in methods.items()},
        oracles=frozenset(oracles),
        circular=frozenset(circular),
        scores={key: there.get(key, pd.DataFrame()) for key in scores},
        benchmarks={(protocol, run): [p for p in paths if Path(p).exists()] for protocol, run, paths in benchmarks},
        comparisons=comparisons,
        work=[(protocol, run, Work(**its) if its else None) for protocol, run, its in work],
        partial=partial,
        study=StudyFacts(
            study["name"],
            study["budget"],
            tuple(study["seeds"]),
            frozenset(study["real"]),
            tuple(study.get("table_methods", ())),
        ),
        origins=origins or {},
        **data,
    )
    table = build_table(Table(**card), name, inputs)
    for path in outputs:
        write_table(table, path)
    with atomic(short) as part:
        part.write_text(short_form(table), encoding="utf-8")
